"""Two demonstrations over each other: from above with the things they were about, and height against progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from metagui.gui.theme.icons import icon
from metagui.gui.widgets.plot import Plot, Swatch, curve, pen

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.theme.theme import Theme


class PathPlot(Plot):
    """Two paths in one plane; the second dashed."""

    def __init__(self, theme: Theme, name: str, bottom: str, left: str, square: bool) -> None:
        self._paths: tuple[pg.PlotDataItem, ...] = ()
        self._things: pg.ScatterPlotItem | None = None
        super().__init__(theme, name)
        self._things = pg.ScatterPlotItem(size=12)
        self.addItem(self._things)
        self._paths = (curve(self), curve(self))
        self.label_axes(bottom, left)
        self.setAspectLocked(square)
        self.recolour()

    def show_paths(self, paths: list[tuple[np.ndarray, np.ndarray]], things: list[dict[str, object]]) -> None:
        """Draw two paths, (x, y) each, and the things beside them."""
        for line, (x, y) in zip(self._paths, paths, strict=True):
            line.setData(x, y)
        if self._things is not None:
            self._things.setData(things)
        self.enableAutoRange()

    def recolour(self) -> None:
        """Give both paths the theme's colours."""
        for index, line in enumerate(self._paths):
            line.setPen(pen(self.theme.colours.series[index], 2.0, index))


class Overlay(QWidget):
    """The page a click on a cell leads to, with a way back."""

    back = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._names = (QLabel(), QLabel())
        self._swatches = (Swatch(pen("#000000")), Swatch(pen("#000000")))
        self._above = PathPlot(theme, "Paths seen from above", "left of the arm, cm", "ahead, cm", True)
        self._height = PathPlot(theme, "Height against progress", "progress, %", "height, cm", False)
        self._way_back = QPushButton()
        self._way_back.setObjectName("flat")
        self._way_back.setText("Back")
        self._way_back.setAccessibleName("Back to the comparison")
        self._way_back.setToolTip("Back to the comparison")
        self._way_back.clicked.connect(self.back)
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()

    def _lay_out(self) -> None:
        names = QGridLayout()
        names.setHorizontalSpacing(8)
        names.setVerticalSpacing(0)
        for row, (swatch, name) in enumerate(zip(self._swatches, self._names, strict=True)):
            names.addWidget(swatch, row, 0)
            names.addWidget(name, row, 1)
        names.setColumnStretch(2, 1)
        top = QHBoxLayout()
        top.addWidget(self._way_back)
        top.addLayout(names, 1)
        plots = QHBoxLayout()
        plots.addWidget(self._above, 1)
        plots.addWidget(self._height, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(plots, 1)

    def show_pair(self, first: Demonstration, second: Demonstration) -> None:
        """Overlay two takes."""
        for label, take in zip(self._names, (first, second), strict=True):
            label.setText(f"{take.task}, take {take.name}")
        pair = (first, second)
        above = [(-100 * t.tool_positions[:, 1], 100 * t.tool_positions[:, 0]) for t in pair]
        height = [(np.linspace(0, 100, len(t)), 100 * t.tool_positions[:, 2]) for t in pair]
        things = [spot for rank, take in enumerate(pair) for spot in _things(take, rank)]
        self._above.show_paths(above, things)
        self._height.show_paths(height, [])

    def _tint(self) -> None:
        colours = self._theme.colours
        self._way_back.setIcon(icon("back", colours.text))
        for index, swatch in enumerate(self._swatches):
            swatch.line = pen(colours.series[index], 2.0, index)
            swatch.update()


def _things(take: Demonstration, rank: int) -> list[dict[str, object]]:
    """Return the cubes and zones of a take where it began: filled for the first take, hollow for the second."""
    out: list[dict[str, object]] = []
    for anchor, position in zip(take.anchors, take.anchor_positions[0], strict=True):
        if anchor.kind == "table":
            continue
        colour = pg.mkColor(*(round(255 * c) for c in anchor.colour))
        out.append(
            {
                "pos": (-100 * position[1], 100 * position[0]),
                "symbol": "s" if anchor.kind == "cube" else "d",
                "brush": colour if rank == 0 else None,
                "pen": pg.mkPen(colour, width=2),
            }
        )
    return out
