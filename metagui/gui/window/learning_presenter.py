"""Presenter for learning: loss curves and similarity of the selected task, live while jobs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import AppSnapshot, LearningActivity
from metagui.gui.learning.adaptation_controller import IGNORES_DEMONSTRATIONS_TEXT
from metagui.gui.learning.loss_curves import LossCurves
from metagui.gui.similarity.live_ranking import LiveRanking
from metagui.gui.similarity.ranking_model import RankedRow
from metagui.learning.similarity.similarity import describe_verdict

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import TakeKey
    from metagui.gui.learning.loss_panel import LossPanel
    from metagui.gui.similarity.live_ranking import LiveRank
    from metagui.gui.similarity.similarity_panel import SimilarityPanel
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import LearningParts
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.similarity.siamese import SiameseStep

NO_CURVES_TEXT = "Record a few takes of a task, then press Adapt: its loss curves appear here."


class LearningPresenter(QObject):
    """Updates the loss panel and the similarity panel."""

    def __init__(self, session: Session, losses: LossPanel, similarity: SimilarityPanel) -> None:
        super().__init__(losses)
        self._library, self._learning = session.library, session.learning
        self._losses, self._similarity = losses, similarity
        self._snapshot = AppSnapshot()
        self._wanted_pair: tuple[TakeKey, TakeKey] | None = None
        self._live = LiveRanking(
            session.arm.controller, session.learning.similarity, session.learning.prior, session.library,
            session.state,
        )  # fmt: skip
        self._live.ranked.connect(self._show_live)
        similarity.pair_chosen.connect(self._show_pair)
        similarity.measure_chosen.connect(self._show_measure)
        similarity.take_chosen.connect(session.state.select)
        self._connect_learning(session.learning)
        session.library.take_loaded.connect(self._on_take_loaded)
        session.library.tasks_changed.connect(self._show_neighbours)
        session.state.changed.connect(self._on_snapshot_changed)

    def _connect_learning(self, learning: LearningParts) -> None:
        learning.queue.job_cancelled.connect(self._show_cancelled)
        learning.adaptation.adaptation_progressed.connect(self._losses.append_steps)
        learning.adaptation.policy_adapted.connect(self._show_adapted)
        learning.similarity.comparison_changed.connect(self._show_comparison)
        learning.similarity.progressed.connect(self._show_progress)
        learning.encoder_training.training_progressed.connect(self._show_training)
        learning.behaviours.comparison_changed.connect(self._show_behaviour)
        learning.behaviours.comparison_unavailable.connect(self._similarity.show_empty)

    def _on_snapshot_changed(self, snapshot: AppSnapshot) -> None:
        before, self._snapshot = self._snapshot, snapshot
        if snapshot.learning is LearningActivity.ADAPTING and before.learning is not LearningActivity.ADAPTING:
            self._losses.begin(self._library.describe_segments(snapshot.task))
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
        warning = f"{IGNORES_DEMONSTRATIONS_TEXT} " if adapted.provenance.ignores_demonstrations else ""
        reasons = {index: warning + reason for index, reason in enumerate(adapted.reasons)}
        self._losses.show_choices(dict(enumerate(adapted.choices)), reasons)

    def _show_stored(self, adapted: TaskPolicy) -> None:
        """Show the curves of an earlier adaptation of the selected task."""
        if self._snapshot.learning is not LearningActivity.ADAPTING and adapted.task == self._snapshot.task:
            curves = LossCurves.from_provenance(adapted.provenance.curves, adapted.provenance.rehearsal)
            self._losses.show_stored_curves(self._library.describe_segments(adapted.task), curves)
            self._show_adapted(adapted)

    def _show_load_failure(self, task: str) -> None:
        """Replace the curves, which belong to another task, by a text."""
        if self._snapshot.learning is not LearningActivity.ADAPTING and task == self._snapshot.task:
            self._losses.show_empty(
                f"What was learnt of “{task}” cannot be read. Press Adapt and watch it learn again."
            )

    def _show_task_curves(self) -> None:
        """Show the curves of the selected task, or a text if there are none yet."""
        s = self._snapshot
        if s.learning is LearningActivity.ADAPTING:
            return
        if s.has_policy and s.task:
            self._learning.adaptation.load_policy(s.task, self._show_stored, self._show_load_failure)
            return
        count = f"{s.take_count} take{'' if s.take_count == 1 else 's'}"
        text = f"“{s.task}” has {count} and no policy yet. Press Adapt and watch it learn."
        self._losses.show_empty(text if s.task and s.take_count else NO_CURVES_TEXT)

    def _show_cancelled(self, activity: LearningActivity) -> None:
        if activity is LearningActivity.ADAPTING:
            self._losses.show_empty("Cancelled; nothing was changed. Press Adapt to start again.")
            self._show_task_curves()

    # Similarity

    def _show_unavailable(self) -> None:
        s = self._snapshot
        if self._similarity.shows_behaviour:
            return
        if s.encoder_problem:
            self._similarity.show_empty(f"Nothing to compare yet: {s.encoder_problem}.")
        elif s.task_count < 2:
            self._similarity.show_empty("Similarity compares tasks: record a second one.")

    def _show_progress(self, done: int, count: int) -> None:
        """Show how many takes have been read, until there is something to compare."""
        if done < count and not len(self._learning.similarity.comparison) and not self._similarity.shows_behaviour:
            self._similarity.show_empty(f"Comparing your takes: {done} of {count}.")

    def _show_comparison(self, newest: TakeKey | None) -> None:
        self._similarity.show_comparison(self._learning.similarity.comparison, newest)
        self._show_neighbours()

    def _show_measure(self, behaviour: bool) -> None:
        """Compare tasks by the behaviour of their policies, or by their takes."""
        if behaviour:
            self._similarity.show_empty("Comparing what the policies of your tasks do …")
            self._learning.behaviours.compare()
        else:
            self._show_comparison(None)
            self._show_unavailable()

    def _show_behaviour(self) -> None:
        self._similarity.show_behaviour(self._learning.behaviours.comparison, self._snapshot.task)

    def _show_neighbours(self) -> None:
        task = self._snapshot.task
        if self._similarity.shows_behaviour:
            self._show_behaviour()
            return
        ranked, basis = self._learning.similarity.rank_neighbours(task) if task else ([], "")
        found = [RankedRow.from_neighbour(each) for each in ranked]
        prompt = "Choose a task in the list to see which others are similar."
        if task and not found:
            task, prompt = None, f"“{task}” has no take that could be compared yet."
        self._similarity.show_neighbours(task, found, basis, prompt)

    def _show_live(self, found: LiveRank | None) -> None:
        """Rank the tasks by similarity to the take being recorded; None shows the selected task again."""
        if found is None:
            self._similarity.show_live((), None)
            self._show_neighbours()
        else:
            rows = [RankedRow.from_neighbour(each) for each in found.neighbours]
            self._similarity.show_live(rows, found.point)

    def _show_training(self, step: SiameseStep) -> None:
        self._similarity.show_training(step.positive_distances, step.negative_distances)

    def _show_pair(self, first: str, second: str) -> None:
        comparison = self._learning.similarity.comparison
        if {first, second} <= set(comparison.tasks):
            self._wanted_pair = comparison.closest_pair(first, second)
        else:  # the embeddings of the takes have not been compared
            keys = [self._library.usable_takes(task) for task in (first, second)]
            self._wanted_pair = (keys[0][0], keys[1][-1]) if all(keys) else None
        self._on_take_loaded(None)

    def _on_take_loaded(self, _key: object) -> None:
        """Overlay the selected pair of takes once both have been read."""
        if self._wanted_pair is None:
            return
        first, second = (self._library.request_take(key) for key in self._wanted_pair)
        if first is not None and second is not None:
            self._wanted_pair = None
            judged = self._learning.similarity.comparison.judge_pair(first.task, second.task)
            self._similarity.show_pair(first, second, describe_verdict(judged.verdict) if judged else "")
            self._similarity.take_chosen.emit(first.task, first.name)
