"""Playback of a stored take in the 3-D view, in real time, while the arm does not move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

PLAYBACK_PERIOD_MS = 40
"""Time between two frames, ms."""


class TakePlayer(QObject):
    """Emits the states of a take; ``playback_ended`` when it is over or stopped."""

    state_changed = Signal(object, float)
    """A simulator state (D,) and the fraction of the take that has been played."""
    playback_ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._take: Demonstration | None = None
        self._started_at = 0.0
        self._timer = QTimer(self, interval=PLAYBACK_PERIOD_MS)
        self._timer.timeout.connect(self._show_next)

    @property
    def is_playing(self) -> bool:
        """True if a take is being played."""
        return self._take is not None

    def play(self, take: Demonstration) -> bool:
        """Play a take from its start; return False if it has no simulator states."""
        self.stop()
        if take.states is None or not len(take):
            return False
        self._take, self._started_at = take, time.monotonic()
        self._timer.start()
        return True

    def stop(self) -> None:
        """Stop the playback, if any."""
        if self._take is not None:
            self._take = None
            self._timer.stop()
            self.playback_ended.emit()

    def _show_next(self) -> None:
        take = self._take
        if take is None or take.states is None:
            return
        elapsed = time.monotonic() - self._started_at
        if elapsed > take.duration + 0.6:
            self.stop()
            return
        sample = int(np.clip(np.searchsorted(take.time - take.time[0], elapsed), 0, len(take) - 1))
        self.state_changed.emit(take.states[sample], min(elapsed / max(take.duration, 1e-3), 1.0))
