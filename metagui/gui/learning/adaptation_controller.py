"""What the learner is asked to do, one thing after the other: adapt, compare, train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.app_state import LearningActivity

if TYPE_CHECKING:
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.window.studies import LearningController
    from metagui.learning.adaptation.task_policy import TaskPolicy

IGNORES_DEMONSTRATIONS_TEXT = (
    "But the policy ignores your demonstrations: after another task's it would do as well. Record more takes, in "
    "scenes that differ, or train a prior on tasks like this."
)


class AdaptationController(QObject):
    """Comparing gives way to adapting, and is taken up again afterwards."""

    changed = Signal()
    """The learner does something else."""
    message_posted = Signal(str, str, str)
    outlier_found = Signal(str)
    """Why a take had better be left out, in words; empty when there is nothing to offer."""

    def __init__(self, learning: LearningController, library_model: LibraryModel) -> None:
        super().__init__()
        self._learning, self._library_model = learning, library_model
        self._adapt_next: str | None = None
        self._compare_next = False
        self._outlier: TakeKey | None = None
        self._excluded_take: TakeKey | None = None
        library_model.tasks_changed.connect(self._on_tasks_changed)
        learning.policy_adapted.connect(self._on_adapted)
        learning.learning_queue.state_changed.connect(self._on_learning_changed)

    def adapt(self, task: str | None) -> None:
        """Adapt to a task's takes."""
        learner = self._learning.learning_queue
        if task is None:
            return
        self.keep_outlier()
        if learner.state is LearningActivity.COMPARING:
            self._adapt_next, self._compare_next = task, True
            learner.cancel()
        elif not self._learning.adapt_task(task):
            self.message_posted.emit("Adapting did not begin: another job is still running.", "warning", "")

    def _on_learning_changed(self) -> None:
        """Begin what waited for the learner."""
        self.changed.emit()
        if self._learning.learning_queue.state is not LearningActivity.IDLE:
            return
        if self._adapt_next:
            task, self._adapt_next = self._adapt_next, None
            self._learning.adapt_task(task)
        elif self._compare_next:
            self._compare_next = False
            self._learning.compare_takes()

    def _on_adapted(self, adapted: TaskPolicy) -> None:
        self._library_model.refresh()
        self._offer_to_exclude(adapted)
        if adapted.provenance.ignores_demonstrations:
            self.message_posted.emit(f"Adapted “{adapted.task}”. {IGNORES_DEMONSTRATIONS_TEXT}", "warning", "run")
        else:
            self.message_posted.emit(f"Adapted “{adapted.task}”. Press Run to see it.", "success", "run")

    # A take that does not show the same as the others

    def _offer_to_exclude(self, adapted: TaskPolicy) -> None:
        """Offer to leave the first odd take out."""
        odd = adapted.provenance.outlier_takes
        self._outlier = TakeKey(adapted.task, odd[0].take) if odd else None
        self.outlier_found.emit(odd[0].reason if odd else "")

    def keep_outlier(self) -> None:
        """The person thinks the take belongs there."""
        self._outlier = None
        self.outlier_found.emit("")

    def exclude_outlier(self) -> None:
        """Mark the odd take as a failure, which can be undone, and adapt to the others."""
        odd = self._outlier
        self.keep_outlier()
        if odd is not None:
            self._excluded_take = odd
            self._library_model.set_success(odd, False)

    def _on_tasks_changed(self) -> None:
        """Adapt again once the list knows that the take was left out."""
        left_out = self._excluded_take
        if left_out is not None and left_out not in self._library_model.usable_takes(left_out.task):
            self._excluded_take = None
            self.adapt(left_out.task)
