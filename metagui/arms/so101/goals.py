"""What the servos were told last, and what they may be told next: the driver's own last line of defence.

A servo that did not say where it is keeps its goal; one that went limp gets its present position and nothing else
until it holds again; no goal runs away faster than its joint may turn.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import RAD_PER_TICK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.so101.calibration import TickConversion
    from metagui.arms.so101.feedback import LatestFeedback
    from metagui.arms.so101.motors import ServoChain

GOAL_INTERVAL_RANGE_S = (0.02, 0.1)
"""Least and greatest time, s, that a goal may make use of since the one before it."""


class ServoGoals:
    """The goals of a chain whose torque was just switched on at ``goals``; all positions are ticks.

    ``haste`` is how much faster than a joint's ``max_velocity`` goals may run.
    """

    def __init__(
        self,
        chain: ServoChain,
        conversion: TickConversion,
        feedback: LatestFeedback,
        goals: Sequence[int],
        velocity_factor: float,
    ) -> None:
        self._chain = chain
        self._conversion = conversion
        self._feedback = feedback
        self._max_velocities = [velocity_factor * joint.max_velocity / RAD_PER_TICK for joint in conversion.joints]
        self._last_goals = dict(zip(chain.ids, goals, strict=True))
        self._sent_at = time.perf_counter()
        self.torque_lost: frozenset[int] = frozenset()
        """Servos that were found limp and have not been told to stay since."""

    @property
    def last_goals(self) -> list[int]:
        """What the servos were told last."""
        return list(self._last_goals.values())

    def get_present_positions(self) -> list[int]:
        """Return where the servos said they are, within the limits."""
        return self._conversion.clip(self._feedback.get_positions())

    def move_towards(self, ticks: Sequence[int]) -> None:
        """Send goals, as far towards ``ticks`` as the time since the last ones allows."""
        elapsed = min(max(time.perf_counter() - self._sent_at, GOAL_INTERVAL_RANGE_S[0]), GOAL_INTERVAL_RANGE_S[1])
        steps = [int(speed * elapsed) for speed in self._max_velocities]
        every = zip(ticks, self._last_goals.values(), steps, strict=True)
        self._send([min(max(tick, last - step), last + step) for tick, last, step in every])

    def hold_position(self) -> None:
        """Make the present positions the goals."""
        self._send(self.get_present_positions())

    def _send(self, ticks: Sequence[int]) -> None:
        hot, fresh = self._feedback.find_overheated(), self._feedback.responded
        limp = self.torque_lost | hot
        every = zip(self._chain.ids, ticks, self.get_present_positions(), strict=True)
        goals = {ident: here if ident in limp else tick for ident, tick, here in every if ident in fresh}
        if goals:
            self._chain.write_goals(goals)
            self._sent_at = time.perf_counter()
            self._last_goals |= goals
        self.torque_lost = (limp - fresh) | hot
