"""Three, two, one: time to step back before the arm moves by itself, or to take hold of it before a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTDOWN_S = 3


class Countdown(QObject):
    """Counts down once and calls what was to follow, unless it is cancelled."""

    count_changed = Signal(int, str)
    """Seconds left, 0 when there is nothing more to count; and what will follow, in words."""

    def __init__(self, period_ms: int = 1000) -> None:
        """Count in steps of ``period`` ms."""
        super().__init__()
        self._seconds_left = 0
        self._text = ""
        self._on_finished: Callable[[], None] | None = None
        self._timer = QTimer(self, interval=period_ms)
        self._timer.timeout.connect(self._step)

    @property
    def is_counting(self) -> bool:
        """Whether something is about to follow."""
        return self._on_finished is not None

    def start(self, text: str, on_finished: Callable[[], None]) -> None:
        """Count down to ``then``; ``words`` say what that is."""
        self._seconds_left, self._text, self._on_finished = COUNTDOWN_S, text, on_finished
        self._timer.start()
        self.count_changed.emit(self._seconds_left, text)

    def cancel(self) -> bool:
        """Forget it; return whether anything was being counted."""
        was = self.is_counting
        self._end()
        return was

    def _step(self) -> None:
        self._seconds_left -= 1
        if self._seconds_left > 0:
            self.count_changed.emit(self._seconds_left, self._text)
            return
        then = self._on_finished
        self._end()
        if then is not None:
            then()

    def _end(self) -> None:
        self._timer.stop()
        if self._on_finished is not None:
            self._on_finished = None
            self.count_changed.emit(0, "")
