"""Plot widget in the theme's colours, for all panels: pyqtgraph ignores Qt's palette, so it is recoloured here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plots.plot_readout import PlotReadout, describe_curves
from metagui.gui.widgets.plots.plot_tools import PlotTools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QPaintEvent

    from metagui.gui.theme.theme import Theme
    from metagui.gui.widgets.plots.plot_export import PlotTable

LINE_STYLES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
    Qt.PenStyle.DashDotDotLine,
)
PLOT_SYMBOLS = ("o", "s", "t", "d", "+", "x", "star", "p", "h", "t1")


class LogAxis(pg.AxisItem):  # type: ignore[misc]
    """A logarithmic axis with few round ticks (0.1, 0.2, 0.5, 1 …), and finer ones for narrow ranges."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Return the ticks as logarithms to base 10, at most one per 22 pixels of ``size``."""
        max_count = max(size / 22, 2)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            inside = _ticks(low, high, digits)
            if len(inside) <= max_count:
                break
        if len(inside) < 2:
            finer = (_ticks(low, high, [d / parts for d in range(parts, 10 * parts)]) for parts in (1, 10))
            inside = next((ticks for ticks in finer if 2 <= len(ticks) <= max_count), inside)
        return [(1.0, inside)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the tick labels: the numbers, not their logarithms."""
        return [f"{10**value:.3g}" for value in values]


def _ticks(low: float, high: float, digits: Iterable[float]) -> list[float]:
    """Return log10 of every number ``digit`` x 10^n from 10^``low`` to 10^``high``."""
    tens = range(math.floor(low), math.ceil(high) + 1)
    return [tick for t in tens for d in digits if low <= (tick := t + math.log10(d)) <= high]


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot that follows the theme; subclasses recolour their curves in ``recolour``.

    It shows values at the pointer, can be zoomed, fitted and saved; ``own_fit`` says that its panel has a button for
    that.
    """

    def __init__(
        self,
        theme: Theme,
        name: str,
        log: bool = False,
        axes: dict[str, pg.AxisItem] | None = None,
        own_fit: bool = False,
    ) -> None:
        super().__init__(axisItems={"left": LogAxis("left")} if log else axes, enableMenu=False)
        self.theme = theme
        self._labels: dict[str, str] = {}
        self.setAccessibleName(name)
        self.tools = PlotTools(self, self.fit, self.make_table, own_fit)
        self.readout = PlotReadout(self, self.describe_values)
        self.hideButtons()
        self.setFrameShape(self.Shape.NoFrame)
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)  # show plain numbers, not multiples of 1000
            self.getAxis(side).setStyle(tickFont=scaled_font(0.88), tickLength=-4, autoExpandTextSpace=True)
        theme.changed.connect(self._recolour_all)
        self._recolour_all()

    def _recolour_all(self) -> None:
        colours = self.theme.colours
        self.setBackground(colours.panel)
        for side in ("left", "bottom", "right"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(colours.border))
            axis.setTextPen(pg.mkPen(colours.muted))
        self.label_axes(**self._labels) if self._labels else None
        self.recolour()

    def recolour(self) -> None:
        """Apply the theme's colours to all items; overridden by subclasses."""

    # What subclasses may change

    def fit(self) -> None:
        """Show the whole plot."""
        self.enableAutoRange()

    def make_table(self) -> PlotTable | None:
        """Return the numbers behind the plot, to be saved; None saves the points of the curves as they are drawn."""
        return None

    def describe_values(self, x: float, y: float) -> str:
        """Return the values at a point of the plot: those of all named curves at ``x``."""
        return describe_curves(self.plotItem, x, self._labels.get("bottom", ""))

    # Mouse and keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom, or show the whole plot."""
        if not self.tools.press_key(event.key()):
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu of the plot by its key; a click of the right button does so when it ends without a drag."""
        if event.reason() == event.Reason.Keyboard:
            self.tools.open_menu(self.mapToGlobal(self.rect().center()))
        event.accept()

    def label_axes(self, bottom: str, left: str) -> None:
        """Label the two axes; an empty text leaves an axis without a label."""
        style = {"color": self.theme.colours.muted, "font-size": f"{scaled_font(0.9).pointSizeF():.1f}pt"}
        self._labels = {"bottom": bottom, "left": left}
        for side, text in self._labels.items():
            if text:
                self.setLabel(side, text, **style)


def make_pen(colour: str, width: float = 1.0, dash: int = 0, opacity: float = 1.0) -> QPen:
    """Return a pen; a width of 1 px draws several times faster than any other."""
    shade = QColor(colour)
    shade.setAlphaF(opacity)
    out: QPen = pg.mkPen(shade, width=width, style=LINE_STYLES[dash % len(LINE_STYLES)])
    return out


def add_curve(plot: pg.PlotWidget, **options: Any) -> pg.PlotDataItem:
    """Add an empty curve that draws only the visible range."""
    out = plot.plot([], [], antialias=True, **options)
    out.setClipToView(True)
    out.setDownsampling(auto=True, method="peak")
    return out


class LineSwatch(QWidget):
    """A short line for a legend, drawn with the pen of its curve."""

    def __init__(self, pen: QPen) -> None:
        super().__init__()
        self.pen = pen
        self.setFixedSize(QSize(24, 12))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.pen)
        painter.drawLine(1, 6, 23, 6)
