"""Comparison of tasks by the behaviour of their policies, computed when the user looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.learning_queue import LearningJob
from metagui.gui.similarity.comparison import BehaviourComparison
from metagui.gui.similarity.encoder_training import compute_step_fraction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.demonstrations.demonstration import TakeKey
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.prior import Prior


class BehaviourComparisonController(QObject):
    """Compares what the policies of all tasks do; repeats that only after takes have changed."""

    comparison_changed = Signal()
    comparison_unavailable = Signal(str)
    """Reason why behaviours cannot be compared now."""

    def __init__(
        self,
        library_model: LibraryModel,
        learning_queue: LearningQueue,
        prior_store: PriorStore,
        messages: Messages,
    ) -> None:
        super().__init__()
        self.comparison = BehaviourComparison((), np.zeros((0, 0)))
        self._library_model, self._learning_queue = library_model, learning_queue
        self._prior_store, self._messages = prior_store, messages
        self._compared_takes: tuple[TakeKey, ...] = ()
        """The takes that ``comparison`` is based on."""

    def compare(self) -> None:
        """Update ``comparison`` if needed; ``comparison_changed`` or ``comparison_unavailable`` follows."""
        keys = tuple(key for row in self._library_model.tasks for key in self._library_model.usable_takes(row.name))
        prior = self._prior_store.prior
        if keys == self._compared_takes and len(self.comparison):
            self.comparison_changed.emit()
        elif prior is None or len({key.task for key in keys}) < 2:
            self.comparison_unavailable.emit("Comparing what policies do needs a prior and two tasks with takes.")
        elif self._learning_queue.state is not LearningActivity.IDLE:
            self.comparison_unavailable.emit("The learner is busy; what policies do is compared as soon as it is free.")
        else:
            self._start(prior, keys)

    def _start(self, prior: Prior, keys: tuple[TakeKey, ...]) -> None:
        model, left_out = self._library_model, list[str]()

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, BehaviourComparison]:
            from metagui.learning.adaptation.behaviour_distance import compare_behaviours

            takes: dict[str, list[Any]] = {}
            for take in model.load_intact_takes(keys, left_out):
                takes.setdefault(take.task, []).append(take)
            aligned = {name: align_segmentation(each) for name, each in takes.items()}
            return BehaviourComparison(*(yield from compare_behaviours(prior, aligned)))

        def store(comparison: BehaviourComparison) -> None:
            model.report_left_out(left_out)
            self.comparison, self._compared_takes = comparison, keys
            self.comparison_changed.emit()

        self._learning_queue.start(
            LearningJob(
                LearningActivity.COMPARING,
                work,
                _ignore_progress,
                store,
                self._on_failure,
                self._on_cancelled,
                compute_step_fraction,
            )
        )

    def _on_failure(self, error: Exception) -> None:
        self._messages.post_error(error)
        self.comparison_unavailable.emit(f"What the policies do could not be compared: {error}")

    def _on_cancelled(self) -> None:
        self.comparison_unavailable.emit("What the policies do was not compared. Choose Policies again to start over.")


def _ignore_progress(_batch: list[Any]) -> None:
    """Show nothing before the comparison is complete."""
