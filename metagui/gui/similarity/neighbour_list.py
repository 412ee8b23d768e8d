"""Ranked list of the tasks most similar to the selected one: a table with a bar, a percentage and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from metagui.gui.similarity.ranking_model import (
    SIMILARITY_COLUMN,
    TASK_COLUMN,
    VERDICT_COLUMN,
    RankedRow,
    RankingModel,
)
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent
    from PySide6.QtWidgets import QStyleOptionViewItem

    from metagui.gui.theme.theme import Theme

ROW_HEIGHT_PX, SIMILARITY_BAR_HEIGHT_PX, ICON_PX = 26, 8, 16
COMPACT_ROW_HEIGHT_PX, NARROW_LIST_PX = 38, 440
"""Height of a row with the verdict under the name, and width of the table below which rows are that way."""
SIMILARITY_WIDTH_PX = 132
PERCENTAGE_WIDTH_PX = 46
VERDICT_INDENT_PX = ICON_PX + 6
LEFT_MARGIN_PX, RIGHT_MARGIN_PX = 8, 4
CELL_MARGINS_PX = LEFT_MARGIN_PX + RIGHT_MARGIN_PX
"""Width of a cell that no text uses."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_GRADES = {"same": ("success", "success"), "kind": ("compare", "accent"), "different": ("info", "muted")}
"""Icon and colour of every grade."""


