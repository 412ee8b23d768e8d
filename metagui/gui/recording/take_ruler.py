"""Playhead and trim handles in the joint plot: lines that are dragged, and shade over what is trimmed away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent

from metagui.gui.widgets.plot import make_pen

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint

    from metagui.gui.theme.colours import Colours

TRIM_HINT = "Drag to trim the take; what is outside stays stored."
GRAB_DISTANCE_PX = 6
"""Distance up to which a press takes hold of a line, pixels."""
_SHADE_ALPHA = 170
_HANDLE_Z, _PLAYHEAD_Z, _SHADE_Z = 20, 15, 5


class TakeRuler(QObject):
    """The playhead and the two trim handles of the take on display."""

    trimmed = Signal(float, float)
    """Begin and end of the trim, s, after a handle was dragged and released."""
    scrubbed = Signal(float)
    """Time, s, to which the playhead was pressed or dragged."""

    def __init__(self, plot: pg.PlotWidget) -> None:
        super().__init__(plot)
        self._plot = plot
        self._is_scrubbing = False
        self.playhead = pg.InfiniteLine(angle=90, movable=False)
        self.handles = tuple(pg.InfiniteLine(angle=90, movable=True) for _ in range(2))
        self._shades = tuple(pg.LinearRegionItem(movable=False) for _ in range(2))
        self.duration = 0.0
        self.playhead.setZValue(_PLAYHEAD_Z)
        for shade in self._shades:
            shade.setZValue(_SHADE_Z)
            plot.addItem(shade, ignoreBounds=True)
        for handle, marker in zip(self.handles, ("|>", "<|"), strict=True):
            handle.setZValue(_HANDLE_Z)
            handle.setCursor(Qt.CursorShape.SizeHorCursor)
            handle.setToolTip(TRIM_HINT)
            handle.addMarker(marker, 0.0, 11)
            handle.addMarker(marker, 1.0, 11)
            handle.sigPositionChanged.connect(self._shade)
            handle.sigPositionChangeFinished.connect(self._on_released)
            plot.addItem(handle, ignoreBounds=True)
        plot.addItem(self.playhead, ignoreBounds=True)
        plot.viewport().installEventFilter(self)
        self.hide()

    def show_trim(self, begin: float, end: float, duration: float) -> None:
        """Show the handles at the ends of a trim, s, of a take of this duration."""
        self.duration = duration
        for handle, x in zip(self.handles, (begin, end), strict=True):
            handle.setBounds((None, None))
            handle.setValue(x)
            handle.setBounds((0.0, duration))
            handle.show()
        self._shade()

    def show_playhead(self, time: float | None) -> None:
        """Show the playhead at a time, s; None hides it."""
        self.playhead.setVisible(time is not None)
        if time is not None:
            self.playhead.setValue(time)

    def hide(self) -> None:
        """Hide everything, because no take is on display."""
        for item in (self.playhead, *self.handles, *self._shades):
            item.hide()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Move the playhead by presses and drags of the left button, except on a line that can be dragged."""
        if not isinstance(event, QMouseEvent) or not self.handles[0].isVisible():
            return False
        if event.type() == QEvent.Type.MouseButtonPress:
            self._is_scrubbing = self._can_scrub(event)
        elif event.type() == QEvent.Type.MouseButtonRelease and self._is_scrubbing:
            self._is_scrubbing = False
            return True
        elif event.type() != QEvent.Type.MouseMove:
            return False
        if self._is_scrubbing:
            self._plot.setFocus(Qt.FocusReason.MouseFocusReason)
            self.scrubbed.emit(self._time_at(event.position().toPoint()))
        return self._is_scrubbing

    def _can_scrub(self, event: QMouseEvent) -> bool:
        plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
        box, point = self._plot.plotItem.vb, event.position().toPoint()
        if not plain or not box.sceneBoundingRect().contains(self._plot.mapToScene(point)):
            return False
        low, high = box.viewRange()[0]
        near, time = GRAB_DISTANCE_PX * (high - low) / max(box.width(), 1.0), self._time_at(point)
        lines = [item for item in self._plot.plotItem.items if isinstance(item, pg.InfiniteLine)]
        return not any(line.movable and line.isVisible() and abs(line.value() - time) < near for line in lines)

    def _time_at(self, point: QPoint) -> float:
        """Return the time at a point of the plot's viewport, s."""
        return float(self._plot.plotItem.vb.mapSceneToView(self._plot.mapToScene(point)).x())

    def _shade(self) -> None:
        """Shade what is before the first handle and behind the second."""
        begin, end = sorted(float(handle.value()) for handle in self.handles)
        for shade, region in zip(self._shades, ((0.0, begin), (end, self.duration)), strict=True):
            shade.setRegion(region)
            shade.setVisible(region[1] - region[0] > 1e-6)

    def _on_released(self) -> None:
        begin, end = sorted(float(handle.value()) for handle in self.handles)
        self.trimmed.emit(begin, end)

    def recolour(self, colours: Colours) -> None:
        """Apply the colours of the theme."""
        self.playhead.setPen(make_pen(colours.danger, 2.0))
        shade = QColor(colours.panel)
        shade.setAlpha(_SHADE_ALPHA)
        for region in self._shades:
            region.setBrush(shade)
            for line in region.lines:
                line.setPen(pg.mkPen(None))
        for handle in self.handles:
            handle.setPen(make_pen(colours.text, 2.0))
            handle.setHoverPen(make_pen(colours.accent, 4.0))
