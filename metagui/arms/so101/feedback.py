"""What every servo of an arm last said and when, so that one lost reply is a late report and not the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ConnectionLostError, FloatArray
from metagui.arms.feetech.bus import describe_silence
from metagui.arms.feetech.protocol import ServoStatus

if TYPE_CHECKING:
    from metagui.arms.feetech.control_table import Feedback
    from metagui.arms.so101.motors import ServoChain

_FAULT_TEXTS = {
    ServoStatus.VOLTAGE: "has the wrong voltage",
    ServoStatus.ANGLE: "cannot sense its angle",
    ServoStatus.OVERHEAT: "is too hot",
    ServoStatus.OVERCURRENT: "draws too much current",
    ServoStatus.OVERLOAD: "is overloaded",
}


class ServosLostError(ConnectionLostError):
    """The port is there, but a servo has not answered for too long."""


class LatestFeedback:
    """The last report of each servo of a chain; ``patience`` is how long it may stand in for lost ones, s."""

    def __init__(self, chain: ServoChain, max_age: float) -> None:
        self._chain = chain
        self._max_age = max_age
        self._last: dict[int, Feedback] = {}
        self._received_at: dict[int, float] = {}
        self.responded: frozenset[int] = frozenset()
        """Who answered when they were read last."""

    def read(self) -> None:
        """Read all servos once. Raises ServosLostError when one has been silent for too long, or always."""
        self._read_servos()
        oldest = time.perf_counter() - self._max_age
        lost = [ident for ident in self._chain.ids if self._received_at.get(ident, -1.0) < oldest]
        if lost:
            raise ServosLostError(describe_silence(lost))

    def read_now(self) -> None:
        """Read all servos once. Raises ServosLostError if none of them answers; their last reports do not count."""
        self._read_servos()
        if not self.responded:
            raise ServosLostError(describe_silence(self._chain.ids))

    def get_positions(self) -> list[int]:
        """Return where the servos are, ticks."""
        return [self._last[ident].position for ident in self._chain.ids]

    def as_array(self) -> FloatArray:
        """Return all reports as one array (J, 8), columns as in ``Feedback``."""
        return np.array([self._last[ident] for ident in self._chain.ids], dtype=np.float64)

    def find_overheated(self) -> set[int]:
        """Return the servos that are too hot to hold."""
        return {ident for ident, report in self._last.items() if report.status & ServoStatus.OVERHEAT}

    def describe_faults(self) -> dict[int, list[str]]:
        """Return in words what is wrong with which servo."""
        return {
            ident: [text for bit, text in _FAULT_TEXTS.items() if self._last[ident].status & bit]
            for ident in self._chain.ids
            if self._last[ident].status
        }

    def _read_servos(self) -> None:
        reports = self._chain.read_feedback()
        self._last |= reports
        self._received_at |= dict.fromkeys(reports, time.perf_counter())
        self.responded = frozenset(reports)
