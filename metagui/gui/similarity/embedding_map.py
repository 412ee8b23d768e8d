"""Map of all takes: their embeddings on the first two principal axes, on fixed axes so that points do not jump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QScrollArea, QWidget

from metagui.gui.similarity.comparison import Comparison
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.plot import PLOT_SYMBOLS, Plot

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from metagui.demonstrations.demonstration import TakeKey
    from metagui.gui.theme.theme import Theme

MAP_HALF_WIDTH = 1.1
"""Range of both axes, from its negative."""


class EmbeddingAxes(Plot):
    """Scatter plot with one symbol and colour per task; the newest take and the selected task have a ring."""

    def __init__(self, theme: Theme) -> None:
        self._scatter: pg.ScatterPlotItem | None = None
        self.comparison = Comparison()
        self.newest: TakeKey | None = None
        self.task: str | None = None
        super().__init__(theme, "Map of all takes")
        self._scatter = pg.ScatterPlotItem(size=9, hoverable=True, tip=_format_tooltip)
        self.addItem(self._scatter)
        self.setAspectLocked(True)
        self.setXRange(-MAP_HALF_WIDTH, MAP_HALF_WIDTH, padding=0)
        self.setYRange(-MAP_HALF_WIDTH, MAP_HALF_WIDTH, padding=0)
        self.setMouseEnabled(x=False, y=False)
        self.label_axes("first principal axis", "second")

    def recolour(self) -> None:
        """Draw all points in the theme's colours."""
        if self._scatter is not None:
            pairs = zip(self.comparison.keys, self.comparison.projection, strict=True)
            self._scatter.setData([self._make_point(key, point) for key, point in pairs])

    def _make_point(self, key: TakeKey, point: object) -> dict[str, object]:
        symbol, colour = choose_marker(self.comparison.tasks.index(key.task), self.theme)
        highlighted = key == self.newest or key.task == self.task
        return {
            "pos": point,
            "symbol": symbol,
            "brush": pg.mkBrush(colour),
            "pen": pg.mkPen(self.theme.colours.text, width=2) if highlighted else None,
            "size": 13 if highlighted else 9,
            "data": f"{key.task}, take {key.take}",
        }


def choose_marker(task_index: int, theme: Theme) -> tuple[str, str]:
    """Return symbol and colour of the task with an index."""
    series = theme.colours.series
    return PLOT_SYMBOLS[(task_index + task_index // len(PLOT_SYMBOLS)) % len(PLOT_SYMBOLS)], series[
        task_index % len(series)
    ]


def _format_tooltip(x: float, y: float, data: object) -> str:
    return str(data)


class SymbolSwatch(QWidget):
    """The symbol of a task in the legend."""

    def __init__(self, symbol: str, colour: str) -> None:
        super().__init__()
        self._symbol, self._colour = symbol, colour
        self.setFixedSize(QSize(14, 16))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the symbol."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(7, 8)
        drawSymbol(painter, self._symbol, 9, pg.mkPen(None), pg.mkBrush(QColor(self._colour)))


class EmbeddingMap(QWidget):
    """The scatter plot and its legend."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.axes = EmbeddingAxes(theme)
        self._names: tuple[str, ...] = ()
        self._legend = QScrollArea()
        self._legend.setWidgetResizable(True)
        self._legend.setAccessibleName("Tasks on the map")
        self._legend.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._legend.setMinimumWidth(150)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.axes, 3)
        row.addWidget(self._legend, 2)
        theme.changed.connect(self._build_legend)

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Show every take; the newest one gets a ring."""
        self.axes.comparison, self.axes.newest = comparison, newest
        self.axes.recolour()
        if tuple(comparison.tasks) != self._names:
            self._names = tuple(comparison.tasks)
            self._build_legend()

    def show_task(self, task: str | None) -> None:
        """Draw a ring around the takes of a task."""
        self.axes.task = task
        self.axes.recolour()

    def _build_legend(self) -> None:
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        for row, name in enumerate(self._names):
            label = ElidingLabel()
            label.set_full_text(name)
            grid.addWidget(SymbolSwatch(*choose_marker(row, self._theme)), row, 0)
            grid.addWidget(label, row, 1)
        grid.setRowStretch(len(self._names), 1)
        self._legend.setWidget(inside)
