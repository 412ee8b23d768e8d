"""A second arm leads: a person moves the limp leader, and whatever arm is connected does the same.

The leader never gets a goal. The follower comes slowly to where the leader is, then keeps up with it; what it is
told passes the same safety gate as everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION

if TYPE_CHECKING:
    from metagui.arms.arm import Arm, FloatArray, Observation

LEADER_APPROACH_SPEED_RAD_S = 0.6
"""How fast the follower comes to the leader at first, rad/s."""
SYNCHRONISED_RAD = 0.05
"""From how near on, rad, it keeps up with the leader."""


class LeaderLostError(ArmError):
    """The leader does not answer; the follower holds its position."""


class LeaderController:
    """Lets the arm of the loop follow ``leader``, which must be connected and limp. Implements Controller.

    Where the leader cannot be read, ``decide`` raises LeaderLostError, over which the loop holds.
    """

    def __init__(self, leader: Arm) -> None:
        self.leader = leader
        self.synchronised = False
        """Whether the follower has come to where the leader is."""
        self._target: FloatArray | None = None

    def decide(self, observation: Observation) -> Command:
        """Return where the leader is, or a step towards that. Raises LeaderLostError."""
        wanted = self._read_leader()
        here = observation.joints.positions
        if wanted.shape != here.shape:
            raise LeaderLostError(
                f"{self.leader.name} has {len(wanted)} joints and the arm that should follow has {len(here)}; it holds "
                "its position. Choose a leader of the same kind."
            )
        if not self.synchronised:
            wanted = self._step_towards(wanted, here)
        return Command(read_only_copy(wanted))

    def _read_leader(self) -> FloatArray:
        try:
            return self.leader.observe().positions
        except ArmError as error:
            raise LeaderLostError(
                f"The leader was lost and the arm that follows holds its position: {error}"
            ) from error

    def _step_towards(self, wanted: FloatArray, here: FloatArray) -> FloatArray:
        """Return the next place on the way to the leader; from there on, keep up with it."""
        start = here if self._target is None else self._target
        step = LEADER_APPROACH_SPEED_RAD_S * CONTROL_PERIOD_S * TICKS_PER_DECISION
        self._target = start + np.clip(wanted - start, -step, step)
        self.synchronised = bool(np.abs(wanted - self._target).max() < SYNCHRONISED_RAD)
        return self._target
