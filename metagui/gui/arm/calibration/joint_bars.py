"""A bar a joint: its travel beside the model's from stop to stop, where it is now, and what is missing in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.joint_travel import unknown
from metagui.gui.theme.icons import pixmap
from metagui.gui.widgets.panel import GAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from metagui.gui.arm.calibration.joint_travel import Reach
    from metagui.gui.theme.theme import Theme

_ICONS = {"waiting": "", "moving": "", "done": "success", "wrong": "warning"}
_FILLS = {"waiting": "muted", "moving": "accent", "done": "success", "wrong": "warning"}
_WORDS = {"waiting": "muted", "moving": "text", "done": "success", "wrong": "warning"}
_LONGEST_WORDS = "130° more: angles will be off"
_BAR, _ICON = 12.0, 18


class JointBar(QWidget):
    """One joint; takes no clicks and no focus, but tells its sentence to who cannot see it."""

    def __init__(self, theme: Theme, reach: Reach) -> None:
        super().__init__()
        self._theme = theme
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_reach(reach)

    def show_reach(self, reach: Reach) -> None:
        """Draw another state of the joint."""
        self.reach = reach
        self.setAccessibleName(reach.sentence)
        self.setToolTip(reach.sentence)
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a line of text and some air."""
        return QSize(self._name_width() + self._words_width() + 320, self.fontMetrics().height() + 18)

    def minimumSizeHint(self) -> QSize:
        """The same with a short bar."""
        return QSize(self._name_width() + self._words_width() + 240, self.sizeHint().height())

    def _name_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("shoulder pan") + 2 * GAP

    def _words_width(self) -> int:
        return self.fontMetrics().horizontalAdvance(_LONGEST_WORDS) + _ICON + 2 * GAP

    def _degrees_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("120° of 320°") + GAP

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw name, bar, degrees and words in columns."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, reach, height = self._theme.colours, self.reach, self.height()
        name, words, degrees = self._name_width(), self._words_width(), self._degrees_width()
        bar = QRectF(name, (height - _BAR) / 2, self.width() - name - degrees - words - 2 * GAP, _BAR)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(colours.text))
        painter.drawText(QRectF(0, 0, name, height), left | middle, reach.name)
        self._draw_bar(painter, bar)
        painter.setPen(QColor(colours.muted))
        numbers = f"{reach.travel:.0f}° of {reach.expected:.0f}°"
        painter.drawText(QRectF(bar.right() + GAP, 0, degrees, height), right | middle, numbers)
        x = bar.right() + degrees + 3 * GAP
        if _ICONS[reach.mood]:
            tint = getattr(colours, _FILLS[reach.mood])
            picture = pixmap(_ICONS[reach.mood], tint, _ICON, self.devicePixelRatioF())
            painter.drawPixmap(QPointF(x, (height - _ICON) / 2), picture)
        x += _ICON + GAP
        painter.setPen(QColor(getattr(colours, _WORDS[reach.mood])))
        painter.drawText(QRectF(x, 0, self.width() - x, height), left | middle, reach.words)

    def _draw_bar(self, painter: QPainter, bar: QRectF) -> None:
        """The model's travel as a trough with a stop at each end; the joint's, from its middle outwards."""
        colours, reach = self._theme.colours, self.reach
        radius = _BAR / 2
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(bar, radius, radius)
        width = bar.width() * min(reach.share, 1.0)
        start = bar.center().x() - width / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(colours, _FILLS[reach.mood])))
        if width > 1:
            painter.drawRoundedRect(QRectF(start, bar.top(), width, _BAR), min(radius, width / 2), radius)
        if reach.place is not None:
            x = min(max(start + reach.place * width, bar.left() + radius), bar.right() - radius)
            painter.setBrush(QColor(colours.panel))
            painter.setPen(QPen(QColor(colours.text), 2))
            painter.drawEllipse(QPointF(x, bar.center().y()), radius + 2, radius + 2)


class JointBars(QWidget):
    """All joints of an arm, one below the other."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("Joints")
        self._rows = [JointBar(theme, reach) for reach in unknown()]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for row in self._rows:
            column.addWidget(row)

    def show_joints(self, joints: Sequence[Reach]) -> None:
        """Draw another state of every joint."""
        for row, reach in zip(self._rows, joints, strict=True):
            row.show_reach(reach)
