"""Map of all takes: their embeddings on the first two principal axes, on axes that new takes do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QWidget

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import Comparison
from metagui.gui.widgets.announcement import announce
from metagui.gui.widgets.plot import PLOT_SYMBOLS, Plot
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

_DIRECTIONS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Down: (0, -1), Qt.Key.Key_Up: (0, 1),
}  # fmt: skip
POINT_SIZE_PX, MARKED_SIZE_PX, LIVE_SIZE_PX, LEGEND_ICON_PX = 9, 13, 18, 16


class EmbeddingAxes(Plot):
    """Scatter plot with one symbol and colour per task; the newest take and the marked tasks have a ring."""

    take_chosen = Signal(object)
    """TakeKey of a point that was clicked."""

    def __init__(self, theme: Theme) -> None:
        self._scatter: pg.ScatterPlotItem | None = None
        self._live: pg.ScatterPlotItem | None = None
        self.comparison = Comparison()
        self.newest: TakeKey | None = None
        self.marked_tasks: tuple[str | None, ...] = ()
        self.cursor_take: TakeKey | None = None
        """Take that the arrow keys have reached."""
        super().__init__(theme, "Map of all takes")
        self._scatter = pg.ScatterPlotItem(hoverable=True, tip=_format_tooltip)
        self._live = pg.ScatterPlotItem(size=LIVE_SIZE_PX, symbol="star")
        self.addItem(self._scatter)
        self.addItem(self._live)
        self._scatter.sigClicked.connect(self._on_clicked)
        self.setAspectLocked(True)
        self.label_axes("first principal axis", "second")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.recolour()

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Draw all takes; the axes stay where they are if all takes are inside."""
        self.comparison, self.newest = comparison, newest
        half = comparison.map_axes.half_width
        self.setLimits(xMin=-2 * half, xMax=2 * half, yMin=-2 * half, yMax=2 * half)
        self.tools.fit()
        self.recolour()

    def fit(self) -> None:
        """Show all takes."""
        half = self.comparison.map_axes.half_width
        self.setRange(xRange=(-half, half), yRange=(-half, half), padding=0)

    def make_table(self) -> PlotTable:
        """Return the takes with their coordinates."""
        points = self.comparison.projection.round(5).tolist()
        rows = [(key.task, key.take, *point) for key, point in zip(self.comparison.keys, points, strict=True)]
        return PlotTable(("task", "take", "first principal axis", "second"), rows)

    def describe_values(self, x: float, y: float) -> str:
        """Return nothing: every point has a tooltip."""
        return ""

    def show_live(self, point: FloatArray | None) -> None:
        """Mark the position (2,) of the take being recorded; None hides the mark."""
        if self._live is not None:
            self._live.setData(pos=np.zeros((0, 2)) if point is None else point[None])

    def recolour(self) -> None:
        """Draw all points in the theme's colours."""
        colours, comparison = self.theme.colours, self.comparison
        if self._scatter is None or self._live is None:
            return
        self._live.setBrush(QColor(colours.accent))
        self._live.setPen(pg.mkPen(colours.panel, width=1))
        markers = {task: choose_marker(index, self.theme) for index, task in enumerate(comparison.tasks)}
        brushes = {colour: pg.mkBrush(colour) for _, colour in markers.values()}
        ring, none = pg.mkPen(colours.text, width=2), pg.mkPen(None)
        rings = (self.newest, self.cursor_take)
        marked = [key in rings or key.task in self.marked_tasks for key in comparison.keys]
        self._scatter.setData(
            pos=comparison.projection,
            symbol=[markers[key.task][0] for key in comparison.keys],
            brush=[brushes[markers[key.task][1]] for key in comparison.keys],
            pen=[ring if each else none for each in marked],
            size=[MARKED_SIZE_PX if each else POINT_SIZE_PX for each in marked],
            data=list(comparison.keys),
        )

    # Keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next take in the direction of an arrow key, select it by Return."""
        key = Qt.Key(event.key())
        if key in _DIRECTIONS and self.comparison.keys:
            self._move_cursor(_DIRECTIONS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.cursor_take in self.comparison.keys:
            self.take_chosen.emit(self.cursor_take)
        else:
            super().keyPressEvent(event)

    def _move_cursor(self, direction: tuple[int, int]) -> None:
        """Move the cursor to the nearest take in a direction; without a cursor, begin at the newest take."""
        keys, points = list(self.comparison.keys), self.comparison.projection
        if self.cursor_take in keys:
            found = find_next_point(points, keys.index(self.cursor_take), direction)
        else:
            found = keys.index(self.newest) if self.newest in keys else 0
        self.cursor_take = keys[found]
        self.recolour()
        text = f"{self.cursor_take.task}, take {self.cursor_take.take}. Return selects it."
        self.setAccessibleDescription(text)
        self.setToolTip(text)
        announce(self, text)

    def _on_clicked(self, _scatter: object, points: object, _event: object) -> None:
        found = list(points)  # type: ignore[call-overload]
        if found:
            self.take_chosen.emit(TakeKey(*found[0].data()))


def find_next_point(points: FloatArray, start: int, direction: tuple[int, int]) -> int:
    """Return the index of the point (N, 2) next to ``start`` in a direction; ``start`` itself if there is none.

    A point counts as being there within 45 degrees; of those, the nearest is chosen.
    """
    away = points - points[start]
    along, across = away @ np.array(direction), np.abs(away @ np.array((-direction[1], direction[0])))
    candidates = np.flatnonzero((along > 0) & (across <= along + 1e-9))
    return start if not len(candidates) else int(candidates[np.argmin((along + across)[candidates])])


def choose_marker(task_index: int, theme: Theme) -> tuple[str, str]:
    """Return symbol and colour of the task with an index."""
    series = theme.colours.series
    return PLOT_SYMBOLS[(task_index + task_index // len(PLOT_SYMBOLS)) % len(PLOT_SYMBOLS)], series[
        task_index % len(series)
    ]


def _format_tooltip(x: float, y: float, data: object) -> str:
    task, take = TakeKey(*data)  # type: ignore[misc]
    return f"{task}, take {take}. Click to select it."


def make_symbol_icon(symbol: str, colour: str, ratio: float) -> QIcon:
    """Return the symbol of a task as an icon for the legend."""
    pixmap = QPixmap(QSize(LEGEND_ICON_PX, LEGEND_ICON_PX) * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(LEGEND_ICON_PX / 2, LEGEND_ICON_PX / 2)
    drawSymbol(painter, symbol, POINT_SIZE_PX, pg.mkPen(None), pg.mkBrush(QColor(colour)))
    painter.end()
    return QIcon(pixmap)


class EmbeddingMap(QWidget):
    """The scatter plot and its legend."""

    take_chosen = Signal(object)
    """TakeKey of a point that was clicked."""
    task_chosen = Signal(str)
    """Name of a task that was clicked in the legend, or on which Return was pressed."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.axes = EmbeddingAxes(theme)
        self.legend = QListWidget()
        self.legend.setAccessibleName("Tasks on the map")
        self.legend.setIconSize(QSize(LEGEND_ICON_PX, LEGEND_ICON_PX))
        self.legend.setUniformItemSizes(True)
        self.legend.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.legend.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.legend.setMinimumWidth(150)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.axes, 3)
        row.addWidget(self.legend, 2)
        self.axes.take_chosen.connect(self.take_chosen)
        self.legend.itemClicked.connect(self._on_item_chosen)
        self.legend.itemActivated.connect(self._on_item_chosen)
        theme.changed.connect(self._build_legend)

    def show_comparison(self, comparison: Comparison, newest: TakeKey | None) -> None:
        """Show every take; the newest one gets a ring."""
        is_other = comparison.tasks != self.axes.comparison.tasks
        self.axes.show_comparison(comparison, newest)
        if is_other:
            self._build_legend()

    def mark_tasks(self, *tasks: str | None) -> None:
        """Draw rings around the takes of tasks; the first one is the current one of the legend."""
        self.axes.marked_tasks = tasks
        self.axes.recolour()
        names = self.axes.comparison.tasks
        self.legend.setCurrentRow(names.index(tasks[0]) if tasks and tasks[0] in names else -1)

    def _on_item_chosen(self, item: QListWidgetItem) -> None:
        self.task_chosen.emit(item.text())

    def _build_legend(self) -> None:
        self.legend.clear()
        icons: dict[tuple[str, str], QIcon] = {}
        for index, name in enumerate(self.axes.comparison.tasks):
            marker = choose_marker(index, self._theme)
            icon = icons.setdefault(marker, make_symbol_icon(*marker, self.devicePixelRatioF()))
            item = QListWidgetItem(icon, name)
            item.setToolTip(name)
            self.legend.addItem(item)
