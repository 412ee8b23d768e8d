"""Vertical line in the joint plot at the boundary of a segment; it can be dragged if the segment is editable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFontMetricsF

from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import make_pen

if TYPE_CHECKING:
    from metagui.gui.theme.colours import Colours

LABEL_HEADROOM_LANES = 0.45
"""Space above the lanes for the labels, in heights of a lane."""


class BoundaryLine(QObject):
    """One line with its label; it can be dragged if ``boundary``, the sample of a boundary, is given."""

    dropped = Signal(object)
    """The line itself, after it was dragged and released."""

    def __init__(
        self, plot: pg.PlotWidget, time: float, label: str, lane_count: int, boundary: int | None = None
    ) -> None:
        super().__init__(plot)
        self.time = time
        self.label = label
        self.boundary = boundary
        self._plot, self._movable = plot, boundary is not None
        self._line = pg.InfiniteLine(time, angle=90, movable=self._movable)
        self._label_item = pg.TextItem(label, anchor=(0, 0.5))
        self._label_item.setFont(scaled_font(0.85))
        self._label_item.setPos(time, lane_count + LABEL_HEADROOM_LANES / 2)
        self._line.sigPositionChanged.connect(self._move_label)
        if self._movable:
            self._line.setCursor(Qt.CursorShape.SizeHorCursor)
            self._line.setToolTip("Drag to move the boundary; double-click to remove it.")
            self._line.sigPositionChangeFinished.connect(self._on_released)
        for item in (self._line, self._label_item):
            plot.addItem(item, ignoreBounds=True)

    @property
    def x(self) -> float:
        """Position on the time axis, s."""
        return float(self._line.value())

    def move_to(self, x: float) -> None:
        """Move the line on the time axis, s."""
        self._line.setValue(x)

    def _move_label(self) -> None:
        self._label_item.setPos(self.x, self._label_item.pos().y())

    def _on_released(self) -> None:
        self.dropped.emit(self)

    def fit_label(self, width_px: float) -> None:
        """Elide the label to a width, pixels."""
        metrics = QFontMetricsF(scaled_font(0.85))
        shown = metrics.elidedText(self.label, Qt.TextElideMode.ElideRight, max(width_px - 10, 0.0))
        if self._label_item.toPlainText() != shown:
            self._label_item.setText(shown if len(shown) > 2 else "")

    def recolour(self, colours: Colours) -> None:
        """Apply the colours of the theme; a line that can be dragged is more prominent."""
        self._line.setPen(make_pen(colours.accent, 2.0, 0) if self._movable else make_pen(colours.muted, 1.0, 2))
        self._line.setHoverPen(make_pen(colours.accent, 4.0, 0))
        self._label_item.setColor(colours.accent if self._movable else colours.muted)

    def remove(self) -> None:
        """Remove the line from the plot."""
        self._line.sigPositionChanged.disconnect(self._move_label)
        self._plot.removeItem(self._line)
        self._plot.removeItem(self._label_item)
        self.deleteLater()
