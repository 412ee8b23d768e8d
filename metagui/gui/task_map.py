"""Every take as a point on the two main axes of the embedding; axes are fixed, so that points never jump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg

from metagui.gui.comparison import Comparison, TakeKey
from metagui.gui.heat_map import elided
from metagui.gui.plots import SYMBOLS, Plot
from metagui.gui.theme import scaled_font

if TYPE_CHECKING:
    from metagui.gui.theme import Theme

HALF_WIDTH = 1.2


class TaskMap(Plot):
    """One symbol and colour a task, the newest take ringed."""

    def __init__(self, theme: Theme) -> None:
        self._scatter: pg.ScatterPlotItem | None = None
        self._labels: list[pg.TextItem] = []
        self._comparison, self._newest = Comparison(), None
        super().__init__(theme, "Map of all takes")
        self._scatter = pg.ScatterPlotItem(size=9)
        self.addItem(self._scatter)
        self.setAspectLocked(True)
        self.setXRange(-HALF_WIDTH, HALF_WIDTH, padding=0)
        self.setYRange(-HALF_WIDTH, HALF_WIDTH, padding=0)
        self.setMouseEnabled(x=False, y=False)
        self.label_axes("first principal axis", "second")

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Draw every take."""
        self._comparison, self._newest = comparison, newest
        self.recolour()

    def recolour(self) -> None:
        """Draw points and names in the theme's colours."""
        if self._scatter is None:
            return
        for label in self._labels:
            self.removeItem(label)
        comparison = self._comparison
        self._scatter.setData([self._spot(key, point) for key, point in zip(comparison.keys, comparison.plane, strict=True)])
        self._labels = [self._label(task) for task in comparison.tasks]

    def _spot(self, key: TakeKey, point: object) -> dict[str, object]:
        rank = self._comparison.tasks.index(key.task)
        series = self.theme.colours.series
        ring = pg.mkPen(self.theme.colours.text, width=2) if key == self._newest else None
        return {
            "pos": point,
            "symbol": SYMBOLS[rank % len(SYMBOLS)],
            "brush": pg.mkBrush(series[rank % len(series)]),
            "pen": ring,
            "size": 13 if ring else 9,
        }

    def _label(self, task: str) -> pg.TextItem:
        rows = [i for i, key in enumerate(self._comparison.keys) if key.task == task]
        x, y = self._comparison.plane[rows].mean(axis=0)
        out = pg.TextItem(elided(task), color=self.theme.colours.muted, anchor=(0.5, 1.4))
        out.setFont(scaled_font(0.8))
        out.setPos(x, y)
        self.addItem(out)
        return out
