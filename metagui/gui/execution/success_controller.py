"""Success rate of a task's policy: measured in fresh simulated scenes in a worker thread, or watched run by run."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

from metagui.gui.core.app_state import ArmActivity, LearningActivity
from metagui.gui.core.learning_queue import LearningJob
from metagui.gui.learning.adaptation_controller import PREVIOUS_FILE_NAME, choose_error_action

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.app_state import AppSnapshot, AppState
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.execution.execution_controller import ExecutionController
    from metagui.gui.execution.policy_run import PolicyRunner
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.evaluation.adaptation_history import AdaptationRecord
    from metagui.learning.evaluation.success_check import SceneRun, SuccessCount
    from metagui.learning.evaluation.success_history import SuccessRecord

    History = tuple[list[SuccessRecord], list[AdaptationRecord]]
    """Measurements and adaptations of a task, oldest first."""

PRESENT, PREVIOUS, OBJECT_REPLAY, NEAREST = (
    "policy",
    "policy before the last Adapt",
    "object replay",
    "nearest demonstration",
)
"""Names of the policies that can be measured."""
OTHER_POLICIES = (PREVIOUS, OBJECT_REPLAY, NEAREST)
"""What the present policy can be compared with."""
WATCHED_SEED = -1


class SuccessController(QObject):
    """Measures one task at a time; results go to the history next to the policy."""

    progressed = Signal(str, list)
    """Task, and its new SceneRuns; an empty list at the beginning."""
    measured = Signal(str, object)
    """Task, and the SuccessCounts by policy at the end; None without a result."""

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        learning_queue: LearningQueue,
        runner: PolicyRunner,
        execution: ExecutionController,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._model, self._background_queue, self._queue = library_model, background_queue, learning_queue
        self._execution, self._state, self._messages = execution, state, messages
        self._task = ""
        self._watched: list[str] | None = None
        """What the watched runs did not achieve; None if no series is watched."""
        self._started = self._wanted = 0
        runner.run_ended.connect(self._on_run_ended)
        state.changed.connect(self._on_state_changed, Qt.ConnectionType.QueuedConnection)  # it starts the next run

    # Simulated runs in a worker thread

    def measure(self, task: str, scenes: int, other: str = "") -> None:
        """Run the task's policy, and another one in the same scenes, as fast as possible."""
        path, keys = self._model.adapted_path(task), self._model.usable_takes(task)

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, dict[str, SuccessCount]]:
            from metagui.learning.adaptation.task_policy import TaskPolicy
            from metagui.learning.evaluation.success_check import check_success
            from metagui.learning.evaluation.success_history import load_history
            from metagui.learning.rehearsal.rehearsed_adaptation import select_used_takes

            policy = TaskPolicy.load(path)
            takes = select_used_takes(self._model.load_intact_takes(keys, []), policy)
            policies = {PRESENT: policy, **({other: _load_other(other, path, policy, takes)} if other else {})}
            seed = len(load_history(path))  # fresh scenes every time
            counts = yield from check_success(takes, policies, scenes, seed, should_stop)
            _store(path, counts, seed)
            return counts

        job = LearningJob(
            LearningActivity.MEASURING,
            work,
            partial(self.progressed.emit, task),
            partial(self._on_measured, task),
            self._on_failure,
            self._on_cancelled,
            _compute_fraction,
        )
        if self._queue.start(job):
            self._task = task
            self.progressed.emit(task, [])
        else:
            self._messages.post("Measuring did not begin: another job is still running. Stop it first.", "warning")

    def _on_measured(self, task: str, counts: Mapping[str, SuccessCount]) -> None:
        self.measured.emit(task, counts)
        self._messages.post(f"“{task}” succeeded in {counts[PRESENT]} fresh scenes of the simulator.", "success")

    def _on_failure(self, error: Exception) -> None:
        self._messages.post_error(error, choose_error_action(error) or "adapt")
        self.measured.emit(self._task, None)

    def _on_cancelled(self) -> None:
        self._messages.post("The measurement was cancelled; nothing was stored.")
        self.measured.emit(self._task, None)

    # Watched runs

    @property
    def is_watching(self) -> bool:
        """True during a series of watched runs."""
        return self._watched is not None

    def watch(self, task: str, scenes: int) -> None:
        """Run the task in the view, in one fresh scene after the other; Stop ends the series and keeps its result."""
        if not self._state.snapshot.simulated:
            self._messages.post(
                "Only the simulated arm can be watched in many scenes: a real table has to be arranged by hand. "
                "Nothing moved; connect the simulated arm, or measure without watching.",
                "warning",
            )
            return
        self._task, self._watched, self._wanted, self._started = task, [], scenes, 0
        self.progressed.emit(task, [])
        self._run_next()

    def _run_next(self) -> None:
        self._started += 1
        self._execution.run_selected_task()

    def _on_run_ended(self, _text: str, _kind: str, failure: str | None) -> None:
        if self._watched is not None and failure is not None:
            from metagui.learning.evaluation.success_check import SceneRun

            self._watched.append(failure)
            self.progressed.emit(self._task, [SceneRun(PRESENT, len(self._watched), self._wanted, failure)])

    def _on_state_changed(self, _snapshot: AppSnapshot) -> None:
        """Start the next run of a series, or end it if a run was stopped or failed to start."""
        snapshot = self._state.snapshot
        if self._watched is None or snapshot.state is ArmActivity.RUNNING:
            return
        went_on = len(self._watched) == self._started < self._wanted
        if went_on and snapshot.state is ArmActivity.READY and snapshot.task == self._task:
            self._run_next()
        else:
            self._end_watching()

    def _end_watching(self) -> None:
        from metagui.learning.evaluation.success_check import SuccessCount

        failures, self._watched = tuple(self._watched or ()), None
        if failures:
            counts, path = {PRESENT: SuccessCount(failures)}, self._model.adapted_path(self._task)
            self._background_queue.submit(
                partial(_store, path, counts, WATCHED_SEED),
                partial(self._on_watched_stored, self._task, counts),
                self._on_failure,
            )
        else:
            self.measured.emit(self._task, None)

    def _on_watched_stored(self, task: str, counts: Mapping[str, SuccessCount], _result: object) -> None:
        self._on_measured(task, counts)

    # History

    def load_history(self, task: str, on_loaded: Callable[[History], None]) -> None:
        """Read the measurements and the adaptations of a task, oldest first, in the background."""
        path = self._model.adapted_path(task)

        def read() -> History:
            from metagui.learning.evaluation.adaptation_history import load_adaptations
            from metagui.learning.evaluation.success_history import load_history

            return load_history(path), load_adaptations(path)

        self._background_queue.submit(read, on_loaded, only_for_window=True)

    def has_previous_policy(self, task: str) -> bool:
        """Return whether the policy from before the last adaptation is there."""
        return self._model.adapted_path(task).with_name(PREVIOUS_FILE_NAME).is_file()


