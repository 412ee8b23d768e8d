"""Two histograms on one axis: distances within tasks and between tasks, with the margin and the newest take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from metagui.gui.similarity.comparison import MARGIN
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import Plot, pen

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

BINS = np.linspace(0.0, 2.0, 41)


def shares(distances: FloatArray) -> FloatArray:
    """Return the share of distances in every bin, relative to the fullest."""
    counts = np.histogram(distances, BINS)[0].astype(np.float64)
    return np.asarray(counts / max(counts.max(), 1.0))


class DistanceStrip(Plot):
    """Same-task distances upwards, different-task distances downwards, so that they overlap without hiding."""

    def __init__(self, theme: Theme) -> None:
        self._bars: tuple[pg.BarGraphItem, ...] = ()
        self._margin: pg.InfiniteLine | None = None
        self._newest: pg.InfiniteLine | None = None
        super().__init__(theme, "Distances between takes")
        width = BINS[1] - BINS[0]
        self._bars = tuple(pg.BarGraphItem(x0=BINS[:-1], width=width * 0.9, height=0 * BINS[:-1]) for _ in range(2))
        for bars in self._bars:
            self.addItem(bars)
        self._margin = self._line(f"margin {MARGIN:g}", MARGIN, 0.94)
        self._newest = self._line("newest take", 0.0, 0.8)
        self._newest.hide()
        self._words = [self._text("same task", 1.0), self._text("different tasks", -1.0)]
        self.setXRange(0.0, 2.0, padding=0.01)
        self.setYRange(-1.12, 1.12, padding=0)
        self.hideAxis("left")
        self.setMouseEnabled(x=False, y=False)
        self.label_axes("distance", "")
        self.recolour()

    def _line(self, words: str, at: float, height: float) -> pg.InfiniteLine:
        out = pg.InfiniteLine(at, angle=90, movable=False, label=words, labelOpts={"position": height})
        out.label.setFont(scaled_font(0.82))
        self.addItem(out)
        return out

    def _text(self, words: str, height: float) -> pg.TextItem:
        out = pg.TextItem(words, anchor=(1, 0 if height > 0 else 1))
        out.setFont(scaled_font(0.88, bold=True))
        out.setPos(2.0, height)
        self.addItem(out)
        return out

    def show_distances(self, same: FloatArray, different: FloatArray) -> None:
        """Draw both histograms."""
        self._bars[0].setOpts(height=shares(same))
        self._bars[1].setOpts(height=-shares(different))

    def show_newest(self, distance: float | None) -> None:
        """Mark how far the newest take is from the others of its task."""
        if self._newest is not None:
            self._newest.setVisible(distance is not None)
            self._newest.setPos(distance or 0.0)

    def recolour(self) -> None:
        """Give bars and lines the theme's colours."""
        colours = self.theme.colours
        for bars, colour in zip(self._bars, colours.series, strict=False):
            bars.setOpts(brush=QColor(colour), pen=None)
        if self._margin is None or self._newest is None:
            return
        for line, colour, dash in ((self._margin, colours.muted, 1), (self._newest, colours.text, 0)):
            line.setPen(pen(colour, 1.0, dash))
            line.label.setColor(colour)
        for text, colour in zip(self._words, colours.series, strict=False):
            text.setColor(colour)
