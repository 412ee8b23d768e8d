"""A line through all lanes of the joint traces where a click, or a part of a take, begins or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFontMetricsF

from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import pen

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Colours

HEAD = 0.45
"""Room above the lanes for what was clicked, in lanes."""


class Cut(QObject):
    """One line with its words above; a person may drag it if it stands for the ``edge`` of a segment, a sample."""

    dropped = Signal(object)
    """Itself: it was dragged and let go."""

    def __init__(self, plot: pg.PlotWidget, began: float, words: str, lanes: int, edge: int | None = None) -> None:
        super().__init__(plot)
        self.began = began
        self.words = words
        self.edge = edge
        self._plot, self._movable = plot, edge is not None
        self._line = pg.InfiniteLine(began, angle=90, movable=self._movable)
        self._words = pg.TextItem(words, anchor=(0, 0.5))
        self._words.setFont(scaled_font(0.85))
        self._words.setPos(began, lanes + HEAD / 2)
        self._line.sigPositionChanged.connect(self._follow)
        if self._movable:
            self._line.setCursor(Qt.CursorShape.SizeHorCursor)
            self._line.setToolTip("Drag to cut the take elsewhere; double-click to remove the cut.")
            self._line.sigPositionChangeFinished.connect(self._drop)
        for item in (self._line, self._words):
            plot.addItem(item, ignoreBounds=True)

    @property
    def x(self) -> float:
        """Where it is on the time axis."""
        return float(self._line.value())

    def move(self, x: float) -> None:
        """Put it elsewhere on the time axis."""
        self._line.setValue(x)

    def _follow(self) -> None:
        self._words.setPos(self.x, self._words.pos().y())

    def _drop(self) -> None:
        self.dropped.emit(self)

    def fit(self, room: float) -> None:
        """Shorten the words to the room there is, pixels."""
        metrics = QFontMetricsF(scaled_font(0.85))
        shown = metrics.elidedText(self.words, Qt.TextElideMode.ElideRight, max(room - 10, 0.0))
        if self._words.toPlainText() != shown:
            self._words.setText(shown if len(shown) > 2 else "")

    def recolour(self, colours: Colours) -> None:
        """Give it the theme's colours; what can be dragged stands out."""
        self._line.setPen(pen(colours.accent, 2.0, 0) if self._movable else pen(colours.muted, 1.0, 2))
        self._line.setHoverPen(pen(colours.accent, 4.0, 0))
        self._words.setColor(colours.accent if self._movable else colours.muted)

    def remove(self) -> None:
        """Take it off the plot."""
        self._line.sigPositionChanged.disconnect(self._follow)
        self._plot.removeItem(self._line)
        self._plot.removeItem(self._words)
        self.deleteLater()
