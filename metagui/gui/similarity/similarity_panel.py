"""Similarity panel: which stored tasks have similar takes or similar policies.

Four views of one comparison (ranked list, heat map, map, distances) and an overlay of two takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from metagui.gui.similarity.distance_histogram import DistanceHistogram
from metagui.gui.similarity.embedding_map import EmbeddingMap
from metagui.gui.similarity.heat_map import HeatMap
from metagui.gui.similarity.neighbour_list import NeighbourList, RankedTask
from metagui.gui.similarity.take_overlay import TakeOverlay
from metagui.gui.widgets.panel import EmptyState, EmptyStateStack, Panel, SegmentedControl, make_muted_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from PySide6.QtGui import QAction

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
    "Dark cells are similar tasks. Click a cell to see both demonstrations.",
    "Dark cells: the policy of one task imitates the other task's takes well.",
)
EMPTY_BAR_LOSS = 3.0
"""Imitation loss at which a bar is empty; unrelated tasks have losses between 1.5 and 3."""
BEHAVIOUR_FOOTNOTE = "Distance: imitation loss on the other task's takes minus the loss on its own takes."
ENCODER_UNTRAINED_TEXT = "The encoder is not trained yet. It learns from your tasks which takes are similar."


class SimilarityPanel(Panel):
    """Panel with the four views and the overlay."""

    pair_chosen = Signal(str, str)
    """Names of two tasks whose demonstrations are to be overlaid."""
    measure_chosen = Signal(bool)
    """True to compare policies, False to compare takes."""

    def __init__(self, theme: Theme, train: QAction) -> None:
        super().__init__("Similarity")
        self._task: str | None = None
        self._view_is_default = True
        """True until the user has chosen a view."""
        self.shows_behaviour = False
        """True if policies are compared, False if takes are."""
        self._measures = SegmentedControl("What is compared")
        self._measures.set_labels(SIMILARITY_MEASURES, MEASURE_TOOLTIPS)
        self._views = SegmentedControl("View of the comparison", SIMILARITY_VIEWS)
        self.neighbour_list = NeighbourList(theme)
        self.heat_map = HeatMap(theme)
        self.embedding_map = EmbeddingMap(theme)
        self.histogram = DistanceHistogram(theme)
        self.take_overlay = TakeOverlay(theme)
        self._hint = make_muted_label(" ")
        self._stack = QStackedWidget()
        for view in (
            self.neighbour_list,
            self._make_heat_map_page(),
            self.embedding_map,
            self.histogram,
            self.take_overlay,
        ):
            self._stack.addWidget(view)
        self.content = EmptyStateStack(self._stack, EmptyState(theme, "compare", ENCODER_UNTRAINED_TEXT, train))
        self.body.addWidget(self.content)
        self.header.addWidget(self._measures)
        self.header.addWidget(self._views)
        self._connect()
        self.show_view(HEAT_MAP_VIEW)

    def _make_heat_map_page(self) -> QWidget:
        out = QWidget()
        layout = QVBoxLayout(out)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heat_map, 1)
        layout.addWidget(self._hint)
        return out

    def _connect(self) -> None:
        self._views.segment_chosen.connect(self._on_view_chosen)
        self._measures.segment_chosen.connect(self._on_measure_chosen)
        self.heat_map.hovered.connect(self._show_hint)
        self.heat_map.pair_chosen.connect(self.pair_chosen)
        self.neighbour_list.task_chosen.connect(self._on_neighbour_chosen)
        self.take_overlay.back_requested.connect(self._leave_overlay)

    def _on_view_chosen(self, index: int) -> None:
        self._view_is_default = False
        self._stack.setCurrentIndex(index)

    def _on_measure_chosen(self, index: int) -> None:
        """Switch between takes and policies; only two views can compare policies."""
        self.shows_behaviour = bool(index)
        for view in (2, 3):
            self._views.set_enabled_at(view, not self.shows_behaviour)
        if self.shows_behaviour and self._views.current_index > HEAT_MAP_VIEW:
            self.show_view(HEAT_MAP_VIEW)
        self.measure_chosen.emit(self.shows_behaviour)

    def _show_hint(self, text: str) -> None:
        self._hint.setText(text or HEAT_MAP_HINTS[self.shows_behaviour])

    def _on_neighbour_chosen(self, task: str) -> None:
        if self._task is not None:
            self.pair_chosen.emit(self._task, task)

    def _leave_overlay(self) -> None:
        self._stack.setCurrentIndex(max(self._views.current_index, 0))

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
            self.heat_map.show_comparison(comparison)
        self.embedding_map.show_comparison(comparison, newest)
        self.histogram.show_distances(comparison.same_task_distances, comparison.different_task_distances)
        self.histogram.show_newest(comparison.mean_distance_to_siblings(newest) if newest else None)
        self._show_hint("")

    def show_neighbours(
        self, task: str | None, neighbours: Sequence[RankedTask], footnote: str = "", prompt: str = ""
    ) -> None:
        """Rank the tasks by similar takes; ignored while policies are compared."""
        if self.shows_behaviour:
            return
        if self._view_is_default and task != self._task:
            self.show_view(RANKED_VIEW if task else HEAT_MAP_VIEW)
        self._task = task
        self.embedding_map.show_task(task)
        sentence = f"Tasks similar to “{task}”, nearest first" if task else prompt or "Choose a task in the list."
        self.neighbour_list.show_neighbours(sentence, neighbours, footnote)

    def show_behaviour(self, comparison: BehaviourComparison, task: str | None) -> None:
        """Show a comparison of policies; ignored while takes are compared."""
        if not self.shows_behaviour:
            return
        self.content.set_filled(len(comparison) > 0)
        self.heat_map.show_comparison(comparison)
        self._task = task
        ranked = comparison.rank_tasks(task) if task else []
        sentence = "Choose a task in the list to see which policies are similar."
        if task and ranked:
            sentence = f"Tasks whose policies are similar to “{task}”, nearest first"
        elif task:
            sentence = f"The policy of “{task}” was not compared yet. Choose Policies again."
        self.neighbour_list.show_neighbours(sentence, ranked, BEHAVIOUR_FOOTNOTE if ranked else "", EMPTY_BAR_LOSS)
        self._show_hint("")

    def show_pair(self, first: Demonstration, second: Demonstration) -> None:
        """Overlay two takes."""
        self.take_overlay.show_pair(first, second)
        self.content.set_filled(True)
        self._stack.setCurrentWidget(self.take_overlay)

    def show_training(self, same: ArrayLike, different: ArrayLike) -> None:
        """Show the distances while the encoder is training."""
        self.content.set_filled(True)
        self.show_view(len(SIMILARITY_VIEWS) - 1)
        self.histogram.show_distances(np.asarray(same, np.float64), np.asarray(different, np.float64))
