"""Histograms of the distances within and between tasks, with the margin of the loss and the newest take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from metagui.gui.similarity.comparison import TASK_DISTANCE_MARGIN
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import Plot, make_pen
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

DISTANCE_BINS = np.linspace(0.0, 2.0, 41)


def compute_bin_fractions(distances: FloatArray) -> FloatArray:
    """Return the number of distances in every bin, (40,), as fractions of the fullest bin."""
    counts = np.histogram(distances, DISTANCE_BINS)[0].astype(np.float64)
    return np.asarray(counts / max(counts.max(), 1.0))


class DistanceHistogram(Plot):
    """Same-task distances drawn upwards and different-task distances downwards, so that neither hides the other."""

    def __init__(self, theme: Theme) -> None:
        self._bars: tuple[pg.BarGraphItem, ...] = ()
        self._margin_line: pg.InfiniteLine | None = None
        self._newest_line: pg.InfiniteLine | None = None
        self._counts = np.zeros((2, len(DISTANCE_BINS) - 1), dtype=int)
        """Numbers of pairs of takes in every bin: of the same task, and of different ones."""
        super().__init__(theme, "Distances between takes")
        width = DISTANCE_BINS[1] - DISTANCE_BINS[0]
        self._bars = tuple(
            pg.BarGraphItem(x0=DISTANCE_BINS[:-1], width=width * 0.9, height=0 * DISTANCE_BINS[:-1]) for _ in range(2)
        )
        for bars in self._bars:
            self.addItem(bars)
        self._margin_line = self._add_line(f"margin {TASK_DISTANCE_MARGIN:g}", TASK_DISTANCE_MARGIN, 0.94)
        self._newest_line = self._add_line("newest take", 0.0, 0.8)
        self._newest_line.hide()
        self._group_labels = [self._add_text("same task", 2.0, 1.0), self._add_text("different tasks", 0.0, -1.0)]
        self.fit()
        self.hideAxis("left")
        self.setMouseEnabled(x=True, y=False)
        self.setLimits(xMin=-0.1, xMax=2.1)
        self.label_axes("distance", "")
        self.recolour()

    def _add_line(self, label: str, distance: float, height: float) -> pg.InfiniteLine:
        out = pg.InfiniteLine(distance, angle=90, movable=False, label=label, labelOpts={"position": height})
        out.label.setFont(scaled_font(0.82))
        self.addItem(out)
        return out

    def _add_text(self, text: str, x: float, y: float) -> pg.TextItem:
        """Add a text in the corner at (x, y), opposite to where its bars usually are."""
        out = pg.TextItem(text, anchor=(int(x > 0), int(y < 0)))
        out.setFont(scaled_font(0.88, bold=True))
        out.setPos(x, y)
        self.addItem(out)
        return out

    def show_distances(self, same: FloatArray, different: FloatArray) -> None:
        """Draw both histograms."""
        self._counts = np.array([np.histogram(each, DISTANCE_BINS)[0] for each in (same, different)])
        self._bars[0].setOpts(height=compute_bin_fractions(same))
        self._bars[1].setOpts(height=-compute_bin_fractions(different))

    def fit(self) -> None:
        """Show all distances."""
        self.setXRange(0.0, 2.0, padding=0.01)
        self.setYRange(-1.12, 1.12, padding=0)

    def make_table(self) -> PlotTable:
        """Return the numbers of pairs in every bin."""
        edges = DISTANCE_BINS.round(5).tolist()
        rows = list(zip(edges[:-1], edges[1:], *self._counts.tolist(), strict=True))
        return PlotTable(("distance from", "to", "pairs of the same task", "pairs of different tasks"), rows)

    def describe_values(self, x: float, y: float) -> str:
        """Return how many pairs of takes are as far apart as the point under the pointer."""
        index = int(np.searchsorted(DISTANCE_BINS, x, "right")) - 1
        if not 0 <= index < self._counts.shape[1]:
            return ""
        same, different = self._counts[:, index]
        where = f"distance {DISTANCE_BINS[index]:.2f} to {DISTANCE_BINS[index + 1]:.2f}"
        return f"{where}\nsame task: {same} pairs\ndifferent tasks: {different} pairs"

    def show_newest(self, distance: float | None) -> None:
        """Mark the mean distance of the newest take to the others of its task; None hides the mark."""
        if self._newest_line is not None:
            self._newest_line.setVisible(distance is not None)
            self._newest_line.setPos(distance or 0.0)

    def recolour(self) -> None:
        """Apply the theme's colours to bars, lines and labels."""
        colours = self.theme.colours
        for bars, colour in zip(self._bars, colours.series, strict=False):
            bars.setOpts(brush=QColor(colour), pen=None)
        if self._margin_line is None or self._newest_line is None:
            return
        for line, colour, dash in ((self._margin_line, colours.muted, 1), (self._newest_line, colours.text, 0)):
            line.setPen(make_pen(colour, 1.0, dash))
            line.label.setColor(colour)
        for text, colour in zip(self._group_labels, colours.series, strict=False):
            text.setColor(colour)
