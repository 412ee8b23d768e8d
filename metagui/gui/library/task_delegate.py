"""Paints the rows of the task list: tasks with take count and policy icon, takes with sparkline and icons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from metagui.gui.library.task_model import ROW_ROLE
from metagui.gui.library.task_rows import TakeRow, TaskRow
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.gui.library.task_model import ModelIndex
    from metagui.gui.theme.theme import Theme

LIST_ROW_HEIGHT_PX = 40
"""Height of all rows, pixels: equal ones are laid out quickly."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_ELIDE_MODE = Qt.TextElideMode.ElideRight


class TaskDelegate(QStyledItemDelegate):
    """Delegate of the task list; ``sparkline`` returns a take's curve from 0 to 1, None if unknown."""

    def __init__(
        self, theme: Theme, sparkline: Callable[[TakeRow], FloatArray | None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._sparkline = theme, sparkline

    def sizeHint(self, option: QStyleOptionViewItem, index: ModelIndex) -> QSize:
        """Return the size of a row."""
        return QSize(160, LIST_ROW_HEIGHT_PX)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: ModelIndex) -> QWidget:
        """Return the text field that edits a task's name in place."""
        editor = QLineEdit(parent)
        editor.setObjectName("editor")
        editor.setAccessibleName("Name of the task")
        return editor

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: ModelIndex) -> None:
        """Paint one row."""
        row = index.data(ROW_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_background(painter, option)
        area = option.rect.adjusted(8, 0, -8, 0)
        if isinstance(row, TaskRow):
            self._paint_task(painter, row, area)
        elif isinstance(row, TakeRow):
            self._paint_take(painter, row, area)
        painter.restore()

    def _paint_background(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        state, colours = option.state, self._theme.colours
        area = option.rect.adjusted(0, 1, 0, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(colours.selection))
            painter.drawRoundedRect(area, 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(area, 6, 6)
        if state & QStyle.StateFlag.State_HasFocus and not state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area, 6, 6)

    def _paint_task(self, painter: QPainter, row: TaskRow, area: QRect) -> None:
        colours, right = self._theme.colours, area.right()
        for visible, name, tint in (
            (row.problem, "warning", colours.warning),
            (row.has_policy, "adapt", colours.accent),
        ):
            if visible:
                right -= 18
                self._paint_icon(painter, name, tint, right, area)
        above, below = self._split(QRect(area.left(), area.top(), right - area.left() - 4, area.height()))
        painter.setFont(scaled_font(1.0, bold=True))
        self._paint_text(painter, row.name, colours.text, above)
        painter.setFont(scaled_font(0.85))
        self._paint_text(painter, row.details, colours.muted, below)

    def _paint_take(self, painter: QPainter, row: TakeRow, area: QRect) -> None:
        colours = self._theme.colours
        icons = {True: ("success", colours.success), False: ("failure", colours.danger)}
        if row.success is not None:
            self._paint_icon(painter, *icons[row.success], area.right() - 14, area)
        if row.quality_problem:
            self._paint_icon(painter, "warning", colours.warning, area.right() - 32, area)
        above, below = self._split(QRect(area.left(), area.top(), area.width() - 38, area.height()))
        painter.setFont(scaled_font(0.92))
        self._paint_text(painter, row.name, colours.text, above)
        facts = f"{row.duration:.1f} s · {row.samples}" if row.samples else "cannot be read"
        width = painter.fontMetrics().horizontalAdvance(facts)
        self._paint_text(painter, facts, colours.muted, above.adjusted(above.width() - width - 1, 0, 0, 0))
        left = above.left() + 34
        sparkline_area = QRectF(left, above.top() + 2, above.right() - width - 8 - left, above.height() - 5)
        self._paint_sparkline(painter, row, sparkline_area)
        painter.setFont(scaled_font(0.85))
        self._paint_text(painter, row.details, colours.muted, below)

    def _split(self, area: QRect) -> tuple[QRect, QRect]:
        """Return the two lines of a row."""
        middle = area.top() + area.height() // 2
        return area.adjusted(0, 3, 0, middle - area.bottom()), area.adjusted(0, middle - area.top() + 1, 0, -3)

    def _paint_text(self, painter: QPainter, text: str, tint: str, area: QRect) -> None:
        """Paint a text, elided where there is no room."""
        painter.setPen(QColor(tint))
        painter.drawText(area, _LEFT, painter.fontMetrics().elidedText(text, _ELIDE_MODE, area.width()))

    def _paint_sparkline(self, painter: QPainter, row: TakeRow, area: QRectF) -> None:
        values = self._sparkline(row)
        if values is None or area.width() < 16:
            return
        xs = np.linspace(area.left(), area.right(), len(values))
        points = [QPointF(x, area.bottom() - area.height() * v) for x, v in zip(xs, values, strict=True)]
        painter.setPen(QPen(QColor(self._theme.colours.accent), 1.3))
        painter.drawPolyline(QPolygonF(points))

    def _paint_icon(self, painter: QPainter, name: str, tint: str, left: int, area: QRect) -> None:
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(left, area.center().y() - 7, make_pixmap(name, tint, 15, ratio))