class RankingDelegate(QStyledItemDelegate):
    """Paints the cells: the task's name, a bar that grows with similarity beside its percentage, the verdict."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.has_two_lines = False
        """True if verdicts stand under the names of the tasks."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the size of a cell."""
        return QSize(80, max(ROW_HEIGHT_PX, option.fontMetrics.height() + 8))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one cell."""
        colours, area = self._theme.colours, QRectF(option.rect)
        state = option.state
        model = index.model()
        assert isinstance(model, RankingModel)
        row = model.rows[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(option.font)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, QColor(colours.selection))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, QColor(colours.raised))
        inside = area.adjusted(LEFT_MARGIN_PX, 0, -RIGHT_MARGIN_PX, 0)
        if index.column() == TASK_COLUMN and self.has_two_lines and row.grade:
            above, below = inside.adjusted(0, 2, 0, -area.height() / 2), inside.adjusted(0, area.height() / 2, 0, -2)
            self._paint_text(painter, above, row.task, colours.text)
            self._paint_verdict(painter, below, row)
        elif index.column() == TASK_COLUMN:
            self._paint_text(painter, inside, row.task, colours.text)
        elif index.column() == SIMILARITY_COLUMN:
            self._paint_similarity(painter, inside, row)
        elif row.grade:
            self._paint_verdict(painter, inside, row)
        painter.restore()

    def _paint_verdict(self, painter: QPainter, area: QRectF, row: RankedRow) -> None:
        name, tint = _GRADES[row.grade]
        top, ratio = round(area.center().y() - ICON_PX / 2), painter.device().devicePixelRatioF()
        painter.drawPixmap(round(area.x()), top, make_pixmap(name, getattr(self._theme.colours, tint), ICON_PX, ratio))
        self._paint_text(painter, area.adjusted(VERDICT_INDENT_PX, 0, 0, 0), row.words, self._theme.colours.text)

    def _paint_text(self, painter: QPainter, area: QRectF, text: str, colour: str) -> None:
        painter.setPen(QColor(colour))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(area, _LEFT, shown)

    def _paint_similarity(self, painter: QPainter, area: QRectF, row: RankedRow) -> None:
        colours = self._theme.colours
        width = area.width() - PERCENTAGE_WIDTH_PX
        bar = QRectF(
            area.x(), area.center().y() - SIMILARITY_BAR_HEIGHT_PX / 2, max(width, 0.0), SIMILARITY_BAR_HEIGHT_PX
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.border))
        painter.drawRoundedRect(bar, 4, 4)
        painter.setBrush(QColor(colours.accent))
        painter.drawRoundedRect(QRectF(bar.x(), bar.y(), bar.width() * row.similarity, bar.height()), 4, 4)
        painter.setPen(QColor(colours.muted))
        painter.drawText(area, _RIGHT, f"{row.similarity:.0%}")


class RankingTable(QTableView):
    """The table; Return and a click choose a row, the arrow keys mark one."""

    row_chosen = Signal(str)
    """Name of the task of a row that was clicked, or on which Return was pressed."""
    row_marked = Signal(str)
    """Name of the task of the current row."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.ranking = RankingModel()
        self.setModel(self.ranking)
        self._delegate = RankingDelegate(theme, self)
        self._has_verdicts = False
        self.setItemDelegate(self._delegate)
        self.setAccessibleName("Tasks ranked by similarity")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT_PX)
        self._set_columns(self.horizontalHeader())
        self.clicked.connect(self._on_clicked)

    def _set_columns(self, header: QHeaderView) -> None:
        header.setHighlightSections(False)
        header.setDefaultAlignment(_LEFT)
        header.setSectionsClickable(False)
        header.setSectionResizeMode(TASK_COLUMN, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(SIMILARITY_COLUMN, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(VERDICT_COLUMN, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(SIMILARITY_COLUMN, SIMILARITY_WIDTH_PX)

    @property
    def has_two_lines(self) -> bool:
        """True if verdicts stand under the names of the tasks, because the table is narrow."""
        return self._delegate.has_two_lines

    def show_verdicts(self, shown: bool) -> None:
        """Show or hide the verdicts."""
        self._has_verdicts = shown
        self._fit_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the verdicts under the names in a narrow table, where both would be cut."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        two_lines = self._has_verdicts and self.width() < NARROW_LIST_PX
        self._delegate.has_two_lines = two_lines
        self.setColumnHidden(VERDICT_COLUMN, two_lines or not self._has_verdicts)
        self.verticalHeader().setDefaultSectionSize(COMPACT_ROW_HEIGHT_PX if two_lines else ROW_HEIGHT_PX)

    def currentChanged(
        self, current: QModelIndex | QPersistentModelIndex, previous: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Report the row that became the current one."""
        super().currentChanged(current, previous)
        if current.isValid():
            self.row_marked.emit(self.ranking.rows[current.row()].task)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Make the first row the current one when the focus arrives by the keyboard."""
        super().focusInEvent(event)
        if not self.currentIndex().isValid() and event.reason() != Qt.FocusReason.MouseFocusReason:
            self.setCurrentIndex(self.ranking.index(0, 0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose the current row by Return."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self._on_clicked(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _on_clicked(self, index: QModelIndex) -> None:
        self.row_chosen.emit(self.ranking.rows[index.row()].task)

    def mark(self, task: str | None) -> None:
        """Make a task's row the current one, without a signal; None and unknown tasks clear it."""
        row = self.ranking.find_row(task)
        blocked = self.blockSignals(True)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        if row < 0:
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
        else:
            self.selectionModel().setCurrentIndex(self.ranking.index(row, 0), flags)
            self.scrollTo(self.ranking.index(row, 0))
        self.blockSignals(blocked)


class NeighbourList(QWidget):
    """The table under a sentence with the name of the selected task, and a footnote."""

    task_chosen = Signal(str)
    """Name of a chosen task."""
    task_marked = Signal(str)
    """Name of the task of the current row."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.table = RankingTable(theme)
        self._sentence, self._footnote = ElidingLabel(), ElidingLabel()
        for label in (self._sentence, self._footnote):
            label.setObjectName("muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._sentence)
        layout.addWidget(self.table, 1)
        layout.addWidget(self._footnote)
        self.table.row_chosen.connect(self.task_chosen)
        self.table.row_marked.connect(self.task_marked)
        theme.changed.connect(self.table.viewport().update)

    def show_rows(self, sentence: str, rows: Sequence[RankedRow], footnote: str = "") -> None:
        """Replace the list; the marked task stays marked."""
        current = self.table.currentIndex()
        marked = self.table.ranking.rows[current.row()].task if current.isValid() else None
        self._sentence.set_full_text(sentence)
        self._footnote.set_full_text(footnote)
        self._footnote.setVisible(bool(footnote))
        self.table.show_verdicts(any(row.words for row in rows))
        self.table.horizontalHeader().setVisible(bool(rows))
        self.table.ranking.show_rows(rows)
        self.table.mark(marked)
