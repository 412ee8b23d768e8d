"""A stored take, done again by an arm: gently to where it began, then as it was shown, never faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, Command, FloatArray, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.gripper import GripTracker
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.demonstrations.demonstration import Demonstration

REPLAY_APPROACH_SPEED_RAD_S = 0.6
"""How fast the arm goes to the take's first pose, rad/s."""
REPLAY_START_TOLERANCE_RAD = 0.03
"""How near it must come before the take begins, rad …"""
MAX_REPLAY_SETTLE_DECISIONS = 25
"""… or how many decisions it may stand beside it."""
MAX_REPLAY_LAG_RAD = 0.3
"""The take waits while a joint is farther from it than this, rad."""
REPLAY_BLOCKED_TIMEOUT_S = 3.0
"""How long it waits for that, s, before it takes the arm for blocked and gives up."""
MAX_REPLAY_STEP_S = 0.1
"""Most time that passes in the take from one decision to the next, s, however late that is."""


class ReplayError(Exception):
    """A take cannot be done again by this arm, which does not move; the message says why."""


class ReplayController:
    """Does a take again, joint by joint. Implements Controller.

    ``speed`` is a share of the take's own, 1 at most. Raises ReplayError for a take of another arm, or an empty one.
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
        """Whether the take is over, or was given up."""
        self.blocked_reason = ""
        """Why it was given up, in words."""
        self.approaching = True
        """Whether the arm is still on its way to where the take began."""
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
        """The share of the take that is done."""
        duration = float(self._times[-1])
        return min(self._take_time / duration, 1.0) if duration > 0 else float(not self.approaching)

    def decide(self, observation: Observation) -> Command | None:
        """Return the next joint targets; None when the take is over."""
        passed = min(observation.time - self._last_time, MAX_REPLAY_STEP_S) if self._last_time is not None else 0.0
        self._last_time = observation.time
        if self.finished:
            return None
        here = observation.joints.positions
        if self.approaching:
            return self._approach(here)
        if self._take_time >= self._times[-1]:
            self.finished = True
            return None
        off = np.abs(self._interpolate_targets() - here)[:-1]
        if off.max() < MAX_REPLAY_LAG_RAD:
            self._take_time += self._speed * passed
            self._lag_duration = 0.0
        else:
            self._lag_duration += passed
            if self._lag_duration > REPLAY_BLOCKED_TIMEOUT_S:
                self._abort(self.demonstration.joint_names[int(off.argmax())], float(off.max()))
                return None
        return Command(read_only_copy(self._interpolate_targets()))

    def _abort(self, joint: str, lag: float) -> None:
        """Something is in the arm's way: to go on would press against it."""
        self.blocked_reason = f"{joint} stayed {lag:.2f} rad behind for {REPLAY_BLOCKED_TIMEOUT_S:.0f} s, at {self.progress:.0%} of the take"
        self.finished = True

    def _approach(self, positions: FloatArray) -> Command:
        """Take a step towards the first pose, all joints together; begin the take where that is reached."""
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
        """Return the take's targets (J,) at the present moment in it."""
        after = min(int(np.searchsorted(self._times, self._take_time, side="right")), len(self._times) - 1)
        before = max(after - 1, 0)
        span = float(self._times[after] - self._times[before])
        share = min(max((self._take_time - float(self._times[before])) / span, 0.0), 1.0) if span > 0 else 1.0
        targets: FloatArray = self._targets[before] + share * (self._targets[after] - self._targets[before])
        return targets


def _compute_targets(demonstration: Demonstration) -> FloatArray:
    """Return the joint targets (N, J) of a take; where a hand led the arm, the gripper squeezes a little more."""
    if demonstration.teaching_method != "hand":
        return demonstration.command_sent
    targets = demonstration.command_sent.copy()
    grip = GripTracker(float(targets[0, -1]))
    targets[:, -1] -= [grip.compute_squeeze(float(gripper)) for gripper in targets[:, -1]]
    return targets
