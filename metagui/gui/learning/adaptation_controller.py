"""What the learner is asked to do, one thing after the other: adapt, compare, train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import Learning
from metagui.gui.similarity.comparison import TakeKey

if TYPE_CHECKING:
    from metagui.gui.library.library_model import Shelf
    from metagui.gui.window.studies import Studies
    from metagui.learning.adaptation.adapted_task import AdaptedTask

ALARM = (
    "But the policy ignores your demonstrations: after another task's it would do as well. Record more takes, in "
    "scenes that differ, or train a prior on tasks like this."
)


class Lessons(QObject):
    """Comparing gives way to adapting, and is taken up again afterwards."""

    changed = Signal()
    """The learner does something else."""
    said = Signal(str, str, str)
    offered = Signal(str)
    """Why a take had better be left out, in words; empty when there is nothing to offer."""

    def __init__(self, studies: Studies, shelf: Shelf) -> None:
        super().__init__()
        self._studies, self._shelf = studies, shelf
        self._adapt_next: str | None = None
        self._compare_next = False
        self._odd: TakeKey | None = None
        self._left_out: TakeKey | None = None
        shelf.changed.connect(self._on_shelf)
        studies.adapted.connect(self._on_adapted)
        studies.learner.state_changed.connect(self._on_learner)

    def adapt(self, task: str | None) -> None:
        """Adapt to a task's takes."""
        learner = self._studies.learner
        if task is None:
            return
        self.keep_odd()
        if learner.state is Learning.COMPARING:
            self._adapt_next, self._compare_next = task, True
            learner.cancel()
        elif not self._studies.adapt(task):
            self.said.emit("Adapting did not begin: another job is still running.", "warning", "")

    def _on_learner(self) -> None:
        """Begin what waited for the learner."""
        self.changed.emit()
        if self._studies.learner.state is not Learning.IDLE:
            return
        if self._adapt_next:
            task, self._adapt_next = self._adapt_next, None
            self._studies.adapt(task)
        elif self._compare_next:
            self._compare_next = False
            self._studies.compare()

    def _on_adapted(self, adapted: AdaptedTask) -> None:
        self._shelf.refresh()
        self._offer(adapted)
        if adapted.provenance.get("ignores demonstrations"):
            self.said.emit(f"Adapted “{adapted.task}”. {ALARM}", "warning", "run")
        else:
            self.said.emit(f"Adapted “{adapted.task}”. Press Run to see it.", "success", "run")

    # A take that does not show the same as the others

    def _offer(self, adapted: AdaptedTask) -> None:
        """Offer to leave the first odd take out."""
        odd = adapted.provenance.get("odd_takes") or []
        self._odd = TakeKey(adapted.task, str(odd[0]["take"])) if odd else None
        self.offered.emit(str(odd[0]["reason"]) if odd else "")

    def keep_odd(self) -> None:
        """The person thinks the take belongs there."""
        self._odd = None
        self.offered.emit("")

    def leave_odd_out(self) -> None:
        """Mark the odd take as a failure, which can be undone, and adapt to the others."""
        odd = self._odd
        self.keep_odd()
        if odd is not None:
            self._left_out = odd
            self._shelf.set_success(odd, False)

    def _on_shelf(self) -> None:
        """Adapt again once the list knows that the take was left out."""
        left_out = self._left_out
        if left_out is not None and left_out not in self._shelf.usable(left_out.task):
            self._left_out = None
            self.adapt(left_out.task)
