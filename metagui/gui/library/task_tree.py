"""The tree view of tasks and takes: several can be selected, and takes dragged to other tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QAbstractItemView, QAbstractScrollArea, QTreeView

from metagui.gui.core.selection import Selection
from metagui.gui.library.task_model import ROW_ROLE
from metagui.gui.library.task_rows import TakeRow, TaskRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QFocusEvent

    from metagui.gui.library.task_model import TaskModel

HOVER_BEFORE_EXPANDING_MS = 600
"""Time for which takes are held over a task until its takes are shown, ms."""
_SELECT_ONLY = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
_SELECT_TOO = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows


class TaskTree(QTreeView):
    """The tree view of a TaskModel; what is expanded or selected stays while tasks come and go."""

    chosen = Signal()
    """Other rows are selected, or another one of them is the current one."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.tasks = model
        self.expanded_tasks: set[str] = set()
        """Names of the tasks whose takes are shown, also of tasks that are not listed now."""
        self._is_updating = False
        self.setModel(model)
        self.setHeaderHidden(True)
        self.setIndentation(14)
        self.setMouseTracking(True)
        self.setUniformRowHeights(True)
        self.setAccessibleName("Tasks and takes")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(True)  # takes are dropped on rows, not between them
        self.setAutoExpandDelay(HOVER_BEFORE_EXPANDING_MS)
        self.expanded.connect(self._note_expanded)
        self.collapsed.connect(self._note_collapsed)
        self.selectionModel().selectionChanged.connect(self._report_choice)
        self.selectionModel().currentChanged.connect(self._report_choice)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Take the focus without choosing the first task, which Qt would do."""
        if self.currentIndex().isValid():
            super().focusInEvent(event)
        else:
            QAbstractScrollArea.focusInEvent(self, event)

    def startDrag(self, supported_actions: Qt.DropAction) -> None:
        """Drag the selected takes; the library moves them, not the view."""
        dragged = [index for index in self.selectedIndexes() if index.flags() & Qt.ItemFlag.ItemIsDragEnabled]
        if dragged:
            drag = QDrag(self)
            drag.setMimeData(self.tasks.mimeData(dragged))
            drag.exec(supported_actions, Qt.DropAction.MoveAction)

    # Rows

    def show_rows(self, rows: Sequence[TaskRow], expanded: Iterable[str] = ()) -> None:
        """Show other rows; tasks in ``expanded`` are expanded as long as they are shown this way."""
        before, primary = self.selection(), self.primary()
        self._is_updating = True
        self.tasks.set_tasks(rows)
        for task in {*self.expanded_tasks, *expanded}:
            self.setExpanded(self.tasks.index_of(task), True)
        if self.selection() != before or self.primary() != primary:
            self._select_again(before, *primary)
        self._is_updating = False
        self.chosen.emit()

    def _select_again(self, selected: Selection, task: str | None, take: str | None) -> None:
        """Select what was selected before, as far as it exists; the task of a take that has gone."""
        self.select(task, take)
        found = QItemSelection()
        for index in [self.tasks.index_of(name) for name in selected.tasks] + [
            self.tasks.index_of(*key) for key in selected.takes
        ]:
            if index.isValid() and len(selected) > 1:
                found.select(index, index)
        self.selectionModel().select(found, _SELECT_TOO)

    def select(self, task: str | None, take: str | None = None) -> None:
        """Select a task or a take only, and scroll to it; clear the selection if it does not exist."""
        index = self.tasks.index_of(task, take) if task is not None else QModelIndex()
        if not index.isValid():
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
            return
        if index.parent().isValid():
            self.expand(index.parent())
        # not setCurrentIndex, which only adds to the selection while Ctrl is held, as for Ctrl+Z
        self.selectionModel().setCurrentIndex(index, _SELECT_ONLY)
        self.scrollTo(index)

    # What is selected

    def selection(self) -> Selection:
        """Return all selected tasks and takes; takes of a selected task are part of it."""
        rows = [index.data(ROW_ROLE) for index in self.selectionModel().selectedRows()]
        tasks = tuple(row.name for row in rows if isinstance(row, TaskRow))
        return Selection(tasks, tuple(r.key for r in rows if isinstance(r, TakeRow) and r.task not in tasks))

    def primary(self) -> tuple[str | None, str | None]:
        """Return task and take of the current row, or of the last one selected if that is not selected; or None."""
        chosen, index = self.selectionModel().selectedRows(), self.currentIndex()
        if not self.selectionModel().isSelected(index):
            index = chosen[-1] if chosen else QModelIndex()
        row = index.data(ROW_ROLE)
        if isinstance(row, TakeRow):
            return row.task, row.name
        return (row.name, None) if isinstance(row, TaskRow) else (None, None)

    def _report_choice(self, *_: object) -> None:
        if not self._is_updating:
            self.chosen.emit()

    def _note_expanded(self, index: QModelIndex) -> None:
        if not self._is_updating:
            self.expanded_tasks.add(str(index.data()))

    def _note_collapsed(self, index: QModelIndex) -> None:
        if not self._is_updating:
            self.expanded_tasks.discard(str(index.data()))
