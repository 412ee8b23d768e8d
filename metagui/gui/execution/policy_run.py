"""Runs of task policies and replays of takes: loads them, gives them to the arm, and reports how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.recording.replay import ReplayController, ReplayError
from metagui.gui.execution.run_outcome import describe_failure, describe_outcome, describe_stale_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import MessageKind, Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.rehearsal.judged_run import JudgedRun


SECOND_LOOK_MS = 800
"""Time after a run at which it is judged once more if a camera watches: by then its picture has arrived, ms."""


class NotSeenError(ArmError):
    """Objects that a run needs are not seen by the camera; the arm did not move."""


class PolicyRunner(QObject):
    """Runs one policy or one replay at a time in the present scene."""

    run_ended = Signal(str, str, object)
    """Message about the outcome, its MessageKind, and what the run did not achieve: empty for a success, None if it was
    stopped or cannot be judged."""
    distance_changed = Signal(object)
    """Distance of the state from the demonstrations, 1 at the farthest demonstrated state; None when nothing runs."""
    progress_changed = Signal(float)
    """Fraction of a take that has been replayed, from 0 to 1."""

    def __init__(
        self,
        controller: ArmController,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._messages = messages
        self._controller, self._library_model, self._background_queue = controller, library_model, background_queue
        self._policy_controller: RolloutController | None = None
        self._judged_run: JudgedRun | None = None
        self._replay_controller: ReplayController | None = None
        self.looks_again = False
        """True if a camera watches, so that a run is judged once more when its picture has arrived."""
        self._second_look = QTimer(self, singleShot=True, interval=SECOND_LOOK_MS)
        self._second_look.timeout.connect(self._look_again)
        controller.run_ended.connect(self._on_run_ended)
        controller.ticked.connect(self._on_tick)

    def run_task(
        self, task: str, explain_unseen: Callable[[Sequence[str]], str], on_failure: Callable[[Exception], None]
    ) -> None:
        """Load the policies of a task in the background and run them, if the objects that they need are seen."""
        library = self._library_model.library
        path, keys = self._library_model.adapted_path(task), self._library_model.usable_takes(task)
        objects, names = self._controller.arm.objects, [key.take for key in keys]

        def prepare() -> tuple[RolloutController, JudgedRun | None]:
            from metagui.learning.adaptation.replay_rollout import make_rollout_controller
            from metagui.learning.adaptation.task_policy import TaskPolicy
            from metagui.learning.rehearsal.judged_run import make_judged_run

            policy = make_rollout_controller(TaskPolicy.load(path), objects)
            takes = library.load_intact_takes(task, _ignore, names)
            return policy, make_judged_run(policy, takes, objects)

        def start(prepared: tuple[RolloutController, JudgedRun | None]) -> None:
            judged = prepared[1]
            problem = explain_unseen(sorted(judged.needed_objects) if judged is not None else ())
            if problem:
                on_failure(NotSeenError(problem))
            else:
                self._start_run(names, prepared)

        self._background_queue.submit(prepare, start, on_failure, only_for_window=True)

    def _start_run(self, takes: list[str], prepared: tuple[RolloutController, JudgedRun | None]) -> None:
        self._policy_controller, self._judged_run = prepared
        policy = self._policy_controller.task_policy
        stale = describe_stale_policy(policy.task, policy.provenance.takes, takes)
        if stale:
            self._messages.post(stale, "warning", "adapt")
        run = self._judged_run or self._policy_controller
        self._controller.start_run(run, run)

    def replay_take(self, take: Demonstration, on_failure: Callable[[Exception], None]) -> None:
        """Replay a take with the arm; a simulated arm first restores the scene of the take."""
        try:
            replay = ReplayController(take)
            if take.states is not None:
                self._controller.restore_state(take.states[0])
        except (ArmError, ReplayError) as error:
            on_failure(error)
            return
        self._replay_controller = replay
        self._controller.start_run(replay, replay)

    def abandon(self) -> None:
        """Drop the run after an error of the arm, which is reported elsewhere."""
        self._second_look.stop()
        if self._policy_controller is not None:
            self._policy_controller.stop()
        self._policy_controller = self._replay_controller = None
        self.distance_changed.emit(None)

    def stop(self) -> None:
        """End the run after the arm was halted."""
        if self._policy_controller is not None:
            self._policy_controller.stop()
        self._on_end()

    def _on_tick(self, _tick: object) -> None:
        if self._policy_controller is not None:
            self.distance_changed.emit(self._policy_controller.distance_to_reference)
        elif self._replay_controller is not None:
            self.progress_changed.emit(self._replay_controller.progress)

    def _on_run_ended(self) -> None:
        if self.looks_again and self._judged_run is not None and self._policy_controller is not None:
            self._second_look.start()
        else:
            self._on_end()

    def _look_again(self) -> None:
        """Judge the end by what the camera has seen meanwhile."""
        tick = self._controller.latest_tick
        if tick is not None and self._judged_run is not None:
            self._judged_run.look_again(tick.observation)
        self._on_end()

    def _on_end(self) -> None:
        self._second_look.stop()
        policy, self._policy_controller = self._policy_controller, None
        replay, self._replay_controller = self._replay_controller, None
        self.distance_changed.emit(None)
        failure = None
        if policy is not None and self._judged_run is not None and policy.outcome != "stopped":
            failure = describe_failure(policy.outcome, self._judged_run.failures)
        self.run_ended.emit(*self._describe_end(policy, replay), failure)

    def _describe_end(
        self, policy: RolloutController | None, replay: ReplayController | None
    ) -> tuple[str, MessageKind]:
        if replay is not None and replay.blocked_reason:
            return (
                f"The arm cannot follow: {replay.blocked_reason}. It holds; see what is in its way, "
                "then repeat the take.",
                "warning",
            )
        if replay is not None and replay.finished:
            take = replay.demonstration
            return f"Repeated take {take.name} of “{take.task}”; the arm holds.", "success"
        if policy is None:
            return "Stopped; the arm holds.", "info"
        failures = None if self._judged_run is None else self._judged_run.failures
        return describe_outcome(policy.task_policy.task, policy.outcome, failures)


def _ignore(_reason: str) -> None:
    """Pass over a damaged take: the list of tasks shows why."""
