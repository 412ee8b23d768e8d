"""What the servos were told last, and what they may be told next: the driver's own last line of defence.

A servo that did not say where it is keeps its goal; one that went limp gets its present position and nothing else
until it holds again; no goal runs away faster than its joint may turn.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import TICK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.so101.calibration import JointMap
    from metagui.arms.so101.feedback import ServoReports
    from metagui.arms.so101.motors import ServoChain

WINDOW = (0.02, 0.1)
"""Least and greatest time, s, that a goal may make use of since the one before it."""


class ServoGoals:
    """The goals of a chain whose torque was just switched on at ``goals``; all positions are ticks.

    ``haste`` is how much faster than a joint's ``max_velocity`` goals may run.
    """

    def __init__(
        self, chain: ServoChain, mapped: JointMap, reports: ServoReports, goals: Sequence[int], haste: float
    ) -> None:
        self._chain = chain
        self._map = mapped
        self._reports = reports
        self._speeds = [haste * joint.max_velocity / TICK for joint in mapped.joints]
        self._last = dict(zip(chain.ids, goals, strict=True))
        self._sent_at = time.perf_counter()
        self.limp: frozenset[int] = frozenset()
        """Servos that were found limp and have not been told to stay since."""

    @property
    def last(self) -> list[int]:
        """What the servos were told last."""
        return list(self._last.values())

    def present(self) -> list[int]:
        """Return where the servos said they are, within the limits."""
        return self._map.clip(self._reports.positions())

    def move(self, ticks: Sequence[int]) -> None:
        """Send goals, as far towards ``ticks`` as the time since the last ones allows."""
        elapsed = min(max(time.perf_counter() - self._sent_at, WINDOW[0]), WINDOW[1])
        steps = [int(speed * elapsed) for speed in self._speeds]
        every = zip(ticks, self._last.values(), steps, strict=True)
        self._send([min(max(tick, last - step), last + step) for tick, last, step in every])

    def stay(self) -> None:
        """Make the present positions the goals."""
        self._send(self.present())

    def _send(self, ticks: Sequence[int]) -> None:
        hot, fresh = self._reports.hot(), self._reports.fresh
        limp = self.limp | hot
        every = zip(self._chain.ids, ticks, self.present(), strict=True)
        goals = {ident: here if ident in limp else tick for ident, tick, here in every if ident in fresh}
        if goals:
            self._chain.write_goals(goals)
            self._sent_at = time.perf_counter()
            self._last |= goals
        self.limp = (limp - fresh) | hot
