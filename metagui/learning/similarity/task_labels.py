"""What a task is, by its instructions: the labels that the Siamese encoder is trained and evaluated with."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration, Instruction

MAX_ON_TOP_M = 0.03
"""Maximum horizontal offset of a cube that is placed on an object; beyond it, the cube is beside the object, m."""


class TaskLabels(NamedTuple):
    """Three labels of a task; two tasks are of the same kind if they have the motion or the objects in common."""

    task: str
    """Instructions with all parameters, or the name of a task without instructions."""
    motion: str | None
    """Actions with their shapes, whatever the objects; None if unknown."""
    objects: str | None
    """Names of the objects that the instructions refer to; None if unknown."""


def label_take(take: Demonstration) -> TaskLabels:
    """Return the labels of a take; only its task's name is known if it was recorded without instructions."""
    instructions = [segment.instruction for segment in take.segments if segment.instruction is not None]
    if not instructions or len(instructions) < len(take.segments):
        return TaskLabels(take.task, None, None)
    return label_instructions(instructions, {each.name: each.kind for each in take.objects})


def label_instructions(instructions: Sequence[Instruction], kinds: Mapping[str, str]) -> TaskLabels:
    """Return the labels of instructions; ``kinds`` are those of the objects by name."""
    task = json.dumps([[i.action, i.object_name, i.target_name, sorted(i.parameters.items())] for i in instructions])
    motion = json.dumps([_describe_motion(each, kinds) for each in instructions])
    names = {name for each in instructions for name in (each.object_name, each.target_name) if name}
    return TaskLabels(task, motion, json.dumps(sorted(names)))


def _describe_motion(instruction: Instruction, kinds: Mapping[str, str]) -> list[str]:
    """Return an action with the shape that it traces, or with what it ends at."""
    parameters = instruction.parameters
    if instruction.action == "trace":
        return ["trace", str(parameters.get("shape", "circle")), str(parameters.get("plane", "horizontal"))]
    if instruction.action in ("place", "push", "slide"):
        x, y, _ = parameters.get("offset", (0.0, 0.0, 0.0))
        goal = kinds.get(instruction.target_name or instruction.object_name, "")
        is_beside = goal == "cube" and math.hypot(x, y) > MAX_ON_TOP_M
        return [instruction.action, "beside" if is_beside else goal]
    return [instruction.action]
