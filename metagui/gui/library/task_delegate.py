"""Paints a row of the task list: a task with its count and policy mark, a take with its sparkline and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from metagui.gui.library.task_model import ROW, TakeRow, TaskRow
from metagui.gui.theme.icons import pixmap
from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

Index = QModelIndex | QPersistentModelIndex
TASK_HEIGHT, TAKE_HEIGHT = 34, 28
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class TaskDelegate(QStyledItemDelegate):
    """``sparkline`` gives a take's shape as numbers from 0 to 1, or None while it is unknown."""

    def __init__(
        self, theme: Theme, sparkline: Callable[[TakeRow], FloatArray | None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._sparkline = theme, sparkline

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Tasks are a little taller than takes."""
        return QSize(160, TASK_HEIGHT if isinstance(index.data(ROW), TaskRow) else TAKE_HEIGHT)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Edit a name in place."""
        editor = QLineEdit(parent)
        editor.setObjectName("editor")
        editor.setAccessibleName("Name of the task")
        return editor

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one row."""
        row, place = index.data(ROW), option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, option, place)
        inside = place.adjusted(8, 0, -8, 0)
        if isinstance(row, TaskRow):
            self._paint_task(painter, row, inside)
        elif isinstance(row, TakeRow):
            self._paint_take(painter, row, inside)
        painter.restore()

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, place: QRect) -> None:
        state, colours = option.state, self._theme.colours
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(colours.selection))
            painter.drawRoundedRect(place.adjusted(0, 1, 0, -1), 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(place.adjusted(0, 1, 0, -1), 6, 6)

    def _paint_task(self, painter: QPainter, row: TaskRow, place: QRect) -> None:
        colours = self._theme.colours
        painter.setFont(scaled_font(0.92))
        count = str(len(row.takes))
        painter.setPen(QColor(colours.muted))
        painter.drawText(place, _RIGHT, count)
        right = place.right() - painter.fontMetrics().horizontalAdvance(count) - 8
        for shown, name, tint in ((row.problem, "warning", colours.warning), (row.adapted, "adapt", colours.accent)):
            if shown:
                right -= 18
                self._paint_icon(painter, name, tint, right, place)
        painter.setFont(scaled_font(1.0, bold=True))
        painter.setPen(QColor(colours.text))
        room = QRect(place.left(), place.top(), right - place.left() - 4, place.height())
        painter.drawText(room, _LEFT, painter.fontMetrics().elidedText(row.name, _ELIDE, room.width()))

    def _paint_take(self, painter: QPainter, row: TakeRow, place: QRect) -> None:
        colours, left = self._theme.colours, place.left()
        painter.setFont(scaled_font(0.92))
        painter.setPen(QColor(colours.text))
        painter.drawText(QRect(left, place.top(), 34, place.height()), _LEFT, row.name)
        right = place.right() - 34
        painter.setPen(QColor(colours.muted))
        facts = f"{row.duration:.1f} s · {row.samples}" if row.samples else "cannot be read"
        width = painter.fontMetrics().horizontalAdvance(facts)
        painter.drawText(QRect(right - width - 4, place.top(), width, place.height()), _LEFT, facts)
        room = QRectF(left + 34, place.top() + 7, right - width - left - 50, place.height() - 14)
        self._paint_sparkline(painter, row, room)
        marks = {True: ("success", colours.success), False: ("failure", colours.danger)}
        if row.success is not None:
            self._paint_icon(painter, *marks[row.success], place.right() - 14, place)
        if row.marked:
            self._paint_icon(painter, "warning", colours.warning, place.right() - 32, place)

    def _paint_sparkline(self, painter: QPainter, row: TakeRow, place: QRectF) -> None:
        values = self._sparkline(row)
        if values is None or place.width() < 16:
            return
        xs = np.linspace(place.left(), place.right(), len(values))
        points = [QPointF(x, place.bottom() - place.height() * v) for x, v in zip(xs, values, strict=True)]
        painter.setPen(QPen(QColor(self._theme.colours.accent), 1.3))
        painter.drawPolyline(QPolygonF(points))

    def _paint_icon(self, painter: QPainter, name: str, tint: str, left: int, place: QRect) -> None:
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(left, place.center().y() - 7, pixmap(name, tint, 15, ratio))


_ELIDE = Qt.TextElideMode.ElideRight
