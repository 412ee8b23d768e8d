"""A bar a joint: its travel beside the model's from stop to stop, where it is now, and what is missing in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.joint_travel import make_unmoved_travels
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.widgets.panel import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from metagui.gui.arm.calibration.joint_travel import JointTravel
    from metagui.gui.theme.theme import Theme

_ICONS = {"waiting": "", "moving": "", "done": "success", "wrong": "warning"}
_FILL_COLOURS = {"waiting": "muted", "moving": "accent", "done": "success", "wrong": "warning"}
_TEXT_COLOURS = {"waiting": "muted", "moving": "text", "done": "success", "wrong": "warning"}
_LONGEST_STATUS_TEXT = "130° more: angles will be off"
_BAR_HEIGHT_PX, _ICON_SIZE_PX = 12.0, 18


class JointBar(QWidget):
    """One joint; takes no clicks and no focus, but tells its sentence to who cannot see it."""

    def __init__(self, theme: Theme, travel: JointTravel) -> None:
        super().__init__()
        self._theme = theme
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_travel(travel)

    def show_travel(self, travel: JointTravel) -> None:
        """Draw another state of the joint."""
        self.travel = travel
        self.setAccessibleName(travel.sentence)
        self.setToolTip(travel.sentence)
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a line of text and some air."""
        return QSize(self._name_width() + self._status_width() + 320, self.fontMetrics().height() + 18)

    def minimumSizeHint(self) -> QSize:
        """The same with a short bar."""
        return QSize(self._name_width() + self._status_width() + 240, self.sizeHint().height())

    def _name_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("shoulder pan") + 2 * GRID_PX

    def _status_width(self) -> int:
        return self.fontMetrics().horizontalAdvance(_LONGEST_STATUS_TEXT) + _ICON_SIZE_PX + 2 * GRID_PX

    def _degrees_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("120° of 320°") + GRID_PX

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw name, bar, degrees and words in columns."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, reach, height = self._theme.colours, self.travel, self.height()
        name, words, degrees = self._name_width(), self._status_width(), self._degrees_width()
        bar = QRectF(
            name, (height - _BAR_HEIGHT_PX) / 2, self.width() - name - degrees - words - 2 * GRID_PX, _BAR_HEIGHT_PX
        )
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(colours.text))
        painter.drawText(QRectF(0, 0, name, height), left | middle, reach.name)
        self._draw_bar(painter, bar)
        painter.setPen(QColor(colours.muted))
        numbers = f"{reach.travel:.0f}° of {reach.expected:.0f}°"
        painter.drawText(QRectF(bar.right() + GRID_PX, 0, degrees, height), right | middle, numbers)
        x = bar.right() + degrees + 3 * GRID_PX
        if _ICONS[reach.status]:
            tint = getattr(colours, _FILL_COLOURS[reach.status])
            picture = make_pixmap(_ICONS[reach.status], tint, _ICON_SIZE_PX, self.devicePixelRatioF())
            painter.drawPixmap(QPointF(x, (height - _ICON_SIZE_PX) / 2), picture)
        x += _ICON_SIZE_PX + GRID_PX
        painter.setPen(QColor(getattr(colours, _TEXT_COLOURS[reach.status])))
        painter.drawText(QRectF(x, 0, self.width() - x, height), left | middle, reach.status_text)

    def _draw_bar(self, painter: QPainter, bar: QRectF) -> None:
        """The model's travel as a trough with a stop at each end; the joint's, from its middle outwards."""
        colours, reach = self._theme.colours, self.travel
        radius = _BAR_HEIGHT_PX / 2
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(bar, radius, radius)
        width = bar.width() * min(reach.fraction, 1.0)
        start = bar.center().x() - width / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(colours, _FILL_COLOURS[reach.status])))
        if width > 1:
            painter.drawRoundedRect(QRectF(start, bar.top(), width, _BAR_HEIGHT_PX), min(radius, width / 2), radius)
        if reach.position is not None:
            x = min(max(start + reach.position * width, bar.left() + radius), bar.right() - radius)
            painter.setBrush(QColor(colours.panel))
            painter.setPen(QPen(QColor(colours.text), 2))
            painter.drawEllipse(QPointF(x, bar.center().y()), radius + 2, radius + 2)


class JointBars(QWidget):
    """All joints of an arm, one below the other."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("Joints")
        self._rows = [JointBar(theme, reach) for reach in make_unmoved_travels()]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for row in self._rows:
            column.addWidget(row)

    def show_travels(self, travels: Sequence[JointTravel]) -> None:
        """Draw another state of every joint."""
        for row, reach in zip(self._rows, travels, strict=True):
            row.show_travel(reach)
