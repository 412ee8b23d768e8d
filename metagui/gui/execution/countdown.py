"""Three, two, one: time to step back before the arm moves by itself, or to take hold of it before a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 3


class Countdown(QObject):
    """Counts down once and calls what was to follow, unless it is cancelled."""

    shown = Signal(int, str)
    """Seconds left, 0 when there is nothing more to count; and what will follow, in words."""

    def __init__(self, period: int = 1000) -> None:
        """Count in steps of ``period`` ms."""
        super().__init__()
        self._left = 0
        self._words = ""
        self._then: Callable[[], None] | None = None
        self._timer = QTimer(self, interval=period)
        self._timer.timeout.connect(self._step)

    @property
    def counting(self) -> bool:
        """Whether something is about to follow."""
        return self._then is not None

    def start(self, words: str, then: Callable[[], None]) -> None:
        """Count down to ``then``; ``words`` say what that is."""
        self._left, self._words, self._then = SECONDS, words, then
        self._timer.start()
        self.shown.emit(self._left, words)

    def cancel(self) -> bool:
        """Forget it; return whether anything was being counted."""
        was = self.counting
        self._end()
        return was

    def _step(self) -> None:
        self._left -= 1
        if self._left > 0:
            self.shown.emit(self._left, self._words)
            return
        then = self._then
        self._end()
        if then is not None:
            then()

    def _end(self) -> None:
        self._timer.stop()
        if self._then is not None:
            self._then = None
            self.shown.emit(0, "")
