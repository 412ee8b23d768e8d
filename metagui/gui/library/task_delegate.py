"""Paints a row of the task list: a task with its count and policy mark, a take with its sparkline and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from metagui.gui.library.task_model import ROW_ROLE, TakeRow, TaskRow
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

ItemIndex = QModelIndex | QPersistentModelIndex
TASK_ROW_HEIGHT_PX, TAKE_ROW_HEIGHT_PX = 34, 28
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class TaskDelegate(QStyledItemDelegate):
    """``sparkline`` gives a take's shape as numbers from 0 to 1, or None while it is unknown."""

    def __init__(
        self, theme: Theme, sparkline: Callable[[TakeRow], FloatArray | None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._sparkline = theme, sparkline

    def sizeHint(self, option: QStyleOptionViewItem, index: ItemIndex) -> QSize:
        """Tasks are a little taller than takes."""
        return QSize(160, TASK_ROW_HEIGHT_PX if isinstance(index.data(ROW_ROLE), TaskRow) else TAKE_ROW_HEIGHT_PX)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: ItemIndex) -> QWidget:
        """Edit a name in place."""
        editor = QLineEdit(parent)
        editor.setObjectName("editor")
        editor.setAccessibleName("Name of the task")
        return editor

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: ItemIndex) -> None:
        """Paint one row."""
        row, place = index.data(ROW_ROLE), option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_background(painter, option, place)
        inside = place.adjusted(8, 0, -8, 0)
        if isinstance(row, TaskRow):
            self._paint_task(painter, row, inside)
        elif isinstance(row, TakeRow):
            self._paint_take(painter, row, inside)
        painter.restore()

    def _paint_background(self, painter: QPainter, option: QStyleOptionViewItem, area: QRect) -> None:
        state, colours = option.state, self._theme.colours
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(colours.selection))
            painter.drawRoundedRect(area.adjusted(0, 1, 0, -1), 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(area.adjusted(0, 1, 0, -1), 6, 6)

    def _paint_task(self, painter: QPainter, row: TaskRow, area: QRect) -> None:
        colours = self._theme.colours
        painter.setFont(scaled_font(0.92))
        count = str(len(row.takes))
        painter.setPen(QColor(colours.muted))
        painter.drawText(area, _RIGHT, count)
        right = area.right() - painter.fontMetrics().horizontalAdvance(count) - 8
        for shown, name, tint in ((row.problem, "warning", colours.warning), (row.has_policy, "adapt", colours.accent)):
            if shown:
                right -= 18
                self._paint_icon(painter, name, tint, right, area)
        painter.setFont(scaled_font(1.0, bold=True))
        painter.setPen(QColor(colours.text))
        room = QRect(area.left(), area.top(), right - area.left() - 4, area.height())
        painter.drawText(room, _LEFT, painter.fontMetrics().elidedText(row.name, _ELIDE_MODE, room.width()))

    def _paint_take(self, painter: QPainter, row: TakeRow, area: QRect) -> None:
        colours, left = self._theme.colours, area.left()
        painter.setFont(scaled_font(0.92))
        painter.setPen(QColor(colours.text))
        painter.drawText(QRect(left, area.top(), 34, area.height()), _LEFT, row.name)
        right = area.right() - 34
        painter.setPen(QColor(colours.muted))
        facts = f"{row.duration:.1f} s · {row.samples}" if row.samples else "cannot be read"
        width = painter.fontMetrics().horizontalAdvance(facts)
        painter.drawText(QRect(right - width - 4, area.top(), width, area.height()), _LEFT, facts)
        room = QRectF(left + 34, area.top() + 7, right - width - left - 50, area.height() - 14)
        self._paint_sparkline(painter, row, room)
        marks = {True: ("success", colours.success), False: ("failure", colours.danger)}
        if row.success is not None:
            self._paint_icon(painter, *marks[row.success], area.right() - 14, area)
        if row.quality_problem:
            self._paint_icon(painter, "warning", colours.warning, area.right() - 32, area)

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


_ELIDE_MODE = Qt.TextElideMode.ElideRight
