"""What a task is, by its instructions: the labels that the Siamese encoder is trained and evaluated with."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metagui.demonstrations.programs.success import CURVE_TOLERANCE_M, PLACE_TOLERANCE_M, REACH_TOLERANCE_M

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration, Instruction

_TOLERANCES_M = {
    "reach": REACH_TOLERANCE_M,
    "place": PLACE_TOLERANCE_M,
    "push": PLACE_TOLERANCE_M,
    "slide": PLACE_TOLERANCE_M,
    "trace": CURVE_TOLERANCE_M,
}
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
        is_beside = goal == "block" and math.hypot(x, y) > MAX_ON_TOP_M
        return [instruction.action, "beside" if is_beside else goal]
    return [instruction.action]


def is_same_task(a: TaskLabels, b: TaskLabels) -> bool:
    """Return whether a demonstration of one task would pass as one of the other.

    Motion and objects are equal, and no place differs by more than the tolerance with which success is judged: takes do
    not show smaller differences.
    """
    if a.task == b.task:
        return True
    if None in (a.motion, b.motion) or a[1:] != b[1:]:
        return False
    pairs = zip(json.loads(a.task), json.loads(b.task), strict=True)
    return all(first[:3] == second[:3] and _is_within_tolerance(first, second) for first, second in pairs)


def _is_within_tolerance(a: list[Any], b: list[Any]) -> bool:
    """Return whether the parameters of two instructions of one action differ by less than its tolerance."""
    tolerance = _TOLERANCES_M.get(a[0], REACH_TOLERANCE_M)
    first, second = dict(a[3]), dict(b[3])
    return all(
        _measure_difference(name, first, second) <= tolerance
        for name in {*first, *second}
        if name != "height"  # how high a cube is lifted is not judged
    )


def _measure_difference(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Return by how much a parameter of two instructions differs, m; infinite for other shapes and directions."""
    one, other = first.get(name, 0.0), second.get(name, 0.0)
    if isinstance(one, str) or isinstance(other, str) or name == "direction":
        return 0.0 if one == other else math.inf
    if name == "angle":
        return float(abs(math.remainder(one - other, 2 * math.pi)) * first.get("length", 0.0))
    if name == "ratio":
        return float(abs(one - other) * first.get("radius", 0.0))
    return float(np.linalg.norm(np.subtract(one, other)))
