"""Heat map of the distances between all tasks; a click on a cell opens an overlay of two demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal

from metagui.gui.similarity.comparison import Comparison
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import Plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

MAX_NAME_LENGTH = 22
"""Characters of a task's name that fit next to the axis."""


def elide_name(name: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a name, shortened to ``max_length`` characters."""
    return name if len(name) <= max_length else f"{name[: max_length - 1]}…"


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


def _colour_levels(comparison: TaskMatrix) -> tuple[float, float]:
    """Return the distances at the two ends of the colour map."""
    matrix = comparison.task_matrix
    low, high = float(matrix.min()), float(matrix.max())
    return low, max(high, low + 0.1)


class HeatMap(Plot):
    """Matrix of distances in the colour map cividis, which colour-blind users and greyscale prints preserve."""

    pair_chosen = Signal(str, str)
    """Names of the two tasks of a clicked cell."""
    hovered = Signal(str)
    """Description of the cell under the pointer; empty outside the matrix."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "Heat map of distances between tasks")
        self._comparison: TaskMatrix = Comparison()
        self._image = pg.ImageItem()
        self._image.setColorMap(pg.colormap.get("cividis"))
        self.addItem(self._image)
        self.invertY(True)
        self.setMouseEnabled(x=False, y=False)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        for side in ("left", "bottom"):
            self.getAxis(side).setStyle(tickFont=scaled_font(0.82), tickLength=0)
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.scene().sigMouseMoved.connect(self._on_hovered)

    def show_comparison(self, comparison: TaskMatrix) -> None:
        """Draw the matrix."""
        self._comparison = comparison
        count = len(comparison.tasks)
        if not count:
            return
        self._image.setImage(comparison.task_matrix.T, levels=_colour_levels(comparison))
        names = [(i + 0.5, elide_name(name)) for i, name in enumerate(comparison.tasks)]
        self.getAxis("left").setTicks([names])
        self.getAxis("bottom").setTicks([[(i + 0.5, str(i + 1)) for i in range(count)]])
        self.getAxis("left").setTicks([[(x, f"{text}  {i + 1}") for i, (x, text) in enumerate(names)]])
        self.setXRange(0, count, padding=0)
        self.setYRange(0, count, padding=0)

    def _cell_at(self, position: object) -> tuple[int, int] | None:
        point = self.plotItem.vb.mapSceneToView(position)
        row, column = int(np.floor(point.y())), int(np.floor(point.x()))
        count = len(self._comparison.tasks)
        return (row, column) if 0 <= row < count and 0 <= column < count else None

    def _on_clicked(self, event: object) -> None:
        cell = self._cell_at(event.scenePos())  # type: ignore[attr-defined]
        if cell is not None:
            self.pair_chosen.emit(self._comparison.tasks[cell[0]], self._comparison.tasks[cell[1]])

    def _on_hovered(self, position: object) -> None:
        cell = self._cell_at(position) if len(self._comparison) else None
        if cell is None:
            self.hovered.emit("")
            return
        first, second = (self._comparison.tasks[i] for i in cell)
        distance = self._comparison.task_matrix[cell]
        self.hovered.emit(f"{elide_name(first, 30)} and {elide_name(second, 30)}: {distance:.2f}. Click to see both.")
