"""A stored take, done again by an arm: gently to where it began, then as it was shown, never faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD, Command, FloatArray, frozen
from metagui.arms.control.tick import DECISION_TICKS
from metagui.arms.gripper import Grip
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.demonstrations.demonstration import Demonstration

APPROACH = 0.6
"""How fast the arm goes to the take's first pose, rad/s."""
ARRIVED = 0.03
"""How near it must come before the take begins, rad …"""
SETTLE = 25
"""… or how many decisions it may stand beside it."""
BEHIND = 0.3
"""The take waits while a joint is farther from it than this, rad."""
PATIENCE = 3.0
"""How long it waits for that, s, before it takes the arm for blocked and gives up."""
LONGEST = 0.1
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
        self.blocked = ""
        """Why it was given up, in words."""
        self.approaching = True
        """Whether the arm is still on its way to where the take began."""
        self._speed = min(speed, 1.0)
        self._times = demonstration.time[start:stop] - demonstration.time[start]
        self._targets = _targets(demonstration)[start:stop]
        self._at = 0.0
        self._last: float | None = None
        self._target: FloatArray | None = None
        self._waited = 0
        self._behind = 0.0

    @property
    def progress(self) -> float:
        """The share of the take that is done."""
        duration = float(self._times[-1])
        return min(self._at / duration, 1.0) if duration > 0 else float(not self.approaching)

    def decide(self, observation: Observation) -> Command | None:
        """Return the next joint targets; None when the take is over."""
        passed = min(observation.time - self._last, LONGEST) if self._last is not None else 0.0
        self._last = observation.time
        if self.finished:
            return None
        here = observation.joints.positions
        if self.approaching:
            return self._approach(here)
        if self._at >= self._times[-1]:
            self.finished = True
            return None
        off = np.abs(self._now() - here)[:-1]
        if off.max() < BEHIND:
            self._at += self._speed * passed
            self._behind = 0.0
        else:
            self._behind += passed
            if self._behind > PATIENCE:
                self._give_up(self.demonstration.joint_names[int(off.argmax())], float(off.max()))
                return None
        return Command(frozen(self._now()))

    def _give_up(self, joint: str, off: float) -> None:
        """Something is in the arm's way: to go on would press against it."""
        self.blocked = f"{joint} stayed {off:.2f} rad behind for {PATIENCE:.0f} s, at {self.progress:.0%} of the take"
        self.finished = True

    def _approach(self, here: FloatArray) -> Command:
        """Take a step towards the first pose, all joints together; begin the take where that is reached."""
        first = self._targets[0]
        target = here if self._target is None else self._target
        step = APPROACH * CONTROL_PERIOD * DECISION_TICKS
        steps = max(float(np.abs(first - target).max()) / step, 1.0)
        self._target = target = target + (first - target) / steps
        if steps == 1.0:
            self._waited += 1
            self.approaching = np.abs(here - first)[:-1].max() > ARRIVED and self._waited < SETTLE
        return Command(frozen(target))

    def _now(self) -> FloatArray:
        """Return the take's targets (J,) at the present moment in it."""
        after = min(int(np.searchsorted(self._times, self._at, side="right")), len(self._times) - 1)
        before = max(after - 1, 0)
        span = float(self._times[after] - self._times[before])
        share = min(max((self._at - float(self._times[before])) / span, 0.0), 1.0) if span > 0 else 1.0
        targets: FloatArray = self._targets[before] + share * (self._targets[after] - self._targets[before])
        return targets


def _targets(demonstration: Demonstration) -> FloatArray:
    """Return the joint targets (N, J) of a take; where a hand led the arm, the gripper squeezes a little more."""
    if demonstration.led_by != "hand":
        return demonstration.command_sent
    targets = demonstration.command_sent.copy()
    grip = Grip(float(targets[0, -1]))
    targets[:, -1] -= [grip.squeeze(float(gripper)) for gripper in targets[:, -1]]
    return targets
