"""Adaptation of tasks for the window: adapts, saves a policy that can run, rehearses, and saves the better one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.learning_queue import LearningJob
from metagui.gui.learning.loss_curves import ADAPTATION_FRACTION, compute_fraction_done
from metagui.learning.similarity.similarity import find_warm_start

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import MessageKind, Messages
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.similarity.similarity_controller import SimilarityController
    from metagui.learning.adaptation.task_policy import TaskPolicy

IGNORES_DEMONSTRATIONS_TEXT = (
    "But the policy ignores your demonstrations: with the takes of another task it would do as well. Record more "
    "takes, in scenes that differ, or train a prior on tasks like this."
)
PREVIOUS_FILE_NAME = "previous.safetensors"
"""File of the policies before the last adaptation, next to the present ones."""
_UNRELATED_TASK_COUNT = 3
"""Number of other tasks whose takes are used to test whether the policy uses its support set."""


class AdaptationController(QObject):
    """Adapts one task at a time; a comparison of takes is cancelled for it and repeated afterwards."""

    adaptation_progressed = Signal(list)
    """New AdaptationSteps and RehearsalSteps."""
    policy_adapted = Signal(object)
    """A TaskPolicy that was just made and saved."""
    outlier_found = Signal(str)
    """Reason why a take should be excluded; empty if there is nothing to offer."""

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        learning_queue: LearningQueue,
        prior_store: PriorStore,
        similarity: SimilarityController,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._library_model, self._background_queue, self._learning_queue = (
            library_model,
            background_queue,
            learning_queue,
        )
        self._prior_store, self._similarity, self._state, self._messages = prior_store, similarity, state, messages
        self._adapt_next: str | None = None
        self._compare_next = False
        self._ready_policy: TaskPolicy | None = None
        self._outlier: TakeKey | None = None
        self._excluded_take: TakeKey | None = None
        library_model.tasks_changed.connect(self._on_tasks_changed)
        learning_queue.state_changed.connect(self._on_learning_changed)
        self.policy_adapted.connect(self._on_adapted)

    # Adapting

    @property
    def is_rehearsing(self) -> bool:
        """True from when the policy that is being rehearsed could run until the end of the job."""
        return self._ready_policy is not None

    def adapt_selected_task(self) -> None:
        """Adapt to the takes of the selected task."""
        if self._state.snapshot.task is not None:
            self.adapt(self._state.snapshot.task)

    def adapt(self, task: str) -> None:
        """Adapt to the takes of a task, after cancelling a comparison that runs."""
        self.keep_outlier()
        if self._learning_queue.state is LearningActivity.COMPARING:
            self._adapt_next, self._compare_next = task, True
            self._learning_queue.cancel()
        elif not self._start(task):
            self._messages.post("Adapting did not begin: another job is still running.", "warning")

    def _on_learning_changed(self) -> None:
        """Start what waited for the learning queue."""
        self._state.refresh()
        if self._learning_queue.state is not LearningActivity.IDLE:
            return
        if self._adapt_next:
            task, self._adapt_next = self._adapt_next, None
            self._start(task)
        elif self._compare_next:
            self._compare_next = False
            self._similarity.compare_takes()

    def _start(self, task: str) -> bool:
        model = self._library_model
        prior, keys = self._prior_store.prior, model.usable_takes(task)
        if prior is None or not keys:
            return False
        warm_start, unrelated = self._nearest_policy_path(task), self._unrelated_takes(task)

        self._ready_policy = None

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, TaskPolicy]:
            from metagui.learning.adaptation.memorization import is_memorizing
            from metagui.learning.adaptation.task_policy import load_readable_policies
            from metagui.learning.rehearsal.rehearsed_adaptation import adapt_and_rehearse

            takes = align_segmentation([model.library.load_take(*key) for key in keys])
            neighbours = load_readable_policies(warm_start)
            adapted = yield from adapt_and_rehearse(prior, takes, None, should_stop, neighbours)
            others = [[take] for take in model.load_intact_takes(unrelated, [])]
            ignored = is_memorizing(prior, takes, others)
            return replace(adapted, provenance=replace(adapted.provenance, ignores_demonstrations=ignored))

        return self._learning_queue.start(
            LearningJob(
                LearningActivity.ADAPTING,
                work,
                self._on_progress,
                self._save_final,
                self._on_failure,
                self._on_cancelled,
                _compute_fraction_done,
            )
        )

    def _nearest_policy_path(self, task: str) -> dict[str, Path]:
        """Return the policy file of the most similar task that has one, by task name."""
        return find_warm_start(self._similarity.rank_neighbours(task)[0], self._library_model.adapted_path)

    def _unrelated_takes(self, task: str) -> list[TakeKey]:
        """Return one take of each of the least similar tasks."""
        dissimilar = [neighbour.task for neighbour in reversed(self._similarity.rank_neighbours(task)[0])]
        names = dissimilar or [row.name for row in self._library_model.tasks if row.name != task]
        return [keys[0] for name in names if (keys := self._library_model.usable_takes(name))][:_UNRELATED_TASK_COUNT]

    def _on_progress(self, batch: list[Any]) -> None:
        """Save a policy that can run already, and pass the steps on."""
        from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady

        for ready in (step for step in batch if isinstance(step, PolicyReady)):
            self._ready_policy = ready.policy
            self._save(ready.policy, self._on_ready, keeps_previous=True)
        if steps := [step for step in batch if not isinstance(step, PolicyReady)]:
            self.adaptation_progressed.emit(steps)

    def _on_ready(self, adapted: TaskPolicy) -> None:
        self._library_model.refresh()
        if self.is_rehearsing:
            self._messages.post(
                f"“{adapted.task}” can run. Its candidates are being rehearsed in simulation.", "info", "run"
            )

    def _save_final(self, adapted: TaskPolicy) -> None:
        self._ready_policy = None
        self._save(adapted, self.policy_adapted.emit, is_final=True)

    def _save(
        self,
        adapted: TaskPolicy,
        on_saved: Callable[[TaskPolicy], None],
        keeps_previous: bool = False,
        is_final: bool = False,
    ) -> None:
        """Save a policy in the background; the one from before is kept for comparison if ``keeps_previous``.

        A final one is added to the history of adaptations.
        """
        path = self._library_model.adapted_path(adapted.task)

        def write() -> TaskPolicy:
            path.parent.mkdir(parents=True, exist_ok=True)
            if keeps_previous and path.exists():
                shutil.copyfile(path, path.with_name(PREVIOUS_FILE_NAME))
            adapted.save(path)
            if is_final:
                from metagui.learning.evaluation.adaptation_history import record_adaptation

                record_adaptation(path, adapted)
            return adapted

        self._background_queue.submit(write, on_saved, self._on_failure)

    def _on_cancelled(self) -> None:
        ready, self._ready_policy = self._ready_policy, None
        if ready is None:
            self._messages.post(f"{LearningActivity.ADAPTING.value} was cancelled; nothing was changed.")
            return
        self._messages.post(f"The rehearsal was cancelled; “{ready.task}” keeps the policy chosen by its losses.")

    def _on_failure(self, error: Exception) -> None:
        self._messages.post_error(error, choose_error_action(error))

    def _on_adapted(self, adapted: TaskPolicy) -> None:
        self._library_model.refresh()
        self._offer_to_exclude(adapted)
        if adapted.provenance.ignores_demonstrations:
            self._messages.post(f"Adapted “{adapted.task}”. {IGNORES_DEMONSTRATIONS_TEXT}", "warning", "run")
        else:
            self._messages.post(*describe_adaptation(adapted), "run")

    def load_policy(
        self, task: str, on_loaded: Callable[[TaskPolicy], None], on_failure: Callable[[str], None]
    ) -> None:
        """Load the policies of an earlier adaptation; ``on_failure`` gets the task, and the error is posted."""
        path = self._library_model.adapted_path(task)

        def read() -> TaskPolicy:
            from metagui.learning.adaptation.task_policy import TaskPolicy

            return TaskPolicy.load(path)

        failed = partial(self._on_load_failed, task, on_failure)
        self._background_queue.submit(read, on_loaded, failed, only_for_window=True)

    def _on_load_failed(self, task: str, on_failure: Callable[[str], None], error: Exception) -> None:
        on_failure(task)
        self._on_failure(error)

    # Outlier takes

    def _offer_to_exclude(self, adapted: TaskPolicy) -> None:
        """Offer to exclude the first outlier take."""
        outliers = adapted.provenance.outlier_takes
        self._outlier = TakeKey(adapted.task, outliers[0].take) if outliers else None
        self.outlier_found.emit(outliers[0].reason if outliers else "")

    def keep_outlier(self) -> None:
        """Withdraw the offer to exclude a take."""
        self._outlier = None
        self.outlier_found.emit("")

    def exclude_outlier(self) -> None:
        """Mark the outlier take as failed, which can be undone, and adapt to the other takes."""
        outlier = self._outlier
        self.keep_outlier()
        if outlier is not None:
            self._excluded_take = outlier
            self._library_model.set_success(outlier, False)

    def _on_tasks_changed(self) -> None:
        """Adapt again once the library has excluded the outlier take."""
        excluded = self._excluded_take
        if excluded is not None and excluded not in self._library_model.usable_takes(excluded.task):
            self._excluded_take = None
            self.adapt(excluded.task)


def describe_adaptation(adapted: TaskPolicy) -> tuple[str, MessageKind]:
    """Return the message at the end of an adaptation, with the number of rehearsed successes, and its kind."""
    rehearsal = adapted.provenance.rehearsal
    if rehearsal is None:
        return f"Adapted “{adapted.task}”. Press Run to see it.", "success"
    score = rehearsal.score
    text = f"Adapted “{adapted.task}”: it succeeded in {score} rehearsed scenes."
    if 2 * score.successes >= score.runs:
        return f"{text} Press Run to see it.", "success"
    return f"{text} Record more takes, in scenes that differ, or check their segments.", "warning"


def choose_error_action(error: Exception) -> str:
    """Return the key of the action that resolves an error of a task policy; empty for other errors."""
    from metagui.learning.adaptation.task_policy import TaskPolicyError

    return "adapt" if isinstance(error, TaskPolicyError) else ""


def _compute_fraction_done(batch: list[Any]) -> float:
    from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady

    if isinstance(batch[-1], PolicyReady):
        return ADAPTATION_FRACTION
    return min(compute_fraction_done(batch[-1]), 0.99)  # the rest is the test of whether the policy is memorizing
