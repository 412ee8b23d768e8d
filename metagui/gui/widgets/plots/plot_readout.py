"""Values of a plot at the pointer, in a bubble beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF

from metagui.gui.widgets.pointer_hint import PointerHint

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyqtgraph as pg


class PlotReadout(QObject):
    """Shows the text that ``describe`` returns for the point (x, y) under the pointer; an empty one hides it."""

    def __init__(self, plot: pg.PlotWidget, describe: Callable[[float, float], str]) -> None:
        super().__init__(plot)
        self._plot, self._describe = plot, describe
        self.bubble = PointerHint(plot)
        plot.scene().sigMouseMoved.connect(self._follow)
        plot.viewport().installEventFilter(self)

    def _follow(self, position: QPointF) -> None:
        box = self._plot.plotItem.vb
        text = ""
        if box.sceneBoundingRect().contains(position):
            point = box.mapSceneToView(position)
            text = self._describe(point.x(), point.y())
        if text:
            self.bubble.show_hint(text, QPointF(self._plot.mapFromScene(position)))
        else:
            self.bubble.hide()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Hide the values when the pointer leaves the plot or drags in it."""
        if event.type() in (QEvent.Type.Leave, QEvent.Type.MouseButtonPress):
            self.bubble.hide()
        return False


def describe_curves(item: pg.PlotItem, x: float, unit: str) -> str:
    """Return the values of all visible named curves at their points nearest to ``x``, one a line."""
    lines, at = [], float("nan")
    for curve in item.listDataItems():
        xs, ys = curve.getOriginalDataset()
        if not curve.name() or not curve.isVisible() or xs is None or not len(xs):
            continue
        nearest = int(np.argmin(np.abs(np.asarray(xs) - x)))
        at = float(xs[nearest]) if np.isnan(at) or abs(xs[nearest] - x) < abs(at - x) else at
        lines.append(f"{curve.name()}: {ys[nearest]:.3g}")
    return "\n".join([f"{unit} {at:.4g}".strip(), *lines]) if lines else ""
