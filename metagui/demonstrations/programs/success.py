"""Whether a program was achieved: what a person would look at, as numbers, for scripts and policies alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.primitives.grasping import place_goal, slide_goal
from metagui.demonstrations.primitives.primitive import Memory, Situation
from metagui.demonstrations.primitives.pushing import push_goal
from metagui.demonstrations.primitives.registry import reach_goal
from metagui.demonstrations.primitives.tracing import PATHS, traced_corners, traced_ellipse
from metagui.demonstrations.programs.program import ClickProgram, situation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Anchor, FloatArray, Observation
    from metagui.demonstrations.demonstration import Click

REACHED = 0.012
"""How near counts as there, for the tool, m."""
PLACED = 0.015
"""How near counts as there, for a cube, m."""
LIFTED = 0.040
"""How high a lifted cube's centre must be, m."""
DRAGGED = 0.026
"""How high a dragged cube's centre may come, m: half its edge off the table."""
ON_CURVE = 0.008
"""How near a traced curve the tool must pass, m."""


class Judge:
    """Watches one execution of a program, click by click; ``success`` when all of them were achieved and lasted."""

    def __init__(self, program: ClickProgram, anchors: Sequence[Anchor]) -> None:
        self.program = program
        self.anchors = anchors
        self.achieved: list[bool] = []
        self._start: Situation | None = None
        self._path: list[FloatArray] = []
        self._touched = np.zeros(len(anchors), dtype=bool)
        self._cube = -1
        self._highest = 0.0
        self._lasting: dict[int, FloatArray] = {}

    def begin(self, now: Observation) -> None:
        """A click starts here."""
        click = self.program.clicks[len(self.achieved)]
        self._start = situation(click, self.anchors, now, Memory.begin(now))
        self._path = []
        self._touched = now.scene.touched.copy()
        held = np.flatnonzero(now.scene.held)
        self._cube = int(held[0]) if len(held) else -1
        self._highest = 0.0

    def watch(self, now: Observation) -> None:
        """Take in one decision's state."""
        self._path.append(now.tool_position)
        self._touched |= now.scene.touched
        self._highest = max(self._highest, float(now.scene.positions[self._cube, 2]) if self._cube >= 0 else 0.0)

    def end(self, now: Observation) -> bool:
        """The click is said to be done; return whether it was."""
        if self._start is None:
            raise RuntimeError("Judge.end() before begin()")
        click = self._start.click
        s = situation(click, self.anchors, now, self._start.memory)
        ok = bool(_TESTS[click.verb](self, s))
        self.achieved.append(ok)
        return ok

    def success(self, now: Observation) -> bool:
        """Whether every click was achieved and what was moved is still where it was put."""
        there = all(
            np.linalg.norm(now.scene.positions[cube] - goal) < PLACED + 0.005 for cube, goal in self._lasting.items()
        )
        return len(self.achieved) == len(self.program.clicks) and all(self.achieved) and there

    def _reached(self, s: Situation) -> bool:
        return _distance(s.tool, reach_goal(s)) < REACHED

    def _moved(self, s: Situation) -> bool:
        return _distance(s.tool, s.memory.start + s.offset) < REACHED

    def _grasped(self, s: Situation) -> bool:
        self._lasting.pop(s.anchor, None)
        height = float(s.where(s.anchor)[2])
        lifted = height < DRAGGED if s.number("height", 0.075) < LIFTED else height > LIFTED
        return bool(s.now.scene.held[s.anchor]) and lifted

    def _placed(self, s: Situation) -> bool:
        if self._cube < 0 or s.now.scene.held.any() or self._start is None:
            return False
        goal = place_goal(s if s.anchor != self._cube else self._start, self._cube)
        self._lasting[self._cube] = goal
        return _distance(s.where(self._cube), goal) < PLACED

    def _slid(self, s: Situation) -> bool:
        if self._cube < 0 or s.now.scene.held.any():
            return False
        goal = slide_goal(s)
        self._lasting[self._cube] = goal
        return self._highest < DRAGGED and _distance(s.where(self._cube), goal) < PLACED

    def _released(self, s: Situation) -> bool:
        return not s.now.scene.held.any()

    def _pushed(self, s: Situation) -> bool:
        goal = push_goal(s)
        self._lasting[s.anchor] = goal
        return _distance(s.where(s.anchor), goal) < PLACED

    def _pressed(self, s: Situation) -> bool:
        if self._start is None or not self._touched[s.anchor]:
            return False
        return _distance(s.where(s.anchor), self._start.where(s.anchor)) < 0.02

    def _traced(self, s: Situation) -> bool:
        curve = _curve_points(s)
        path = np.array(self._path)
        near = np.linalg.norm(curve[:, None] - path[None], axis=2).min(axis=1)
        return float(np.mean(near < ON_CURVE)) >= 0.9


_TESTS = {
    "reach": Judge._reached,
    "home": Judge._reached,
    "move": Judge._moved,
    "grasp": Judge._grasped,
    "place": Judge._placed,
    "slide": Judge._slid,
    "release": Judge._released,
    "push": Judge._pushed,
    "press": Judge._pressed,
    "trace": Judge._traced,
}


def _distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.linalg.norm(a - b))


def _curve_points(s: Situation, count: int = 40) -> FloatArray:
    """(count, 3) points along the curve a trace click asks for."""
    share = np.linspace(0.0, 1.0, count)
    if s.click.parameters.get("shape") in PATHS:
        corners = traced_corners(s)
        at = np.linspace(0.0, 1.0, len(corners))
        return np.column_stack([np.interp(share, at, corners[:, axis]) for axis in range(3)])
    curve = traced_ellipse(s)
    angle = 2 * math.pi * share[:, None]
    return curve.centre + np.cos(angle) * curve.first + np.sin(angle) * curve.second


def describe_outcome(achieved: Sequence[bool], clicks: Sequence[Click]) -> str:
    """Say in words which clicks were achieved."""
    done = sum(achieved)
    return f"{done} of {len(clicks)} clicks achieved"
