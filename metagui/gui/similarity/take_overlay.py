"""Overlay of two demonstrations: their paths from above with the objects, and height against progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.plot import LineSwatch, Plot, add_curve, make_pen
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.theme.theme import Theme


class PathPlot(Plot):
    """Plot of two paths in one plane; the second is dashed."""

    def __init__(self, theme: Theme, name: str, bottom: str, left: str, square: bool) -> None:
        self._paths: tuple[pg.PlotDataItem, ...] = ()
        self._object_markers: pg.ScatterPlotItem | None = None
        super().__init__(theme, name)
        self._object_markers = pg.ScatterPlotItem(size=12)
        self.addItem(self._object_markers)
        self._paths = (add_curve(self, name="first take"), add_curve(self, name="second take"))
        self._is_map = square
        self.label_axes(bottom, left)
        self.setAspectLocked(square)
        self.recolour()

    def show_paths(self, paths: list[tuple[np.ndarray, np.ndarray]], markers: list[dict[str, object]]) -> None:
        """Draw two paths, (x, y) each, and the markers of objects."""
        for line, (x, y) in zip(self._paths, paths, strict=True):
            line.setData(x, y)
        if self._object_markers is not None:
            self._object_markers.setData(markers)
        self.enableAutoRange()

    def make_table(self) -> PlotTable:
        """Return the points of both paths."""
        drawn = [(line.name(), line.getOriginalDataset()) for line in self._paths]
        rows = [(name, *point) for name, (x, y) in drawn if x is not None for point in zip(x, y, strict=True)]
        return PlotTable(("path", self._labels["bottom"], self._labels["left"]), rows)

    def describe_values(self, x: float, y: float) -> str:
        """Return the place under the pointer in a view from above, else both heights."""
        if self._is_map:
            right, forward = (self._labels[side].split(",")[0] for side in ("bottom", "left"))
            return f"{x:.1f} cm {right}\n{y:.1f} cm {forward}"
        return super().describe_values(x, y)

    def recolour(self) -> None:
        """Apply the theme's colours to both paths."""
        for index, line in enumerate(self._paths):
            line.setPen(make_pen(self.theme.colours.series[index], 2.0, index))


class TakeOverlay(QWidget):
    """The page for a pair of tasks, with a button back to the comparison."""

    back_requested = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._name_labels = (QLabel(), QLabel())
        self._swatches = (LineSwatch(make_pen("#000000")), LineSwatch(make_pen("#000000")))
        self._top_view = PathPlot(theme, "Paths seen from above", "to the right, cm", "forward, cm", True)
        self._height_plot = PathPlot(theme, "Height against progress", "progress, %", "height, cm", False)
        self.verdict_label = ElidingLabel(max_lines=2)
        self._back_button = QPushButton()
        self._back_button.setObjectName("flat")
        self._back_button.setText("Back")
        self._back_button.setAccessibleName("Back to the comparison")
        self._back_button.setToolTip("Back to the comparison")
        self._back_button.clicked.connect(self.back_requested)
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()

    def _lay_out(self) -> None:
        names = QGridLayout()
        names.setHorizontalSpacing(8)
        names.setVerticalSpacing(0)
        for row, (swatch, name) in enumerate(zip(self._swatches, self._name_labels, strict=True)):
            names.addWidget(swatch, row, 0)
            names.addWidget(name, row, 1)
        names.setColumnStretch(2, 1)
        top = QHBoxLayout()
        top.addWidget(self._back_button)
        top.addLayout(names, 1)
        top.addWidget(self.verdict_label, 1)
        plots = QHBoxLayout()
        plots.addWidget(self._top_view, 1)
        plots.addWidget(self._height_plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(plots, 1)

    def show_pair(self, first: Demonstration, second: Demonstration, verdict: str = "") -> None:
        """Overlay two takes, with the verdict on their tasks in words."""
        self.verdict_label.set_full_text(verdict[:1].upper() + verdict[1:])
        for label, take in zip(self._name_labels, (first, second), strict=True):
            label.setText(f"{take.task}, take {take.name}")
        pair = (first, second)
        above = [(-100 * t.tool_positions[:, 1], 100 * t.tool_positions[:, 0]) for t in pair]
        height = [(np.linspace(0, 100, len(t)), 100 * t.tool_positions[:, 2]) for t in pair]
        markers = [marker for index, take in enumerate(pair) for marker in _make_object_markers(take, index)]
        self._top_view.show_paths(above, markers)
        self._height_plot.show_paths(height, [])

    def _tint(self) -> None:
        colours = self._theme.colours
        self._back_button.setIcon(make_icon("back", colours.text))
        for index, swatch in enumerate(self._swatches):
            swatch.pen = make_pen(colours.series[index], 2.0, index)
            swatch.update()


def _make_object_markers(take: Demonstration, take_index: int) -> list[dict[str, object]]:
    """Return markers of a take's initial objects: filled for the first take, hollow for the second."""
    out: list[dict[str, object]] = []
    for scene_object, position in zip(take.objects, take.object_positions[0], strict=True):
        if scene_object.kind == "table":
            continue
        colour = pg.mkColor(*(round(255 * c) for c in scene_object.colour))
        out.append(
            {
                "pos": (-100 * position[1], 100 * position[0]),
                "symbol": "s" if scene_object.is_solid else "d",
                "brush": colour if take_index == 0 else None,
                "pen": pg.mkPen(colour, width=2),
            }
        )
    return out
