"""The arm moves by itself: runs of learnt tasks and repeated takes, on a real arm after a countdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import State
from metagui.gui.execution.countdown import Countdown
from metagui.gui.teaching.modes import CLICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.execution.policy_run import Running
    from metagui.gui.teaching.click_dispatcher import Steering
    from metagui.gui.teaching.mode_controller import TeachModes


class Performing(QObject):
    """Counts down where that is needed, begins, and says how it ended."""

    became = Signal(object)
    """A State."""
    said = Signal(str, str, str)
    failed = Signal(object)

    def __init__(self, running: Running, steering: Steering, modes: TeachModes) -> None:
        super().__init__()
        self.countdown = Countdown()
        self._running, self._steering, self._modes = running, steering, modes
        self._busy = False
        running.ended.connect(self._on_end)
        running.failed.connect(self._on_failure)

    def run(self, task: str, counted: bool) -> None:
        """Do a learnt task in a new scene, or on a real table as it is."""
        self._steering.randomise()
        self._begin(f"“{task}” begins", partial(self._running.start, task), counted)

    def replay(self, take: Demonstration, counted: bool) -> None:
        """Repeat a take."""
        self._begin(f"Take {take.name} is repeated", partial(self._running.replay, take), counted)

    def _begin(self, words: str, begin: Callable[[], None], counted: bool) -> None:
        def now() -> None:
            self._busy = True
            self.became.emit(State.RUNNING)
            begin()

        self._modes.choose(CLICK)
        if counted:
            self.count(words, now)
        else:
            now()

    def count(self, words: str, then: Callable[[], None]) -> None:
        """Count down to what the arm or the person is about to do."""
        self.became.emit(State.COUNTDOWN)
        self.countdown.start(words, then)

    def cancel_count(self) -> bool:
        """Forget what is being counted down to; return whether there was anything."""
        counting = self.countdown.cancel()
        if counting:
            self.became.emit(State.READY)
        return counting

    def interrupt(self) -> None:
        """The arm broke off; others say why."""
        if not self.cancel_count() and self._busy:
            self._running.drop()
            self._rest()

    def stop(self) -> bool:
        """The arm was halted; return whether that ended anything."""
        if self.cancel_count():
            self.said.emit("Cancelled before anything moved; the arm holds.", "info", "")
            return True
        was_busy = self._busy
        if was_busy:
            self._running.stop()
        return was_busy

    def _rest(self) -> None:
        if self._busy:
            self._busy = False
            self.became.emit(State.READY)

    def _on_end(self, words: str, kind: str) -> None:
        self._steering.scene_used = True
        self._rest()
        self.said.emit(words, kind, "")

    def _on_failure(self, error: Exception) -> None:
        self._rest()
        self.failed.emit(error)
