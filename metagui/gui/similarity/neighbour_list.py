"""Ranked list of the tasks most similar to the selected one, with distances and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from metagui.gui.theme.colours import Colours
    from metagui.gui.theme.theme import Theme

EMPTY_BAR_DISTANCE = 2.0
"""Distance at which a bar is empty: the diameter of the unit sphere of embeddings."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_VERDICT_WIDTH_PX = 84
_VERDICTS = {"similar": ("success", "success"), "unsure": ("warning", "warning"), "new": ("info", "muted")}


class RankedTask(Protocol):
    """A task of the list, such as ``learning.similarity.similarity.Neighbour``."""

    @property
    def task(self) -> str:
        """Name of the task."""

    @property
    def distance(self) -> float:
        """Distance to the selected task."""

    @property
    def verdict(self) -> str:
        """Verdict in one word (similar, unsure, new); empty if there is none."""


class NeighbourRow(QWidget):
    """One row: the task's name, a bar that grows with similarity, the distance and the verdict."""

    clicked = Signal(str)
    """Name of the task."""

    def __init__(self, theme: Theme, neighbour: RankedTask, empty_bar_distance: float = EMPTY_BAR_DISTANCE) -> None:
        super().__init__()
        self._theme, self._neighbour, self._empty_bar_distance = theme, neighbour, empty_bar_distance
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedHeight(28)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        text = ", ".join(filter(None, (neighbour.task, f"distance {neighbour.distance:.2f}", neighbour.verdict)))
        self.setAccessibleName(text)
        self.setToolTip(f"{text}. Click to see both demonstrations.")

    def sizeHint(self) -> QSize:
        """Return the size of one row."""
        return QSize(320, 28)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report the click."""
        self.clicked.emit(self._neighbour.task)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Report Return as a click."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit(self._neighbour.task)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint name, bar, distance and verdict."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, width = self._theme.colours, self.width()
        if self.underMouse() or self.hasFocus():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(self.rect(), 6, 6)
        bar_left = round((width - _VERDICT_WIDTH_PX) * 0.52)
        self._paint_name(painter, QRectF(8, 0, bar_left - 16, 28), colours)
        self._paint_bar(painter, QRectF(bar_left, 10, width - _VERDICT_WIDTH_PX - bar_left - 48, 8), colours)
        painter.setPen(QColor(colours.muted))
        left = width - _VERDICT_WIDTH_PX
        painter.drawText(QRectF(left - 44, 0, 40, 28), _RIGHT, f"{self._neighbour.distance:.2f}")
        self._paint_verdict(painter, QRectF(left + 4, 0, _VERDICT_WIDTH_PX - 8, 28), colours)

    def _paint_name(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        painter.setPen(QColor(colours.text))
        shown = painter.fontMetrics().elidedText(self._neighbour.task, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(area, _LEFT, shown)

    def _paint_bar(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(area, 4, 4)
        similarity = max(0.0, 1.0 - self._neighbour.distance / self._empty_bar_distance)
        painter.setBrush(QColor(colours.accent))
        painter.drawRoundedRect(QRectF(area.x(), area.y(), max(8.0, area.width() * similarity), area.height()), 4, 4)

    def _paint_verdict(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        verdict = self._neighbour.verdict
        if verdict not in _VERDICTS:
            return
        name, tint = _VERDICTS[verdict]
        colour = getattr(colours, tint)
        painter.drawPixmap(round(area.x()), 6, make_pixmap(name, colour, 16, self.devicePixelRatioF()))
        painter.setPen(QColor(colour))
        painter.setFont(scaled_font(0.92))
        painter.drawText(area.adjusted(20, 0, 0, 0), _LEFT, verdict)


class NeighbourList(QScrollArea):
    """The rows, nearest first, under a sentence with the name of the selected task."""

    task_chosen = Signal(str)
    """Name of a clicked task."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setWidgetResizable(True)
        self.setAccessibleName("Ranked neighbours")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        self._rows = QVBoxLayout(inside)
        self._rows.setContentsMargins(0, 0, 8, 0)
        self._rows.setSpacing(2)
        self.setWidget(inside)

    def show_neighbours(
        self,
        sentence: str,
        neighbours: Sequence[RankedTask],
        footnote: str = "",
        empty_bar_distance: float = EMPTY_BAR_DISTANCE,
    ) -> None:
        """Replace the list; a bar is empty at the distance ``empty_bar_distance``."""
        while self._rows.count():
            item = self._rows.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        self._rows.addWidget(_make_sentence_label(sentence))
        for neighbour in neighbours:
            row = NeighbourRow(self._theme, neighbour, empty_bar_distance)
            row.clicked.connect(self.task_chosen)
            self._rows.addWidget(row)
        if footnote:
            self._rows.addWidget(_make_sentence_label(footnote))
        self._rows.addStretch(1)


def _make_sentence_label(text: str) -> QWidget:
    out = make_muted_label(text)
    out.setWordWrap(True)
    out.setContentsMargins(8, 0, 0, 4)
    return out
