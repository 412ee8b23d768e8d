"""Countdown of three seconds before the arm moves, loses its torque or is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.gui.core.app_state import ArmActivity

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.core.app_state import AppState

COUNTDOWN_S = 3
"""Length of the countdown, s."""


class Countdown(QObject):
    """Counts down once and calls what follows, unless it is cancelled."""

    count_changed = Signal(int, str)
    """Seconds left, 0 at the end or after cancelling, and what follows, as text for the overlay."""

    def __init__(self, state: AppState, period_ms: int = 1000) -> None:
        """Create an idle countdown with steps of ``period_ms`` ms."""
        super().__init__()
        self._state = state
        self._seconds_left = 0
        self._text = ""
        self._on_finished: Callable[[], None] | None = None
        self._timer = QTimer(self, interval=period_ms)
        self._timer.timeout.connect(self._step)

    @property
    def is_counting(self) -> bool:
        """True while the countdown runs."""
        return self._on_finished is not None

    def start(self, text: str, on_finished: Callable[[], None]) -> None:
        """Count down to ``on_finished``; ``text`` describes what follows."""
        self._state.request(ArmActivity.COUNTDOWN)
        self._seconds_left, self._text, self._on_finished = COUNTDOWN_S, text, on_finished
        self._timer.start()
        self.count_changed.emit(self._seconds_left, text)

    def cancel(self) -> bool:
        """Cancel the countdown; return whether one was running."""
        was_counting = self.is_counting
        self._end()
        if was_counting:
            self._state.request(ArmActivity.READY)
        return was_counting

    def _step(self) -> None:
        self._seconds_left -= 1
        if self._seconds_left > 0:
            self.count_changed.emit(self._seconds_left, self._text)
            return
        on_finished = self._on_finished
        self._end()
        if on_finished is not None:
            on_finished()

    def _end(self) -> None:
        self._timer.stop()
        if self._on_finished is not None:
            self._on_finished = None
            self.count_changed.emit(0, "")
