"""What the curves and the comparison show, as tasks are chosen and the learner works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import AppSnapshot, LearningActivity
from metagui.gui.learning.adaptation_controller import IGNORES_DEMONSTRATIONS_TEXT
from metagui.gui.learning.loss_curves import LossCurves

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import TakeKey
    from metagui.gui.learning.loss_panel import LossPanel
    from metagui.gui.similarity.similarity_panel import SimilarityPanel
    from metagui.gui.window.session import Session
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.similarity.siamese import SiameseStep

NO_CURVES_TEXT = "Record a few takes of a task, then press Adapt: the curves of learning it appear here."


class LearningPresenter(QObject):
    """Keeps both panels in step with the session."""

    def __init__(self, session: Session, losses: LossPanel, similarity: SimilarityPanel) -> None:
        super().__init__(losses)
        self._session, self._losses, self._similarity = session, losses, similarity
        self._snapshot = AppSnapshot()
        self._wanted_pair: tuple[TakeKey, TakeKey] | None = None
        studies = session.learning
        studies.adaptation_progressed.connect(losses.append_steps)
        studies.policy_adapted.connect(self._show_adapted)
        studies.policy_loaded.connect(self._show_stored)
        studies.policy_load_failed.connect(self._show_load_failure)
        studies.job_cancelled.connect(self._show_cancelled)
        studies.comparison_changed.connect(self._show_comparison)
        studies.training_progressed.connect(self._show_training)
        studies.encoder_trained.connect(studies.compare_takes)
        similarity.pair_chosen.connect(self._show_pair)
        similarity.measure_chosen.connect(self._show_measure)
        session.behaviour_comparison.comparison_changed.connect(self._show_behaviour)
        session.behaviour_comparison.comparison_unavailable.connect(similarity.show_empty)
        session.library_model.take_loaded.connect(self._on_take_loaded)
        session.library_model.tasks_changed.connect(self._show_neighbours)
        session.snapshot_changed.connect(self._on_snapshot_changed)

    def _on_snapshot_changed(self, snapshot: AppSnapshot) -> None:
        before, self._snapshot = self._snapshot, snapshot
        if snapshot.learning is LearningActivity.ADAPTING and before.learning is not LearningActivity.ADAPTING:
            self._losses.begin(self._session.library_model.describe_segments(snapshot.task))
        if snapshot.task != before.task:
            self._show_task_curves()
            self._show_neighbours()
        elif (snapshot.take_count, snapshot.has_policy) != (
            before.take_count,
            before.has_policy,
        ) and not snapshot.has_policy:
            self._show_task_curves()
        if (snapshot.encoder_problem, snapshot.task_count) != (before.encoder_problem, before.task_count):
            self._show_unavailable()

    # Curves

    def _show_adapted(self, adapted: TaskPolicy) -> None:
        clicks = dict(enumerate(adapted.skills))
        alarm = f"{IGNORES_DEMONSTRATIONS_TEXT} " if adapted.provenance.ignores_demonstrations else ""
        reasons = {i: alarm + c.reason for i, c in clicks.items()}
        self._losses.show_choices({i: c.choice for i, c in clicks.items()}, reasons)

    def _show_stored(self, adapted: TaskPolicy) -> None:
        """Show what an earlier adaptation of the chosen task looked like."""
        if self._snapshot.learning is not LearningActivity.ADAPTING and adapted.task == self._snapshot.task:
            curves = LossCurves.from_provenance(adapted.provenance.curves)
            self._losses.show_stored_curves(self._session.library_model.describe_segments(adapted.task), curves)
            self._show_adapted(adapted)

    def _show_load_failure(self, task: str) -> None:
        """Say so in place of curves; those that were there are another task's."""
        if self._snapshot.learning is not LearningActivity.ADAPTING and task == self._snapshot.task:
            self._losses.show_empty(
                f"What was learnt of “{task}” cannot be read. Press Adapt and watch it learn again."
            )

    def _show_task_curves(self) -> None:
        """Bring the chosen task's curves up, or say that there are none yet."""
        s = self._snapshot
        if s.learning is LearningActivity.ADAPTING:
            return
        if s.has_policy and s.task:
            self._session.learning.load_policy(s.task)
            return
        many = f"{s.take_count} take{'' if s.take_count == 1 else 's'}"
        words = f"“{s.task}” has {many} and no policy yet. Press Adapt and watch it learn."
        self._losses.show_empty(words if s.task and s.take_count else NO_CURVES_TEXT)

    def _show_cancelled(self, activity: str) -> None:
        if activity == LearningActivity.COMPARING.value:
            return
        self._session.message_posted.emit(f"{activity} was cancelled; nothing was changed.", "info", "")
        if activity == LearningActivity.ADAPTING.value:
            self._losses.show_empty("Cancelled; nothing was changed. Press Adapt to start again.")
        else:
            self._session.learning.compare_takes()

    # Similarity

    def _show_unavailable(self) -> None:
        s = self._snapshot
        if self._similarity.shows_behaviour:
            return
        if s.encoder_problem:
            self._similarity.show_empty(f"Nothing to compare yet: {s.encoder_problem}.")
        elif s.task_count < 2:
            self._similarity.show_empty("Similarity compares tasks: record a second one.")

    def _show_comparison(self, newest: TakeKey | None) -> None:
        self._similarity.show_comparison(self._session.learning.comparison, newest)
        self._show_neighbours()

    def _show_measure(self, behaviour: bool) -> None:
        """Look at what policies do, or at how takes look."""
        if behaviour:
            self._similarity.show_empty("Comparing what the policies of your tasks do …")
            self._session.behaviour_comparison.compare()
        else:
            self._show_comparison(None)
            self._show_unavailable()

    def _show_behaviour(self) -> None:
        self._similarity.show_behaviour(self._session.behaviour_comparison.comparison, self._snapshot.task)

    def _show_neighbours(self) -> None:
        task = self._snapshot.task
        if self._similarity.shows_behaviour:
            self._show_behaviour()
            return
        found, why = self._session.learning.rank_neighbours(task) if task else ([], "")
        prompt = "Choose a task in the list to see which others look like it."
        if task and not found:
            task, prompt = None, f"“{task}” has no take that could be compared yet."
        self._similarity.show_neighbours(task, found, why, prompt)

    def _show_training(self, step: SiameseStep) -> None:
        self._similarity.show_training(step.positive_distances, step.negative_distances)

    def _show_pair(self, first: str, second: str) -> None:
        comparison = self._session.learning.comparison
        if {first, second} <= set(comparison.tasks):
            self._wanted_pair = comparison.closest_pair(first, second)
        else:  # only what policies do was compared
            keys = [self._session.library_model.usable_takes(task) for task in (first, second)]
            self._wanted_pair = (keys[0][0], keys[1][-1]) if all(keys) else None
        self._on_take_loaded(None)

    def _on_take_loaded(self, _key: object) -> None:
        """Overlay the wanted pair once both of its takes have been read."""
        if self._wanted_pair is None:
            return
        first, second = (self._session.library_model.request_take(key) for key in self._wanted_pair)
        if first is not None and second is not None:
            self._wanted_pair = None
            self._similarity.show_pair(first, second)
