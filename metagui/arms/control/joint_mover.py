"""Moves all joints to a pose on a planned path: around the table, the objects and the arm itself, with eased speed.

It plans a little at every decision while the arm holds, so that the control loop never waits for a plan.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.simulation.collision_checker import CollisionChecker
from metagui.arms.simulation.path_planner import plan_path
from metagui.arms.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Generator

    from metagui.arms.arm import Arm, FloatArray, Observation, Scene
    from metagui.arms.control.tick import JointMove
    from metagui.arms.simulation.path_planner import Path

CLEARANCES_M = (0.012, 0.005)
"""Distances to keep from everything, m; a smaller one is tried if there is no path with a larger one."""
PLANNING_STEPS = 20
"""Number of the planner's steps in one decision; 3 ms together."""
MAX_LAG_RAD = 0.3
"""Largest distance of a joint from its target, rad; while one is farther away, the path waits."""
MAX_WAITING_S = 3.0
"""Time of waiting after which the arm counts as blocked, s."""
ARRIVED_RAD = 0.03
"""Largest distance of a joint from the goal at which the arm has arrived at once, rad."""
SETTLING_DECISIONS = 25
"""Number of decisions after which the arm has arrived in any case, unless a joint is blocked."""
BLOCKED_RAD = 0.12
"""Distance of a joint from the goal above which it counts as blocked, rad: more than a real arm sags."""
SQUEEZING_RAD = 0.03
"""Distance of the gripper's target past its position above which it holds something, rad."""
_DECISION_S = CONTROL_PERIOD_S * TICKS_PER_DECISION


class JointMoveError(ArmError):
    """The arm cannot reach a pose; the message says why, and that it holds."""


