"""Which stored tasks look or act alike: a ranked list, a heat map, a map, the distances, and two takes overlaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from metagui.gui.similarity.distance_histogram import DistanceStrip
from metagui.gui.similarity.embedding_map import TaskMap
from metagui.gui.similarity.heat_map import HeatMap
from metagui.gui.similarity.neighbour_list import NeighbourList, Ranked
from metagui.gui.similarity.take_overlay import Overlay
from metagui.gui.widgets.panel import EmptyState, Filled, Panel, Segments, muted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from PySide6.QtGui import QAction

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.similarity.comparison import Acts, Comparison, TakeKey
    from metagui.gui.theme.theme import Theme

VIEWS = ("Ranked", "Heat map", "Map", "Distances")
RANKED, HEAT_MAP = 0, 1
LENSES = ("Looks", "Acts")
LENS_TOOLTIPS = (
    "Looks similar: how near the encoder puts the takes of two tasks",
    "Acts similar: how well the policy adapted to one task imitates the other's takes",
)
HINTS = (
    "Dark is alike. Click a cell to see both demonstrations.",
    "Dark acts alike: the policy adapted to one task imitates the other's takes well.",
)
FARTHEST_ACT = 3.0
"""Imitation loss at which a bar is empty; unrelated tasks lie between 1.5 and 3."""
FOOTNOTE = "The distance is the imitation loss on the other's takes, beyond the loss on one's own."
NOT_TRAINED = "Not trained yet: the encoder learns from your tasks which takes look alike."


class SimilarityPanel(Panel):
    """Four views of one comparison."""

    pair_chosen = Signal(str, str)
    """Two tasks whose demonstrations are to be overlaid."""
    lens_chosen = Signal(bool)
    """Whether what policies do is to be compared, rather than how takes look."""

    def __init__(self, theme: Theme, train: QAction) -> None:
        super().__init__("Similarity")
        self._task: str | None = None
        self._untouched = True
        """Whether nobody has chosen a view yet."""
        self.acting = False
        """Whether the lens is what policies do."""
        self._lens = Segments("Lens of the comparison")
        self._lens.set_labels(LENSES, LENS_TOOLTIPS)
        self._views = Segments("View of the comparison", VIEWS)
        self.neighbours = NeighbourList(theme)
        self.heat_map = HeatMap(theme)
        self.map = TaskMap(theme)
        self.strip = DistanceStrip(theme)
        self.overlay = Overlay(theme)
        self._hint = muted(" ")
        self._pile = QStackedWidget()
        for view in (self.neighbours, self._with_hint(), self.map, self.strip, self.overlay):
            self._pile.addWidget(view)
        self.place = Filled(self._pile, EmptyState(theme, "compare", NOT_TRAINED, train))
        self.body.addWidget(self.place)
        self.header.addWidget(self._lens)
        self.header.addWidget(self._views)
        self._connect()
        self.show_view(HEAT_MAP)

    def _with_hint(self) -> QWidget:
        out = QWidget()
        layout = QVBoxLayout(out)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heat_map, 1)
        layout.addWidget(self._hint)
        return out

    def _connect(self) -> None:
        self._views.chosen.connect(self._choose_view)
        self._lens.chosen.connect(self._choose_lens)
        self.heat_map.hovered.connect(self._say)
        self.heat_map.chosen.connect(self.pair_chosen)
        self.neighbours.chosen.connect(self._choose_neighbour)
        self.overlay.back.connect(self._back)

    def _choose_view(self, index: int) -> None:
        self._untouched = False
        self._pile.setCurrentIndex(index)

    def _choose_lens(self, index: int) -> None:
        """Look at the other kind of similarity; only two of the views know it."""
        self.acting = bool(index)
        for view in (2, 3):
            self._views.enable(view, not self.acting)
        if self.acting and self._views.current > HEAT_MAP:
            self.show_view(HEAT_MAP)
        self.lens_chosen.emit(self.acting)

    def _say(self, words: str) -> None:
        self._hint.setText(words or HINTS[self.acting])

    def _choose_neighbour(self, task: str) -> None:
        if self._task is not None:
            self.pair_chosen.emit(self._task, task)

    def _back(self) -> None:
        self._pile.setCurrentIndex(max(self._views.current, 0))

    def show_view(self, index: int) -> None:
        """Turn to one of the views."""
        self._views.choose(index)
        self._pile.setCurrentIndex(index)

    def explain(self, sentence: str) -> None:
        """Show why there is nothing to compare, or that it is on its way."""
        self.place.empty.say(sentence)
        self.place.fill(False)

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Draw all views but the ranked list."""
        if not self.acting:
            self.place.fill(len(comparison.tasks) > 1)
            self.heat_map.show_comparison(comparison)
        self.map.show_comparison(comparison, newest)
        self.strip.show_distances(comparison.same_task, comparison.different_task)
        self.strip.show_newest(comparison.to_siblings(newest) if newest else None)
        self._say("")

    def show_neighbours(
        self, task: str | None, neighbours: Sequence[Ranked], footnote: str = "", prompt: str = ""
    ) -> None:
        """Rank the tasks that look like ``task``, where that is the lens."""
        if self.acting:
            return
        if self._untouched and task != self._task:
            self.show_view(RANKED if task else HEAT_MAP)
        self._task = task
        self.map.show_task(task)
        sentence = f"Tasks that look like “{task}”, nearest first" if task else prompt or "Choose a task in the list."
        self.neighbours.show_neighbours(sentence, neighbours, footnote)

    def show_acts(self, acts: Acts, task: str | None) -> None:
        """Draw what policies do, where that is the lens."""
        if not self.acting:
            return
        self.place.fill(len(acts) > 0)
        self.heat_map.show_comparison(acts)
        self._task = task
        ranked = acts.ranked(task) if task else []
        sentence = "Choose a task in the list to see which others act like it."
        if task:
            known = f"Tasks that act like “{task}”, nearest first"
            sentence = known if ranked else f"“{task}” was not compared yet; choose Acts again."
        self.neighbours.show_neighbours(sentence, ranked, FOOTNOTE if ranked else "", FARTHEST_ACT)
        self._say("")

    def show_pair(self, first: Demonstration, second: Demonstration) -> None:
        """Overlay two takes."""
        self.overlay.show_pair(first, second)
        self.place.fill(True)
        self._pile.setCurrentWidget(self.overlay)

    def show_training(self, same: ArrayLike, different: ArrayLike) -> None:
        """Fill the strip while the encoder trains or embeds."""
        self.place.fill(True)
        self.show_view(len(VIEWS) - 1)
        self.strip.show_distances(np.asarray(same, np.float64), np.asarray(different, np.float64))
