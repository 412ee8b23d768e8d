"""Tasks that visit places twice, which only people demonstrate, and the test whether a path did: for ``people``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.people.curves import compute_drawn_path
from metagui.demonstrations.programs.program import TaskProgram

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray

TOLERANCE_M, MIN_FRACTION = 0.012, 0.9
"""Maximum distance from a place, m, and minimum fraction of the places that are visited in their order."""
TAP_COUNT, MAX_TAP_GAP_TICKS = 3, 10
"""Number of taps, and maximum interruption of one touch, ticks."""
STARTS = 12
"""Number of points of a closed curve at which a path may begin."""


def _make_trace(name: str, zone: str, height: float, **parameters: Any) -> TaskProgram:
    return TaskProgram(name, (Instruction("trace", zone, None, parameters | {"offset": (0.0, 0.0, height)}),))


REPEATED_TASKS = (
    _make_trace("wipe yellow", "yellow zone", 0.02, shape="wipe", length=0.06, turns=3),
    _make_trace("stir above violet", "violet zone", 0.05, shape="stir", radius=0.025, turns=3),
    TaskProgram("tap red three times", (Instruction("press", "red cube"),) * TAP_COUNT),
    _make_trace("figure eight above yellow", "yellow zone", 0.06, shape="figure eight", radius=0.035),
    _make_trace("spiral above violet", "violet zone", 0.05, shape="spiral", radius=0.035, turns=2),
)
"""Tasks in which the hand is at the same place again."""


def is_repeated_task(program: TaskProgram) -> bool:
    """Whether a task is one of REPEATED_TASKS."""
    return program in REPEATED_TASKS


def visits_all_places(program: TaskProgram, centre: FloatArray, tool_path: FloatArray, touched: BoolArray) -> bool:
    """Whether a path (T, 3) visits the places of a task in their order; for taps, whether there are enough touches.

    ``centre`` (3,) is the position of the task's object, ``touched`` (T,) whether the object is touched.
    """
    instruction = program.instructions[0]
    if instruction.action == "press":
        return count_touches(touched) >= TAP_COUNT
    curve = centre + np.asarray(instruction.parameters["offset"])
    hands = [np.array([np.cos(a), np.sin(a), 0.0]) for a in np.linspace(0.0, 2 * np.pi, STARTS, endpoint=False)]
    paths = (curve + compute_drawn_path(instruction.parameters, hand) for hand in hands)
    return any(follows_in_order(tool_path, places) for places in paths)


def follows_in_order(tool_path: FloatArray, places: FloatArray) -> bool:
    """Whether enough of the places (P, 3) are visited by a path (T, 3), each after the one before it."""
    near = np.linalg.norm(tool_path[:, None] - places[None], axis=2) < TOLERANCE_M
    now = visited = 0
    for column in near.T:
        found = np.flatnonzero(column[now:])
        if len(found):
            now, visited = now + int(found[0]), visited + 1
    return visited >= MIN_FRACTION * len(places)


def count_touches(touched: BoolArray) -> int:
    """Return the number of touches in (T,) flags; a short interruption ends none."""
    ticks = np.flatnonzero(touched)
    return int(len(ticks) > 0) + int((np.diff(ticks) > MAX_TAP_GAP_TICKS).sum())
