"""Teleoperation with a leader arm: a person moves the leader, whose torque is off, and the connected arm follows.

The leader never gets a goal. The follower first moves slowly to the leader's pose, then keeps up with it; its
commands pass the safety gate like all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION, JointMove

if TYPE_CHECKING:
    from metagui.arms.arm import Arm, FloatArray, Observation

LEADER_APPROACH_SPEED_RAD_S = 0.6
"""Speed at which the follower first approaches the leader's pose, rad/s."""
SYNCHRONISED_RAD = 0.05
"""Largest distance of a joint from the leader's at which the approach is complete, rad."""


FAR_RAD = 0.3
"""Distance of a joint from the leader's above which the follower plans its path to it, rad."""
APPROACH_LEADER_REASON = "The arm moves to the leader's pose, around everything that it knows of."


class LeaderLostError(ArmError):
    """The leader does not answer; the follower holds its position."""


class LeaderController:
    """Lets the arm of the loop follow ``leader``, which must be connected with its torque off. Implements Controller.

    If the leader cannot be read, ``decide`` raises LeaderLostError, and the loop holds.
    """

    def __init__(self, leader: Arm) -> None:
        self.leader = leader
        self.synchronised = False
        """True once the follower has reached the leader's pose."""
        self._target: FloatArray | None = None
        self._planned = False

    def decide(self, observation: Observation) -> Command | JointMove:
        """Return the leader's pose, or a step towards it; a far one is reached on a planned path first.

        Raises LeaderLostError.
        """
        target = self._read_leader()
        present = observation.joints.positions
        if target.shape != present.shape:
            raise LeaderLostError(
                f"{self.leader.name} has {len(target)} joints and the arm that should follow has {len(present)}; it "
                "holds its position. Choose a leader of the same kind."
            )
        if not self._planned and float(np.abs(target - present)[:-1].max()) > FAR_RAD:
            self._planned = True
            return JointMove(target, APPROACH_LEADER_REASON, LEADER_APPROACH_SPEED_RAD_S, is_required=False)
        self._planned = True
        if not self.synchronised:
            target = self._step_towards(target, present)
        return Command(read_only_copy(target))

    def _read_leader(self) -> FloatArray:
        try:
            return self.leader.observe().positions
        except ArmError as error:
            raise LeaderLostError(
                f"The leader was lost and the arm that follows holds its position: {error}"
            ) from error

    def _step_towards(self, leader: FloatArray, present: FloatArray) -> FloatArray:
        """Return the next pose (J,) on the way to the leader's pose (J,), rad."""
        start = present if self._target is None else self._target
        step = LEADER_APPROACH_SPEED_RAD_S * CONTROL_PERIOD_S * TICKS_PER_DECISION
        self._target = start + np.clip(leader - start, -step, step)
        self.synchronised = bool(np.abs(leader - self._target).max() < SYNCHRONISED_RAD)
        return self._target
