"""Similarity panel: which stored tasks have similar takes or similar policies.

Four views of one comparison (ranked list, heat map, map, distances) and an overlay of two takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget

from metagui.gui.similarity.distance_histogram import DistanceHistogram
from metagui.gui.similarity.maps.embedding_map import EmbeddingMap
from metagui.gui.similarity.maps.heat_map_page import HeatMapPage
from metagui.gui.similarity.neighbour_list import NeighbourList
from metagui.gui.similarity.ranking_model import RankedRow
from metagui.gui.similarity.take_overlay import TakeOverlay
from metagui.gui.widgets.panel import EmptyState, EmptyStateStack, Panel, SegmentedControl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from PySide6.QtGui import QAction

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration, TakeKey
    from metagui.gui.similarity.comparison import BehaviourComparison, Comparison
    from metagui.gui.theme.theme import Theme

SIMILARITY_VIEWS = ("Ranked", "Heat map", "Map", "Distances")
RANKED_VIEW, HEAT_MAP_VIEW = 0, 1
SIMILARITY_MEASURES = ("Takes", "Policies")
MEASURE_TOOLTIPS = (
    "Similar takes: distance between the embeddings of two tasks' takes",
    "Similar policies: how well the policy of one task imitates the other task's takes",
)
HEAT_MAP_HINTS = (
    "Dark cells are similar tasks. Click a cell to see both demonstrations; the wheel zooms.",
    "Dark cells: the policy of one task imitates the other task's takes well.",
)
BEHAVIOUR_FOOTNOTE = "Similarity: imitation loss on the other task's takes minus the loss on its own takes."
ENCODER_MISSING_TEXT = "Takes cannot be compared yet."


class SimilarityPanel(Panel):
    """Panel with the four views and the overlay; what is chosen in one view is marked in the others."""

    pair_chosen = Signal(str, str)
    """Names of two tasks whose demonstrations are to be overlaid."""
    pair_shown = Signal(object, object)
    """The two takes of the overlay, which are None when it is left."""
    take_chosen = Signal(str, object)
    """Name of a task that was chosen, and of one of its takes, or None."""
    measure_chosen = Signal(bool)
    """True to compare policies, False to compare takes."""

    def __init__(self, theme: Theme, train: QAction) -> None:
        super().__init__("Similarity")
        self._task: str | None = None
        self._view_is_default = True
        """True until the user has chosen a view."""
        self._is_live = False
        """True while the list ranks the take being recorded."""
        self.shows_behaviour = False
        """True if policies are compared, False if takes are."""
        self._measures = SegmentedControl("What is compared")
        self._measures.set_labels(SIMILARITY_MEASURES, MEASURE_TOOLTIPS)
        self._views = SegmentedControl("View of the comparison", SIMILARITY_VIEWS)
        self.neighbour_list = NeighbourList(theme)
        self.heat_map_page = HeatMapPage(theme)
        self.embedding_map = EmbeddingMap(theme)
        self.histogram = DistanceHistogram(theme)
        self.take_overlay = TakeOverlay(theme)
        self._stack = QStackedWidget()
        for view in (
            self.neighbour_list, self.heat_map_page, self.embedding_map, self.histogram, self.take_overlay,
        ):  # fmt: skip
            self._stack.addWidget(view)
        self.content = EmptyStateStack(self._stack, EmptyState(theme, "compare", ENCODER_MISSING_TEXT, train))
        self.body.addWidget(self.content)
        self.header.addWidget(self._measures)
        self.header.addWidget(self._views)
        self._connect()
        self.show_view(HEAT_MAP_VIEW)

    def _connect(self) -> None:
        self._views.segment_chosen.connect(self._on_view_chosen)
        self._measures.segment_chosen.connect(self._on_measure_chosen)
        self.heat_map_page.heat_map.pair_chosen.connect(self._on_pair_chosen)
        self.neighbour_list.task_chosen.connect(self._on_neighbour_chosen)
        self.neighbour_list.task_marked.connect(self._mark)
        self.embedding_map.take_chosen.connect(self._on_point_chosen)
        self.embedding_map.task_chosen.connect(self._on_task_chosen)
        self.take_overlay.back_requested.connect(self._leave_overlay)

    # Choices

    def _on_view_chosen(self, index: int) -> None:
        self._view_is_default = False
        self._leave_overlay()

    def _on_measure_chosen(self, index: int) -> None:
        """Switch between takes and policies; only two views can compare policies."""
        self.shows_behaviour = bool(index)
        for view in (2, 3):
            self._views.set_enabled_at(view, not self.shows_behaviour)
        if self.shows_behaviour and self._views.current_index > HEAT_MAP_VIEW:
            self.show_view(HEAT_MAP_VIEW)
        self.measure_chosen.emit(self.shows_behaviour)

    def _on_neighbour_chosen(self, task: str) -> None:
        if self._is_live:
            self.take_chosen.emit(task, None)
        elif self._task is not None:
            self._mark(task)
            self.pair_chosen.emit(self._task, task)

    def _on_pair_chosen(self, first: str, second: str) -> None:
        """Choose the first task of a cell, mark the second, and show both."""
        if first != self._task:
            self._view_is_default = False
            self.take_chosen.emit(first, None)
        self._mark(second)
        self.pair_chosen.emit(first, second)

    def _on_point_chosen(self, key: TakeKey) -> None:
        self._view_is_default = False
        self.take_chosen.emit(key.task, key.take)

    def _on_task_chosen(self, task: str) -> None:
        self._view_is_default = False
        self.take_chosen.emit(task, None)

    def _mark(self, task: str) -> None:
        """Mark a second task in all views."""
        self.neighbour_list.table.mark(task)
        self.heat_map_page.heat_map.mark_pair(self._task, task)
        self.embedding_map.mark_tasks(self._task, task)

    def _leave_overlay(self) -> None:
        self.pair_shown.emit(None, None)
        self._stack.setCurrentIndex(max(self._views.current_index, 0))

    # Content

    @property
    def shown_view(self) -> int:
        """Index of the chosen view, whether or not the overlay covers it."""
        return self._views.current_index

    @property
    def chosen_view(self) -> int | None:
        """Index of the view that the user has chosen; None as long as the program chooses."""
        return None if self._view_is_default else self._views.current_index

    def choose_view(self, index: int) -> None:
        """Show a view that the user has chosen, which then stays."""
        self._view_is_default = False
        self.show_view(index)

    def show_view(self, index: int) -> None:
        """Show one of the views."""
        self._views.select(index)
        self._stack.setCurrentIndex(index)

    def show_empty(self, sentence: str) -> None:
        """Show a sentence why there is no comparison yet."""
        self.content.empty_state.set_sentence(sentence)
        self.content.set_filled(False)

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Show a comparison of takes in all views except the ranked list."""
        if not self.shows_behaviour:
            self.content.set_filled(len(comparison.tasks) > 1)
            self.heat_map_page.show_comparison(comparison, HEAT_MAP_HINTS[0])
        self.embedding_map.show_comparison(comparison, newest)
        self.histogram.show_distances(comparison.same_task_distances, comparison.different_task_distances)
        self.histogram.show_newest(comparison.mean_distance_to_siblings(newest) if newest else None)

    def show_neighbours(
        self, task: str | None, rows: Sequence[RankedRow], footnote: str = "", prompt: str = ""
    ) -> None:
        """Rank the tasks by similar takes; ignored while policies are compared or a take is recorded."""
        if self.shows_behaviour or self._is_live:
            return
        if self._view_is_default and task != self._task:
            self.show_view(RANKED_VIEW if task else HEAT_MAP_VIEW)
        if task != self._task:
            self.heat_map_page.heat_map.mark_pair(None, None)
        self._task = task
        self.embedding_map.mark_tasks(task)
        sentence = f"Tasks similar to “{task}”" if task else prompt or "Choose a task in the list."
        self.neighbour_list.show_rows(sentence, rows, footnote)

    def show_live(self, rows: Sequence[RankedRow], point: FloatArray | None) -> None:
        """Rank the tasks by similarity to the take being recorded; without rows, stop doing so."""
        self._is_live = bool(rows)
        self.embedding_map.axes.show_live(point if rows else None)
        if rows and not self.shows_behaviour:
            if self._view_is_default:
                self.show_view(RANKED_VIEW)
            self.neighbour_list.show_rows("Similar to what is being recorded, so far", rows)

    def show_behaviour(self, comparison: BehaviourComparison, task: str | None) -> None:
        """Show a comparison of policies; ignored while takes are compared."""
        if not self.shows_behaviour:
            return
        self.content.set_filled(len(comparison) > 0)
        self.heat_map_page.show_comparison(comparison, HEAT_MAP_HINTS[1])
        self._task = task
        ranked = [RankedRow.from_loss(*each) for each in comparison.rank_tasks(task)] if task else []
        sentence = "Choose a task in the list to see which policies are similar."
        if task and ranked:
            sentence = f"Tasks whose policies are similar to “{task}”"
        elif task:
            sentence = f"The policy of “{task}” was not compared yet. Choose Policies again."
        self.neighbour_list.show_rows(sentence, ranked, BEHAVIOUR_FOOTNOTE if ranked else "")

    def show_pair(self, first: Demonstration, second: Demonstration, verdict: str = "") -> None:
        """Overlay two takes, with the verdict on their tasks in words."""
        self.take_overlay.show_pair(first, second, verdict)
        self.content.set_filled(True)
        self._stack.setCurrentWidget(self.take_overlay)
        self.pair_shown.emit(first, second)

    def show_training(self, same: ArrayLike, different: ArrayLike) -> None:
        """Show the distances while the encoder is training; the chosen view stays."""
        self.histogram.show_distances(np.asarray(same, np.float64), np.asarray(different, np.float64))
