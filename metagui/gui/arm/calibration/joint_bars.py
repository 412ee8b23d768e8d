"""One bar per joint for the calibration wizard: travel compared with the model, current position, status text."""

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
_LONGEST_STATUS_TEXT = "130° more: model limits used"
_BAR_HEIGHT_PX, _ICON_SIZE_PX = 12.0, 18


class JointBar(QWidget):
    """The bar of one joint; not interactive, but readable by screen readers."""

    def __init__(self, theme: Theme, travel: JointTravel) -> None:
        super().__init__()
        self._theme = theme
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_travel(travel)

    def show_travel(self, travel: JointTravel) -> None:
        """Show another state of the joint."""
        self.travel = travel
        self.setAccessibleName(travel.sentence)
        self.setToolTip(travel.sentence)
        self.update()

    def sizeHint(self) -> QSize:
        """Return room for one line of text, a bar of 320 px and a vertical margin."""
        return QSize(self._name_width() + self._status_width() + 320, self.fontMetrics().height() + 18)

    def minimumSizeHint(self) -> QSize:
        """Return the same as ``sizeHint`` with a bar of 240 px."""
        return QSize(self._name_width() + self._status_width() + 240, self.sizeHint().height())

    def _name_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("shoulder pan") + 2 * GRID_PX

    def _status_width(self) -> int:
        return self.fontMetrics().horizontalAdvance(_LONGEST_STATUS_TEXT) + _ICON_SIZE_PX + 2 * GRID_PX

    def _degrees_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("120° of 320°") + GRID_PX

    def bar_area(self) -> QRectF:
        """Return the area of the bar, whose width stands for the travel of the model."""
        other_columns = self._name_width() + self._degrees_width() + self._status_width() + 2 * GRID_PX
        top = (self.height() - _BAR_HEIGHT_PX) / 2
        return QRectF(self._name_width(), top, self.width() - other_columns, _BAR_HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw name, bar, degrees and status in columns."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, travel, height, degrees_width = self._theme.colours, self.travel, self.height(), self._degrees_width()
        bar = self.bar_area()
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(colours.text))
        painter.drawText(QRectF(0, 0, bar.left(), height), left | middle, travel.name)
        self._draw_bar(painter, bar)
        painter.setPen(QColor(colours.muted))
        degrees = f"{travel.travel:.0f}° of {travel.expected:.0f}°"
        painter.drawText(QRectF(bar.right() + GRID_PX, 0, degrees_width, height), right | middle, degrees)
        x = bar.right() + degrees_width + 3 * GRID_PX
        if _ICONS[travel.status]:
            tint = getattr(colours, _FILL_COLOURS[travel.status])
            picture = make_pixmap(_ICONS[travel.status], tint, _ICON_SIZE_PX, self.devicePixelRatioF())
            painter.drawPixmap(QPointF(x, (height - _ICON_SIZE_PX) / 2), picture)
        x += _ICON_SIZE_PX + GRID_PX
        painter.setPen(QColor(getattr(colours, _TEXT_COLOURS[travel.status])))
        painter.drawText(QRectF(x, 0, self.width() - x, height), left | middle, travel.status_text)

    def _draw_bar(self, painter: QPainter, bar: QRectF) -> None:
        """Draw the travel of the model as the empty bar and the joint's, centred, as its filling."""
        colours, travel = self._theme.colours, self.travel
        radius = _BAR_HEIGHT_PX / 2
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(bar, radius, radius)
        width = bar.width() * min(travel.fraction, 1.0)
        start = bar.center().x() - width / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(colours, _FILL_COLOURS[travel.status])))
        if width > 1:
            painter.drawRoundedRect(QRectF(start, bar.top(), width, _BAR_HEIGHT_PX), min(radius, width / 2), radius)
        if travel.position is not None:
            x = min(max(start + travel.position * width, bar.left() + radius), bar.right() - radius)
            painter.setBrush(QColor(colours.panel))
            painter.setPen(QPen(QColor(colours.text), 2))
            painter.drawEllipse(QPointF(x, bar.center().y()), radius + 2, radius + 2)


class JointBars(QWidget):
    """The bars of all joints of an arm, in a column."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("Joints")
        self.rows = tuple(JointBar(theme, travel) for travel in make_unmoved_travels())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for row in self.rows:
            column.addWidget(row)

    def show_travels(self, travels: Sequence[JointTravel]) -> None:
        """Show another state of every joint."""
        for row, travel in zip(self.rows, travels, strict=True):
            row.show_travel(travel)