class JointMover:
    """Carries out one JointMove at a time of ``arm`` among the objects of ``scene``."""

    def __init__(self, arm: Arm, scene: Scene) -> None:
        self._arm, self._scene = arm, scene
        self._checkers: dict[float, CollisionChecker] = {}
        self.move: JointMove | None = None
        """The move that is being carried out, None if there is none."""
        self._plan: Generator[None, None, Path | None] | None = None
        self._path: EasedPath | None = None
        self._target: FloatArray = np.zeros(0)
        self._waited_s = 0.0
        self._settled = 0

    def begin(self, move: JointMove, observation: Observation, sent: FloatArray | None) -> None:
        """Start a move from the last targets ``sent`` (J,) if the arm is near them, else from where it is.

        Raises JointMoveError if a joint cannot be read.
        """
        present = observation.joints.positions
        if not np.isfinite(present).all():
            raise JointMoveError(
                "The pose of the arm cannot be read. It holds its position. Check its cables, then connect again."
            )
        start = np.array(present, dtype=np.float64)
        if sent is not None and float(np.abs(sent[:-1] - present[:-1]).max()) < BLOCKED_RAD:
            start[:-1] = sent[:-1]
        lower, upper = np.array([[joint.lower, joint.upper] for joint in self._arm.joints]).T
        start = np.clip(start, lower, upper)
        self.move, self._path, self._waited_s, self._settled = move, None, 0.0, 0
        holds = bool(observation.scene.held.any())
        if sent is not None and (holds or sent[-1] < present[-1] - SQUEEZING_RAD):
            holds, start[-1] = True, sent[-1]
        self._target = start
        self._plan = self._make_plan(observation, start, np.clip(move.goal, lower, upper), (lower, upper), holds)

    def cancel(self) -> None:
        """Give the move up; the arm stays where it is."""
        self.move = self._plan = self._path = None

    def decide(self, observation: Observation) -> Command | None:
        """Return the next joint targets, None at the end of the move. Raises JointMoveError."""
        present = observation.joints.positions
        if self._plan is not None:
            self._continue_planning()
            if self.move is None:
                return None
        elif self._path is not None and not self._is_lagging(present):
            self._target = self._path.advance(_DECISION_S)
            if self._path.finished and self._has_arrived(present):
                self.cancel()
                return None
        return Command(read_only_copy(self._target))

    def _make_plan(
        self,
        observation: Observation,
        start: FloatArray,
        goal: FloatArray,
        limits: tuple[FloatArray, FloatArray],
        holds: bool,
    ) -> Generator[None, None, Path | None]:
        """Plan with ever smaller clearance; at last, parts that touch may come closer while they separate."""
        measured = np.append(start[:-1], observation.joints.positions[-1])
        for clearance, leaves_contacts in [*((each, False) for each in CLEARANCES_M), (CLEARANCES_M[-1], True)]:
            checker = self._get_checker(clearance)
            checker.begin(measured, self._scene.objects, observation.scene, leaves_contacts)
            path = yield from plan_path(checker, measured, goal, *limits)
            if path is not None:
                gripper = start[-1] if holds else measured[-1]
                corners = [np.append(corner[:-1], gripper) for corner in path]
                return corners if holds else [*corners, np.append(goal[:-1], goal[-1])]
            yield
        return None

    def _get_checker(self, clearance: float) -> CollisionChecker:
        """Return the checker with a clearance, m; each compiles its model once, which takes some ticks."""
        if clearance not in self._checkers:
            table = Table.from_scene_objects(self._scene.objects)
            self._checkers[clearance] = CollisionChecker(clearance, table)
        return self._checkers[clearance]

    def _continue_planning(self) -> None:
        """Plan on for one decision; without a way, end the move. Raises JointMoveError if it is required."""
        assert self._plan is not None
        try:
            for _ in range(PLANNING_STEPS):
                next(self._plan)
        except StopIteration as end:
            self._plan = None
            move = self.move
            if end.value is None:
                self.cancel()
            if end.value is None and (move is None or move.is_required):
                raise JointMoveError(
                    "No way was found on which the arm touches neither the table nor an object nor itself. It holds "
                    "its position. Move what surrounds it, or guide it out by hand, then try again."
                ) from None
            self._path = None if end.value is None or move is None else EasedPath(end.value, move.peak_speed)

    def _is_lagging(self, present: FloatArray) -> bool:
        """Return whether the path must wait for a joint. Raises JointMoveError if it waited too long."""
        lag = np.abs(self._target - present)[:-1]
        if float(lag.max()) < MAX_LAG_RAD:
            self._waited_s = 0.0
            return False
        self._waited_s += _DECISION_S
        if self._waited_s > MAX_WAITING_S:
            self._report_blocked(lag)
        return True

    def _has_arrived(self, present: FloatArray) -> bool:
        """Return whether the arm is at the goal. Raises JointMoveError if it does not get there."""
        lag = np.abs(self._target - present)[:-1]
        self._settled += 1
        if self._settled >= SETTLING_DECISIONS and float(lag.max()) > BLOCKED_RAD:
            self._report_blocked(lag)
        return float(lag.max()) < ARRIVED_RAD or self._settled >= SETTLING_DECISIONS

    def _report_blocked(self, lag: FloatArray) -> None:
        joint = self._arm.joints[int(lag.argmax())].name
        self.cancel()
        raise JointMoveError(
            f"Something blocks the arm on its way: {joint} stays {math.degrees(float(lag.max())):.0f}° behind. The arm "
            "holds its position. Remove what is in its way, then try again."
        )


class EasedPath:
    """Follows a path and comes to rest at every corner, with minimum jerk.

    ``corners`` are joint angles (J,) each, rad; ``peak_speed`` is the highest speed of the fastest joint, rad/s.
    """

    def __init__(self, corners: Path, peak_speed: float) -> None:
        self._corners = corners
        peak_ratio = 1.875  # of a minimum-jerk motion: the peak speed relative to the mean speed
        changes = [float(np.abs(after - before).max()) for before, after in itertools.pairwise(corners)]
        self._durations = [max(peak_ratio * change / peak_speed, _DECISION_S) for change in changes]
        self._edge, self._time = 0, 0.0

    @property
    def finished(self) -> bool:
        """True if the end of the path is reached."""
        return self._edge == len(self._durations)

    def advance(self, elapsed: float) -> FloatArray:
        """Return the joint targets (J,) after another ``elapsed`` s."""
        self._time += elapsed
        while not self.finished and self._time >= self._durations[self._edge] - 1e-9:
            self._time -= self._durations[self._edge]
            self._edge += 1
        if self.finished:
            return self._corners[-1]
        fraction = self._time / self._durations[self._edge]
        eased = fraction**3 * (10.0 - 15.0 * fraction + 6.0 * fraction**2)
        start, end = self._corners[self._edge], self._corners[self._edge + 1]
        return start + (end - start) * eased
