"""The other lens of similarity, from the window's side: which tasks act alike, worked out when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.learning_queue import LearningJob
from metagui.gui.similarity.comparison import BehaviourComparison

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.demonstrations.demonstration import TakeKey
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.window.studies import LearningController


class BehaviourComparisonController(QObject):
    """Compares what the policies of all tasks do, again only where takes have changed."""

    comparison_changed = Signal()
    """``acts`` is another one."""
    comparison_unavailable = Signal(str)
    """Why they cannot be compared now, in words."""

    def __init__(self, learning: LearningController, library_model: LibraryModel) -> None:
        super().__init__()
        self.comparison = BehaviourComparison((), np.zeros((0, 0)))
        self._learning, self._library_model = learning, library_model
        self._compared_takes: tuple[TakeKey, ...] = ()
        """The takes that ``acts`` is about."""

    def compare(self) -> None:
        """Work ``acts`` out, unless it is up to date: ``compared`` or ``missing`` follows."""
        keys = tuple(key for row in self._library_model.tasks for key in self._library_model.usable_takes(row.name))
        prior, learner = self._learning.prior, self._learning.learning_queue
        if keys == self._compared_takes and len(self.comparison):
            self.comparison_changed.emit()
        elif prior is None or len({key.task for key in keys}) < 2:
            self.comparison_unavailable.emit("Comparing what policies do needs a prior and two tasks with takes.")
        elif learner.state is not LearningActivity.IDLE:
            self.comparison_unavailable.emit("The learner is busy; what policies do is compared as soon as it is free.")
        else:
            self._start(prior, keys)

    def _start(self, prior: Any, keys: tuple[TakeKey, ...]) -> None:
        library = self._library_model.library

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, BehaviourComparison]:
            from metagui.learning.adaptation.behaviour_distance import compare_behaviours

            takes: dict[str, list[Any]] = {}
            for key in keys:
                takes.setdefault(key.task, []).append(library.load_take(*key))
            return BehaviourComparison(
                *(
                    yield from compare_behaviours(
                        prior, {name: align_segmentation(each) for name, each in takes.items()}
                    )
                )
            )

        def done(acts: BehaviourComparison) -> None:
            self.comparison, self._compared_takes = acts, keys
            self.comparison_changed.emit()

        def share(batch: list[Any]) -> float:
            return float(batch[-1].step / max(batch[-1].steps, 1))

        def nothing(*_: object) -> None:
            self.comparison_unavailable.emit("What the policies do was not compared. Choose Acts again to start over.")

        self._learning.learning_queue.start(
            LearningJob(
                LearningActivity.COMPARING, work, _ignore_progress, done, self._learning.failed.emit, nothing, share
            )
        )


def _ignore_progress(_batch: list[Any]) -> None:
    """Take note of nothing: only the whole matrix says anything."""
