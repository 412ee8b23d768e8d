"""What the curves and the comparison show, as tasks are chosen and the learner works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import Learning, Situation
from metagui.gui.learning.adaptation_controller import ALARM
from metagui.gui.learning.loss_curves import Curves

if TYPE_CHECKING:
    from metagui.gui.learning.loss_panel import LossPanel
    from metagui.gui.similarity.comparison import TakeKey
    from metagui.gui.similarity.similarity_panel import SimilarityPanel
    from metagui.gui.window.session import Session
    from metagui.learning.adaptation.adapted_task import AdaptedTask
    from metagui.learning.similarity.siamese import SiameseStep

NO_CURVES = "Record a few takes of a task, then press Adapt: the curves of learning it appear here."


class LearningViews(QObject):
    """Keeps both panels in step with the session."""

    def __init__(self, session: Session, losses: LossPanel, similarity: SimilarityPanel) -> None:
        super().__init__(losses)
        self._session, self._losses, self._similarity = session, losses, similarity
        self._situation = Situation()
        self._wanted_pair: tuple[TakeKey, TakeKey] | None = None
        studies = session.studies
        studies.steps.connect(losses.extend)
        studies.adapted.connect(self._show_adapted)
        studies.recalled.connect(self._show_earlier)
        studies.unreadable.connect(self._show_unreadable)
        studies.ended.connect(self._show_cancelled)
        studies.compared.connect(self._show_comparison)
        studies.training.connect(self._show_training)
        studies.trained.connect(studies.compare)
        similarity.pair_chosen.connect(self._show_pair)
        similarity.lens_chosen.connect(self._show_lens)
        session.acting.compared.connect(self._show_acts)
        session.acting.missing.connect(similarity.explain)
        session.shelf.loaded.connect(self._on_loaded)
        session.shelf.changed.connect(self._show_neighbours)
        session.situation_changed.connect(self._on_situation)

    def _on_situation(self, situation: Situation) -> None:
        before, self._situation = self._situation, situation
        if situation.learning is Learning.ADAPTING and before.learning is not Learning.ADAPTING:
            self._losses.begin(self._session.shelf.clicks_in_words(situation.task))
        if situation.task != before.task:
            self._show_task_curves()
            self._show_neighbours()
        elif (situation.takes, situation.adapted) != (before.takes, before.adapted) and not situation.adapted:
            self._show_task_curves()
        if (situation.encoder_problem, situation.tasks) != (before.encoder_problem, before.tasks):
            self._explain()

    # Curves

    def _show_adapted(self, adapted: AdaptedTask) -> None:
        clicks = dict(enumerate(adapted.clicks))
        alarm = f"{ALARM} " if adapted.provenance.get("ignores demonstrations") else ""
        reasons = {i: alarm + c.reason for i, c in clicks.items()}
        self._losses.conclude({i: c.choice for i, c in clicks.items()}, reasons)

    def _show_earlier(self, adapted: AdaptedTask) -> None:
        """Show what an earlier adaptation of the chosen task looked like."""
        if self._situation.learning is not Learning.ADAPTING and adapted.task == self._situation.task:
            curves = Curves.from_provenance(adapted.provenance.get("curves", []))
            self._losses.restore(self._session.shelf.clicks_in_words(adapted.task), curves)
            self._show_adapted(adapted)

    def _show_unreadable(self, task: str) -> None:
        """Say so in place of curves; those that were there are another task's."""
        if self._situation.learning is not Learning.ADAPTING and task == self._situation.task:
            self._losses.clear(f"What was learnt of “{task}” cannot be read. Press Adapt and watch it learn again.")

    def _show_task_curves(self) -> None:
        """Bring the chosen task's curves up, or say that there are none yet."""
        s = self._situation
        if s.learning is Learning.ADAPTING:
            return
        if s.adapted and s.task:
            self._session.studies.recall(s.task)
            return
        many = f"{s.takes} take{'' if s.takes == 1 else 's'}"
        words = f"“{s.task}” has {many} and no policy yet. Press Adapt and watch it learn."
        self._losses.clear(words if s.task and s.takes else NO_CURVES)

    def _show_cancelled(self, what: str) -> None:
        if what == Learning.COMPARING.value:
            return
        self._session.said.emit(f"{what} was cancelled; nothing was changed.", "info", "")
        if what == Learning.ADAPTING.value:
            self._losses.clear("Cancelled; nothing was changed. Press Adapt to start again.")
        else:
            self._session.studies.compare()

    # Similarity

    def _explain(self) -> None:
        s = self._situation
        if self._similarity.acting:
            return
        if s.encoder_problem:
            self._similarity.explain(f"Nothing to compare yet: {s.encoder_problem}.")
        elif s.tasks < 2:
            self._similarity.explain("Similarity compares tasks: record a second one.")

    def _show_comparison(self, newest: TakeKey | None) -> None:
        self._similarity.show_comparison(self._session.studies.comparison, newest)
        self._show_neighbours()

    def _show_lens(self, acting: bool) -> None:
        """Look at what policies do, or at how takes look."""
        if acting:
            self._similarity.explain("Comparing what the policies of your tasks do …")
            self._session.acting.compare()
        else:
            self._show_comparison(None)
            self._explain()

    def _show_acts(self) -> None:
        self._similarity.show_acts(self._session.acting.acts, self._situation.task)

    def _show_neighbours(self) -> None:
        task = self._situation.task
        if self._similarity.acting:
            self._show_acts()
            return
        found, why = self._session.studies.neighbours(task) if task else ([], "")
        prompt = "Choose a task in the list to see which others look like it."
        if task and not found:
            task, prompt = None, f"“{task}” has no take that could be compared yet."
        self._similarity.show_neighbours(task, found, why, prompt)

    def _show_training(self, step: SiameseStep) -> None:
        self._similarity.show_training(step.same_distances, step.different_distances)

    def _show_pair(self, first: str, second: str) -> None:
        comparison = self._session.studies.comparison
        if {first, second} <= set(comparison.tasks):
            self._wanted_pair = comparison.closest_pair(first, second)
        else:  # only what policies do was compared
            keys = [self._session.shelf.usable(task) for task in (first, second)]
            self._wanted_pair = (keys[0][0], keys[1][-1]) if all(keys) else None
        self._on_loaded(None)

    def _on_loaded(self, _key: object) -> None:
        """Overlay the wanted pair once both of its takes have been read."""
        if self._wanted_pair is None:
            return
        first, second = (self._session.shelf.take(key) for key in self._wanted_pair)
        if first is not None and second is not None:
            self._wanted_pair = None
            self._similarity.show_pair(first, second)
