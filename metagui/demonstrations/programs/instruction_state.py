"""State of an instruction in a scene: its names resolved to objects, and whether it can be carried out now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import UnreachableError
from metagui.arms.kinematics import inverse_kinematics
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.object_fit import explain_no_room, explain_unfit
from metagui.demonstrations.primitives.primitive import MotionStyle, PrimitiveMemory, PrimitiveState
from metagui.demonstrations.primitives.registry import compute_goals
from metagui.demonstrations.suggestions import suggest_closest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction


def find_object_index(object_name: str, objects: Sequence[SceneObject]) -> int:
    """Return the index of an object. Raises ProgramError with the valid names."""
    names = [each.name for each in objects]
    if object_name in names:
        return names.index(object_name)
    raise ProgramError(
        f"There is no {object_name!r} here; there is {', '.join(names)}.{suggest_closest(object_name, names)}"
    )


def make_primitive_state(
    instruction: Instruction,
    objects: Sequence[SceneObject],
    observation: Observation,
    memory: PrimitiveMemory | None = None,
    style: MotionStyle | None = None,
) -> PrimitiveState:
    """Resolve an instruction's names in a scene; return the state for its law. Raises ProgramError."""
    first = find_object_index(instruction.object_name, objects)
    target = first if instruction.target_name is None else find_object_index(instruction.target_name, objects)
    cubes = tuple(index for index, each in enumerate(objects) if each.is_solid)
    if instruction.action in ("grasp", "push", "press") and first not in cubes:
        raise ProgramError(
            f"Only a cube can be the object of {instruction.action}, not the {instruction.object_name}. The arm stays "
            "where it is; choose a cube."
        )
    return PrimitiveState(
        instruction,
        observation,
        memory or PrimitiveMemory.from_observation(observation),
        style or MotionStyle(),
        first,
        target,
        cubes,
        objects,
    )


def check_reachable(instruction: Instruction, objects: Sequence[SceneObject], observation: Observation) -> None:
    """Raise UnreachableError or ProgramError if an instruction cannot be carried out now."""
    state = make_primitive_state(instruction, objects, observation)
    if problem := explain_unfit(instruction.action, objects[state.object_index]):
        raise ProgramError(f"{problem} The arm stays where it is; choose another object.")
    for goal in compute_goals(state):
        if goal[2] < 0.0:
            raise UnreachableError("That point is below the table. The arm stays where it is; choose a higher one.")
        inverse_kinematics(goal, 0.0)
    if instruction.action in ("place", "slide") and not observation.scene.held.any():
        raise ProgramError("Nothing is held that could be put there. The arm stays where it is; grasp a cube first.")
    if instruction.action == "place":
        held = objects[int(np.flatnonzero(observation.scene.held)[0])]
        if problem := explain_no_room(held, objects[state.object_index]):
            raise ProgramError(f"{problem} The arm holds its position; choose another place.")
