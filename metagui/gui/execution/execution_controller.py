"""The arm moves by itself: runs of learnt tasks and repeated takes, on a real arm after a countdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import ArmActivity
from metagui.gui.execution.countdown import Countdown
from metagui.gui.teaching.modes import CLICK_MODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.execution.policy_run import PolicyRunner
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.mode_controller import ModeController


class ExecutionController(QObject):
    """Counts down where that is needed, begins, and says how it ended."""

    state_changed = Signal(object)
    """A State."""
    message_posted = Signal(str, str, str)
    failed = Signal(object)

    def __init__(self, runner: PolicyRunner, click_dispatcher: ClickDispatcher, modes: ModeController) -> None:
        super().__init__()
        self.countdown = Countdown()
        self._runner, self._click_dispatcher, self._modes = runner, click_dispatcher, modes
        self._is_active = False
        runner.run_ended.connect(self._on_end)
        runner.failed.connect(self._on_failure)

    def run_task(self, task: str, count_down: bool) -> None:
        """Do a learnt task in a new scene, or on a real table as it is."""
        self._click_dispatcher.randomise_scene()
        self._begin(f"“{task}” begins", partial(self._runner.run_task, task), count_down)

    def replay_take(self, take: Demonstration, count_down: bool) -> None:
        """Repeat a take."""
        self._begin(f"Take {take.name} is repeated", partial(self._runner.replay_take, take), count_down)

    def _begin(self, text: str, begin: Callable[[], None], count_down: bool) -> None:
        def now() -> None:
            self._is_active = True
            self.state_changed.emit(ArmActivity.RUNNING)
            begin()

        self._modes.choose(CLICK_MODE)
        if count_down:
            self.start_countdown(text, now)
        else:
            now()

    def start_countdown(self, text: str, on_finished: Callable[[], None]) -> None:
        """Count down to what the arm or the person is about to do."""
        self.state_changed.emit(ArmActivity.COUNTDOWN)
        self.countdown.start(text, on_finished)

    def cancel_countdown(self) -> bool:
        """Forget what is being counted down to; return whether there was anything."""
        counting = self.countdown.cancel()
        if counting:
            self.state_changed.emit(ArmActivity.READY)
        return counting

    def interrupt(self) -> None:
        """The arm broke off; others say why."""
        if not self.cancel_countdown() and self._is_active:
            self._runner.abandon()
            self._finish()

    def stop(self) -> bool:
        """The arm was halted; return whether that ended anything."""
        if self.cancel_countdown():
            self.message_posted.emit("Cancelled before anything moved; the arm holds.", "info", "")
            return True
        was_busy = self._is_active
        if was_busy:
            self._runner.stop()
        return was_busy

    def _finish(self) -> None:
        if self._is_active:
            self._is_active = False
            self.state_changed.emit(ArmActivity.READY)

    def _on_end(self, text: str, kind: str) -> None:
        self._click_dispatcher.scene_used = True
        self._finish()
        self.message_posted.emit(text, kind, "")

    def _on_failure(self, error: Exception) -> None:
        self._finish()
        self.failed.emit(error)
