"""What every servo of an arm last said and when, so that one lost reply is a late report and not the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ConnectionLostError, FloatArray
from metagui.arms.feetech.bus import silence
from metagui.arms.feetech.protocol import Status

if TYPE_CHECKING:
    from metagui.arms.feetech.control_table import Feedback
    from metagui.arms.so101.motors import ServoChain

_COMPLAINTS = {
    Status.VOLTAGE: "has the wrong voltage",
    Status.ANGLE: "cannot sense its angle",
    Status.OVERHEAT: "is too hot",
    Status.OVERCURRENT: "draws too much current",
    Status.OVERLOAD: "is overloaded",
}


class ServosLostError(ConnectionLostError):
    """The port is there, but a servo has not answered for too long."""


class ServoReports:
    """The last report of each servo of a chain; ``patience`` is how long it may stand in for lost ones, s."""

    def __init__(self, chain: ServoChain, patience: float) -> None:
        self._chain = chain
        self._patience = patience
        self._last: dict[int, Feedback] = {}
        self._heard: dict[int, float] = {}
        self.fresh: frozenset[int] = frozenset()
        """Who answered when they were read last."""

    def read(self) -> None:
        """Read all servos once. Raises ServosLostError when one has been silent for too long, or always."""
        self._listen()
        oldest = time.perf_counter() - self._patience
        lost = [ident for ident in self._chain.ids if self._heard.get(ident, -1.0) < oldest]
        if lost:
            raise ServosLostError(silence(lost))

    def read_now(self) -> None:
        """Read all servos once. Raises ServosLostError if none of them answers; their last reports do not count."""
        self._listen()
        if not self.fresh:
            raise ServosLostError(silence(self._chain.ids))

    def positions(self) -> list[int]:
        """Return where the servos are, ticks."""
        return [self._last[ident].position for ident in self._chain.ids]

    def numbers(self) -> FloatArray:
        """Return all reports as one array (J, 8), columns as in ``Feedback``."""
        return np.array([self._last[ident] for ident in self._chain.ids], dtype=np.float64)

    def hot(self) -> set[int]:
        """Return the servos that are too hot to hold."""
        return {ident for ident, report in self._last.items() if report.status & Status.OVERHEAT}

    def complaints(self) -> dict[int, list[str]]:
        """Return in words what is wrong with which servo."""
        return {
            ident: [text for bit, text in _COMPLAINTS.items() if self._last[ident].status & bit]
            for ident in self._chain.ids
            if self._last[ident].status
        }

    def _listen(self) -> None:
        reports = self._chain.feedback()
        self._last |= reports
        self._heard |= dict.fromkeys(reports, time.perf_counter())
        self.fresh = frozenset(reports)