def _load_other(other: str, path: Path, policy: TaskPolicy, takes: Sequence[Demonstration]) -> TaskPolicy:
    """Return the policy with a name of ``OTHER_POLICIES``. Raises TaskPolicyError, FeatureError."""
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.evaluation.nearest_neighbour import build_nearest_neighbour_policy
    from metagui.learning.object_replay.object_replay import build_object_replay

    if other == PREVIOUS:
        return TaskPolicy.load(path.with_name(PREVIOUS_FILE_NAME))
    if other == OBJECT_REPLAY:
        return replace(policy, skills=(), replay=build_object_replay(takes))
    return build_nearest_neighbour_policy(takes)


def _store(path: Path, counts: Mapping[str, SuccessCount], seed: int) -> None:
    """Append what was measured to the history. Raises OSError."""
    from metagui.learning.evaluation.success_history import SuccessRecord, append_history, identify_policy

    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    files = {PRESENT: path, PREVIOUS: path.with_name(PREVIOUS_FILE_NAME)}
    ids = {name: identify_policy(files[name]) if name in files else "" for name in counts}
    records = [SuccessRecord(now, name, ids[name], seed, count.failures) for name, count in counts.items()]
    append_history(path, *(record for record in records if record.failures))


def _compute_fraction(batch: list[SceneRun]) -> float:
    return batch[-1].scene / batch[-1].scenes
