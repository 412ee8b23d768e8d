"""Heat map of the distances between all tasks, with zoom and a cursor for the keyboard."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal

from metagui.gui.similarity.comparison import Comparison
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.announcement import announce
from metagui.gui.widgets.plot import Plot, make_pen
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QKeyEvent

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

MAX_NAME_LENGTH = 22
"""Characters of a task's name that fit next to the axis."""
MIN_LABEL_DISTANCE_PX = 15
"""Minimum distance of two labels of an axis; where tasks are closer, every second, fifth, tenth … has a label."""
MIN_VISIBLE_TASKS = 3
"""Number of tasks that remain visible at the largest zoom."""
ZOOM_FACTOR = 1.5
COLOUR_MAP = "cividis"
"""A colour map that colour-blind users and greyscale prints preserve."""
_MOVES = {
    Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0), Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1),
}  # fmt: skip


def elide_name(name: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a name, shortened to ``max_length`` characters."""
    return name if len(name) <= max_length else f"{name[: max_length - 1]}…"


def choose_label_step(pixels_per_task: float) -> int:
    """Return the distance of labels in tasks: 1, 2, 5, 10, 20 …, so that they do not overlap."""
    needed = MIN_LABEL_DISTANCE_PX / max(pixels_per_task, 1e-6)
    if needed <= 1.0:
        return 1
    power = 10 ** math.floor(math.log10(needed))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= needed))


class TaskMatrix(Protocol):
    """Distances between tasks: a ``Comparison`` or a ``BehaviourComparison``."""

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks."""

    @property
    def task_matrix(self) -> FloatArray:
        """Distances between tasks, (t, t)."""

    def __len__(self) -> int:
        """Return 0 if nothing was compared."""


class TaskAxis(pg.AxisItem):  # type: ignore[misc]
    """Axis with the tasks' numbers, and at the left their names; fewer of them where they are close together."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.names: Sequence[str] = ()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Return the centres of the labelled cells."""
        step = choose_label_step(size / max(high - low, 1e-6))
        first, last = max(math.floor(low), 0), min(math.ceil(high), len(self.names))
        centres = [index + 0.5 for index in range(first, last) if index % step == 0 and low <= index + 0.5 <= high]
        return [(float(step), centres)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the labels of cells."""
        indices = [int(value) for value in values]
        if self.orientation == "bottom":
            return [str(index + 1) for index in indices]
        return [f"{elide_name(self.names[index])}  {index + 1}" for index in indices]


def find_colour_levels(comparison: TaskMatrix) -> tuple[float, float]:
    """Return the distances at the two ends of the colour map."""
    matrix = comparison.task_matrix
    low, high = float(matrix.min()), float(matrix.max())
    return low, max(high, low + 0.1)


class HeatMap(Plot):
    """Matrix of distances; dark cells are similar tasks."""

    pair_chosen = Signal(str, str)
    """Names of the two tasks of a cell that was clicked, or on which Return was pressed."""
    cell_described = Signal(str)
    """Description of the cell under the pointer or the cursor; empty without one."""
    zoom_changed = Signal(bool)
    """True if not all cells are visible."""

    def __init__(self, theme: Theme) -> None:
        self._cursor_frame: pg.PlotCurveItem | None = None
        axes = {side: TaskAxis(side) for side in ("left", "bottom")}
        super().__init__(theme, "Heat map of distances between tasks", axes=axes, own_fit=True)
        self._task_axes = tuple(axes.values())
        self._comparison: TaskMatrix = Comparison()
        self._image = pg.ImageItem()
        self._image.setColorMap(pg.colormap.get(COLOUR_MAP))
        self.addItem(self._image)
        self._cursor: tuple[int, int] | None = None
        self._cursor_frame = pg.PlotCurveItem()
        self.addItem(self._cursor_frame)
        self.invertY(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        for axis in self._task_axes:
            axis.setStyle(tickFont=scaled_font(0.82), tickLength=0)
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.scene().sigMouseMoved.connect(self._on_hovered)
        self.plotItem.vb.sigRangeChanged.connect(self._on_range_changed)
        self.recolour()

    # Content

    def show_comparison(self, comparison: TaskMatrix) -> None:
        """Draw the matrix; the zoom stays if the tasks are the same."""
        is_other = list(comparison.tasks) != list(self._comparison.tasks)
        self._comparison = comparison
        count = len(comparison.tasks)
        if not count:
            return
        self._image.setImage(comparison.task_matrix.T, levels=find_colour_levels(comparison), autoDownsample=True)
        if is_other:
            for axis in self._task_axes:
                axis.names = comparison.tasks
            nearest = min(MIN_VISIBLE_TASKS, count)
            self.setLimits(
                xMin=0, xMax=count, yMin=0, yMax=count, minXRange=nearest, minYRange=nearest, maxXRange=count,
                maxYRange=count,
            )  # fmt: skip
            self._move_cursor(None)
            self.fit()

    def fit(self) -> None:
        """Show all cells."""
        count = max(len(self._comparison.tasks), 1)
        self.setRange(xRange=(0, count), yRange=(0, count), padding=0)

    def make_table(self) -> PlotTable:
        """Return the matrix with the names of the tasks."""
        tasks, matrix = self._comparison.tasks, np.asarray(self._comparison.task_matrix).round(5).tolist()
        return PlotTable(("task", *tasks), [(task, *row) for task, row in zip(tasks, matrix, strict=True)])

    def describe_values(self, x: float, y: float) -> str:
        """Return nothing: the line below the map describes the cell."""
        return ""

    def mark_pair(self, first: str | None, second: str | None) -> None:
        """Put the cursor on the cell of two tasks; None and unknown tasks hide it."""
        tasks = list(self._comparison.tasks)
        known = first in tasks and second in tasks
        self._move_cursor((tasks.index(first), tasks.index(second)) if known else None)  # type: ignore[arg-type]

    def recolour(self) -> None:
        """Apply the theme's colours to the cursor."""
        if self._cursor_frame is not None:
            self._cursor_frame.setPen(make_pen(self.theme.colours.danger, 2.0))

    def _move_cursor(self, cell: tuple[int, int] | None) -> None:
        self._cursor = cell
        if self._cursor_frame is None:
            return
        self._cursor_frame.setVisible(cell is not None)
        if cell is None:
            return
        row, column = cell
        x, y = np.array([0, 1, 1, 0, 0]) + column, np.array([0, 0, 1, 1, 0]) + row
        self._cursor_frame.setData(x, y)
        self._scroll_to(row, column)
        self.cell_described.emit(self._describe(cell))
        self.setAccessibleDescription(self._describe(cell))
        if self.hasFocus():
            announce(self, self._describe(cell))

    def _scroll_to(self, row: int, column: int) -> None:
        """Move the visible range so that a cell is inside."""
        (left, right), (low, high) = self.viewRange()
        shifts = [min(0.0, at - start) + max(0.0, at + 1 - stop) for at, start, stop in
                  ((column, left, right), (row, low, high))]  # fmt: skip
        if any(shifts):
            self.plotItem.vb.translateBy(x=shifts[0], y=shifts[1])

    def _describe(self, cell: tuple[int, int]) -> str:
        first, second = (self._comparison.tasks[index] for index in cell)
        distance = self._comparison.task_matrix[cell]
        if first == second:
            return f"{elide_name(first, 40)}: {distance:.2f} between its own takes"
        return f"{elide_name(first, 30)} and {elide_name(second, 30)}: {distance:.2f}. A click or Return shows both."

    # Mouse and keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the cursor by the arrow keys, choose its cell by Return, zoom by + and -, show all cells by 0."""
        count, key = len(self._comparison.tasks), Qt.Key(event.key())
        if count and key in _MOVES:
            row, column = self._cursor or (0, 0)
            down, right = _MOVES[key] if self._cursor else (0, 0)
            self._move_cursor((min(max(row + down, 0), count - 1), min(max(column + right, 0), count - 1)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._cursor is not None:
            self._choose(self._cursor)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._zoom(ZOOM_FACTOR if key is Qt.Key.Key_Minus else 1.0 / ZOOM_FACTOR)
        elif key is Qt.Key.Key_0:
            self.fit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the cursor when the focus arrives by the keyboard."""
        super().focusInEvent(event)
        if self._cursor is None and len(self._comparison.tasks) and event.reason() != Qt.FocusReason.MouseFocusReason:
            self._move_cursor((0, min(1, len(self._comparison.tasks) - 1)))

    def _zoom(self, factor: float) -> None:
        row, column = self._cursor or (0, 0)
        centre = (column + 0.5, row + 0.5) if self._cursor else None
        self.plotItem.vb.scaleBy((factor, factor), centre)

    def _on_range_changed(self, *_: object) -> None:
        (left, right), _rows = self.viewRange()
        self.zoom_changed.emit(right - left < len(self._comparison.tasks) - 0.01)

    def _cell_at(self, position: object) -> tuple[int, int] | None:
        point = self.plotItem.vb.mapSceneToView(position)
        row, column = int(np.floor(point.y())), int(np.floor(point.x()))
        count = len(self._comparison.tasks)
        return (row, column) if 0 <= row < count and 0 <= column < count else None

    def _choose(self, cell: tuple[int, int]) -> None:
        self.pair_chosen.emit(self._comparison.tasks[cell[0]], self._comparison.tasks[cell[1]])

    def _on_clicked(self, event: object) -> None:
        cell = self._cell_at(event.scenePos())  # type: ignore[attr-defined]
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self._move_cursor(cell)
            self._choose(cell)

    def _on_hovered(self, position: object) -> None:
        cell = self._cell_at(position) if len(self._comparison) else None
        self.cell_described.emit(self._describe(cell) if cell else "")
