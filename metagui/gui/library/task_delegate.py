"""Paints the rows of the task list: tasks with take count and policy icon, takes with sparkline and icons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from metagui.gui.library.task_model import ROW_ROLE, TakeRow, TaskRow
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.gui.library.task_model import ModelIndex
    from metagui.gui.theme.theme import Theme

TASK_ROW_HEIGHT_PX, TAKE_ROW_HEIGHT_PX = 34, 28
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_ELIDE_MODE = Qt.TextElideMode.ElideRight


class TaskDelegate(QStyledItemDelegate):
    """Delegate of the task list; ``sparkline`` returns a take's curve from 0 to 1, None if unknown."""

    def __init__(
        self, theme: Theme, sparkline: Callable[[TakeRow], FloatArray | None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._sparkline = theme, sparkline

    def sizeHint(self, option: QStyleOptionViewItem, index: ModelIndex) -> QSize:
        """Return the size of a row; tasks are taller than takes."""
        return QSize(160, TASK_ROW_HEIGHT_PX if isinstance(index.data(ROW_ROLE), TaskRow) else TAKE_ROW_HEIGHT_PX)

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

    def _paint_task(self, painter: QPainter, row: TaskRow, area: QRect) -> None:
        colours = self._theme.colours
        painter.setFont(scaled_font(0.92))
        count = str(len(row.takes))
        painter.setPen(QColor(colours.muted))
        painter.drawText(area, _RIGHT, count)
        right = area.right() - painter.fontMetrics().horizontalAdvance(count) - 8
        for visible, name, tint in (
            (row.problem, "warning", colours.warning),
            (row.has_policy, "adapt", colours.accent),
        ):
            if visible:
                right -= 18
                self._paint_icon(painter, name, tint, right, area)
        painter.setFont(scaled_font(1.0, bold=True))
        painter.setPen(QColor(colours.text))
        name_area = QRect(area.left(), area.top(), right - area.left() - 4, area.height())
        painter.drawText(name_area, _LEFT, painter.fontMetrics().elidedText(row.name, _ELIDE_MODE, name_area.width()))

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
        sparkline_area = QRectF(left + 34, area.top() + 7, right - width - left - 50, area.height() - 14)
        self._paint_sparkline(painter, row, sparkline_area)
        icons = {True: ("success", colours.success), False: ("failure", colours.danger)}
        if row.success is not None:
            self._paint_icon(painter, *icons[row.success], area.right() - 14, area)
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
