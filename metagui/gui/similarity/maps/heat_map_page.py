"""The page of the heat map: the map, its colour bar, a description of the cell under the pointer, and Fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.similarity.maps.heat_map import COLOUR_MAP, HeatMap, TaskMatrix, find_colour_levels
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from metagui.gui.theme.theme import Theme

COLOUR_BAR_WIDTH_PX, COLOUR_BAR_HEIGHT_PX = 72, 8
GRADIENT_STOPS = 16


class ColourBar(QWidget):
    """The colours of the heat map with the distances at their ends."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme, self._levels = theme, (0.0, 1.0)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFont(scaled_font(0.88))
        self._describe()

    def show_levels(self, low: float, high: float) -> None:
        """Show the distances at the two ends."""
        self._levels = (low, high)
        self._describe()
        self.update()

    def _describe(self) -> None:
        self._texts = (f"similar {self._levels[0]:.1f}", f"{self._levels[1]:.1f} different")
        self.setAccessibleName(f"Colours from dark, {self._texts[0]}, to light, {self._texts[1]}")
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the size of the texts and of the bar between them."""
        widths = [self.fontMetrics().horizontalAdvance(text) for text in self._texts]
        return QSize(sum(widths) + COLOUR_BAR_WIDTH_PX + 16, self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the texts and the gradient."""
        painter = QPainter(self)
        painter.setPen(QColor(self._theme.colours.muted))
        area = QRectF(self.rect())
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._texts[0])
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._texts[1])
        left = self.fontMetrics().horizontalAdvance(self._texts[0]) + 8
        bar = QRectF(left, (area.height() - COLOUR_BAR_HEIGHT_PX) / 2, COLOUR_BAR_WIDTH_PX, COLOUR_BAR_HEIGHT_PX)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        colours = pg.colormap.get(COLOUR_MAP)
        for index in range(GRADIENT_STOPS + 1):
            gradient.setColorAt(index / GRADIENT_STOPS, colours.mapToQColor(index / GRADIENT_STOPS))
        painter.fillRect(bar, gradient)


class HeatMapPage(QWidget):
    """The heat map with a line below it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.heat_map, self.colour_bar = HeatMap(theme), ColourBar(theme)
        self.description = ElidingLabel()
        self.fit_button = QPushButton()
        self.fit_button.setObjectName("flat")
        self.fit_button.setText("Fit")
        self.fit_button.setToolTip("Show all tasks (0)")
        self.fit_button.setAccessibleName("Show all tasks")
        self.fit_button.clicked.connect(self.heat_map.fit)
        self.fit_button.hide()
        self._hint = ""
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.description, 1)
        below.addWidget(self.fit_button)
        below.addWidget(self.colour_bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heat_map, 1)
        layout.addLayout(below)
        self.heat_map.cell_described.connect(self._describe)
        self.heat_map.zoom_changed.connect(self.fit_button.setVisible)
        theme.changed.connect(self.colour_bar.update)

    def show_comparison(self, comparison: TaskMatrix, hint: str) -> None:
        """Draw a comparison; ``hint`` is shown while no cell is described."""
        self.heat_map.show_comparison(comparison)
        if len(comparison.tasks):
            self.colour_bar.show_levels(*find_colour_levels(comparison))
        self._hint = hint
        self._describe("")

    def _describe(self, text: str) -> None:
        self.description.set_full_text(text or self._hint)
