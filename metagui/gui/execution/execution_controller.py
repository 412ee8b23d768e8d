"""Motion of the arm by itself: runs of learnt tasks and replays of takes, after a countdown on a real arm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import ArmActivity
from metagui.gui.learning.adaptation_controller import choose_error_action
from metagui.gui.teaching.modes import CLICK_MODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.cameras.camera_controller import CameraController
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.messages import MessageKind, Messages
    from metagui.gui.execution.policy_run import PolicyRunner
    from metagui.gui.scene.object_placement import ObjectPlacement
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.mode_controller import ModeController

OBJECTS_UNPLACED_TEXT = (
    "Nothing is marked on this table, so the policy does not know where the objects are. The arm did not move; mark "
    "them, then press Run again."
)


class ExecutionController(QObject):
    """Starts and stops runs and replays, and reports how they ended."""

    def __init__(
        self,
        runner: PolicyRunner,
        click_dispatcher: ClickDispatcher,
        modes: ModeController,
        placement: ObjectPlacement,
        camera: CameraController,
        countdown: Countdown,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._runner, self._click_dispatcher, self._modes, self._placement = runner, click_dispatcher, modes, placement
        self._camera = camera
        self._countdown, self._state, self._messages = countdown, state, messages
        self._is_active = False
        runner.run_ended.connect(self._on_end)

    def run_selected_task(self) -> None:
        """Run the selected task: in a new scene if simulated, else on the real table as it is."""
        task = self._state.snapshot.task
        if task is None:
            return
        problem = self._camera.explain_unseen(())
        if problem:
            self._messages.post(problem, "warning", "camera")
            return
        if self._placement.is_missing:
            self._messages.post(OBJECTS_UNPLACED_TEXT, "warning", "mark")
            return
        self._click_dispatcher.randomise_scene()
        self._begin(
            f"“{task}” begins", partial(self._runner.run_task, task, self._camera.explain_unseen, self._on_failure)
        )

    def replay_take(self, take: Demonstration) -> None:
        """Repeat a take with the arm."""
        self._begin(f"Take {take.name} is repeated", partial(self._runner.replay_take, take, self._on_failure))

    def _begin(self, text: str, begin: Callable[[], None]) -> None:
        """Start moving, after a countdown if the arm is real."""
        self._modes.choose(CLICK_MODE)
        if self._state.snapshot.simulated:
            self._start(begin)
        else:
            self._countdown.start(text, partial(self._start, begin))

    def _start(self, begin: Callable[[], None]) -> None:
        self._is_active, self._runner.looks_again = True, self._camera.is_on
        self._state.request(ArmActivity.RUNNING)
        begin()

    def interrupt(self) -> None:
        """End the run after an error of the arm, which is reported elsewhere."""
        if not self._countdown.cancel() and self._is_active:
            self._runner.abandon()
            self._finish()

    def stop(self) -> bool:
        """End a countdown or a run after the arm was halted; return False if there was none."""
        if self._countdown.cancel():
            self._messages.post("Cancelled before anything moved; the arm holds.")
            return True
        was_active = self._is_active
        if was_active:
            self._runner.stop()
        return was_active

    def _finish(self) -> None:
        if self._is_active:
            self._is_active = False
            self._state.request(ArmActivity.READY)

    def _on_end(self, text: str, kind: MessageKind) -> None:
        self._click_dispatcher.scene_used = True
        self._finish()
        self._messages.post(text, kind)

    def _on_failure(self, error: Exception) -> None:
        self._finish()
        self._messages.post_error(error, choose_error_action(error))
