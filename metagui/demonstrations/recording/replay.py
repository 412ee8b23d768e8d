"""Replay of a stored take on an arm: a slow approach to its first pose, then the take at its own speed or slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, Command, FloatArray, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION, JointMove
from metagui.arms.gripper import compute_squeezes
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.demonstrations.demonstration import Demonstration

REPLAY_APPROACH_SPEED_RAD_S = 0.6
"""Speed of the approach to the take's first pose, rad/s."""
REPLAY_START_TOLERANCE_RAD = 0.03
"""Maximum joint error at which the approach ends, rad."""
MAX_REPLAY_SETTLE_DECISIONS = 25
"""Number of decisions after which the approach ends in any case, once the target is the first pose."""
MAX_REPLAY_LAG_RAD = 0.3
"""Maximum joint error, rad; while a joint exceeds it, the replay waits."""
REPLAY_BLOCKED_TIMEOUT_S = 3.0
"""Time of waiting after which the arm counts as blocked and the replay is given up, s."""
APPROACH_REASON = "The arm moves to the first pose of the take, around everything that it knows of."
MAX_REPLAY_STEP_S = 0.1
"""Maximum advance in the take per decision, s, also if the decision is late."""


class ReplayError(Exception):
    """The arm cannot replay the take and does not move; the message gives the reason."""


class ReplayController:
    """Replays the joint targets of a take. Implements Controller.

    ``speed`` is a fraction of the take's own speed, limited to 1. Raises ReplayError for a take of another arm, or an
    empty one.
    """

    def __init__(self, demonstration: Demonstration, speed: float = 1.0) -> None:
        start, stop = demonstration.trim or (0, len(demonstration))
        names = tuple(joint.name for joint in JOINTS)
        if demonstration.joint_names != names or start >= stop:
            raise ReplayError(
                f"This take has {stop - start} samples of {', '.join(demonstration.joint_names)}, and this arm has "
                f"{', '.join(names)}. The arm does not move; choose another take."
            )
        self.demonstration = demonstration
        self.finished = False
        """True if the take is over or was given up."""
        self.blocked_reason = ""
        """Why the replay was given up; empty if it was not."""
        self.approaching = True
        """True while the arm is on its way to the first pose."""
        self._planned = False
        self._speed = min(speed, 1.0)
        self._times = demonstration.time[start:stop] - demonstration.time[start]
        self._targets = _compute_targets(demonstration)[start:stop]
        self._take_time = 0.0
        self._last_time: float | None = None
        self._target: FloatArray | None = None
        self._settle_decisions = 0
        self._lag_duration = 0.0

    @property
    def progress(self) -> float:
        """Fraction of the take that is done."""
        duration = float(self._times[-1])
        return min(self._take_time / duration, 1.0) if duration > 0 else float(not self.approaching)

    def decide(self, observation: Observation) -> Command | JointMove | None:
        """Return the next joint targets; None if the take is over. A far first pose is reached on a planned path."""
        elapsed = min(observation.time - self._last_time, MAX_REPLAY_STEP_S) if self._last_time is not None else 0.0
        self._last_time = observation.time
        if self.finished:
            return None
        positions = observation.joints.positions
        if not self._planned and float(np.abs(self._targets[0] - positions)[:-1].max()) > MAX_REPLAY_LAG_RAD:
            self._planned = True
            return JointMove(self._targets[0], APPROACH_REASON, REPLAY_APPROACH_SPEED_RAD_S, is_required=False)
        self._planned = True
        if self.approaching:
            return self._approach(positions)
        if self._take_time >= self._times[-1]:
            self.finished = True
            return None
        lag = np.abs(self._interpolate_targets() - positions)[:-1]
        if lag.max() < MAX_REPLAY_LAG_RAD:
            self._take_time += self._speed * elapsed
            self._lag_duration = 0.0
        else:
            self._lag_duration += elapsed
            if self._lag_duration > REPLAY_BLOCKED_TIMEOUT_S:
                self._abort(self.demonstration.joint_names[int(lag.argmax())], float(lag.max()))
                return None
        return Command(read_only_copy(self._interpolate_targets()))

    def _abort(self, joint: str, lag: float) -> None:
        """Give up, because going on would press against an obstacle."""
        waited = f"{REPLAY_BLOCKED_TIMEOUT_S:.0f} s"
        self.blocked_reason = f"{joint} stayed {lag:.2f} rad behind for {waited}, at {self.progress:.0%} of the take"
        self.finished = True

    def _approach(self, positions: FloatArray) -> Command:
        """Return a step of all joints towards the first pose; end the approach there."""
        first = self._targets[0]
        target = positions if self._target is None else self._target
        step = REPLAY_APPROACH_SPEED_RAD_S * CONTROL_PERIOD_S * TICKS_PER_DECISION
        steps = max(float(np.abs(first - target).max()) / step, 1.0)
        self._target = target = target + (first - target) / steps
        if steps == 1.0:
            self._settle_decisions += 1
            self.approaching = (
                np.abs(positions - first)[:-1].max() > REPLAY_START_TOLERANCE_RAD
                and self._settle_decisions < MAX_REPLAY_SETTLE_DECISIONS
            )
        return Command(read_only_copy(target))

    def _interpolate_targets(self) -> FloatArray:
        """Return the take's targets (J,) at the current time in the take, rad."""
        after = min(int(np.searchsorted(self._times, self._take_time, side="right")), len(self._times) - 1)
        before = max(after - 1, 0)
        span = float(self._times[after] - self._times[before])
        fraction = min(max((self._take_time - float(self._times[before])) / span, 0.0), 1.0) if span > 0 else 1.0
        targets: FloatArray = self._targets[before] + fraction * (self._targets[after] - self._targets[before])
        return targets


def _compute_targets(demonstration: Demonstration) -> FloatArray:
    """Return the joint targets (N, J) of a take, rad; the gripper closes further for a hand-guided one."""
    if demonstration.teaching_method != "hand":
        return demonstration.command_sent
    targets = demonstration.command_sent.copy()
    targets[:, -1] -= compute_squeezes(targets[:, -1])
    return targets
