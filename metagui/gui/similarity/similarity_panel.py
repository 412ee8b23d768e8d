"""Which stored tasks look or act alike: a ranked list, a heat map, a map, the distances, and two takes overlaid."""

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
SIMILARITY_MEASURES = ("Looks", "Acts")
MEASURE_TOOLTIPS = (
    "Looks similar: how near the encoder puts the takes of two tasks",
    "Acts similar: how well the policy adapted to one task imitates the other's takes",
)
HEAT_MAP_HINTS = (
    "Dark is alike. Click a cell to see both demonstrations.",
    "Dark acts alike: the policy adapted to one task imitates the other's takes well.",
)
EMPTY_BAR_LOSS = 3.0
"""Imitation loss at which a bar is empty; unrelated tasks lie between 1.5 and 3."""
BEHAVIOUR_FOOTNOTE = "The distance is the imitation loss on the other's takes, beyond the loss on one's own."
ENCODER_UNTRAINED_TEXT = "Not trained yet: the encoder learns from your tasks which takes look alike."


class SimilarityPanel(Panel):
    """Four views of one comparison."""

    pair_chosen = Signal(str, str)
    """Two tasks whose demonstrations are to be overlaid."""
    measure_chosen = Signal(bool)
    """Whether what policies do is to be compared, rather than how takes look."""

    def __init__(self, theme: Theme, train: QAction) -> None:
        super().__init__("Similarity")
        self._task: str | None = None
        self._view_is_default = True
        """Whether nobody has chosen a view yet."""
        self.shows_behaviour = False
        """Whether the lens is what policies do."""
        self._measures = SegmentedControl("Lens of the comparison")
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
        """Look at the other kind of similarity; only two of the views know it."""
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
        """Turn to one of the views."""
        self._views.select(index)
        self._stack.setCurrentIndex(index)

    def show_empty(self, sentence: str) -> None:
        """Show why there is nothing to compare, or that it is on its way."""
        self.content.empty_state.set_sentence(sentence)
        self.content.set_filled(False)

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Draw all views but the ranked list."""
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
        """Rank the tasks that look like ``task``, where that is the lens."""
        if self.shows_behaviour:
            return
        if self._view_is_default and task != self._task:
            self.show_view(RANKED_VIEW if task else HEAT_MAP_VIEW)
        self._task = task
        self.embedding_map.show_task(task)
        sentence = f"Tasks that look like “{task}”, nearest first" if task else prompt or "Choose a task in the list."
        self.neighbour_list.show_neighbours(sentence, neighbours, footnote)

    def show_behaviour(self, comparison: BehaviourComparison, task: str | None) -> None:
        """Draw what policies do, where that is the lens."""
        if not self.shows_behaviour:
            return
        self.content.set_filled(len(comparison) > 0)
        self.heat_map.show_comparison(comparison)
        self._task = task
        ranked = comparison.rank_tasks(task) if task else []
        sentence = "Choose a task in the list to see which others act like it."
        if task:
            known = f"Tasks that act like “{task}”, nearest first"
            sentence = known if ranked else f"“{task}” was not compared yet; choose Acts again."
        self.neighbour_list.show_neighbours(sentence, ranked, BEHAVIOUR_FOOTNOTE if ranked else "", EMPTY_BAR_LOSS)
        self._show_hint("")

    def show_pair(self, first: Demonstration, second: Demonstration) -> None:
        """Overlay two takes."""
        self.take_overlay.show_pair(first, second)
        self.content.set_filled(True)
        self._stack.setCurrentWidget(self.take_overlay)

    def show_training(self, same: ArrayLike, different: ArrayLike) -> None:
        """Fill the strip while the encoder trains or embeds."""
        self.content.set_filled(True)
        self.show_view(len(SIMILARITY_VIEWS) - 1)
        self.histogram.show_distances(np.asarray(same, np.float64), np.asarray(different, np.float64))
