"""Qt item model of tasks and takes for the task list; takes can be dragged to other tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.library.task_rows import TakeRow, TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

ModelIndex = QModelIndex | QPersistentModelIndex
ROW_ROLE = Qt.ItemDataRole.UserRole
TAKES_MIME_TYPE = "application/x-metagui-takes"
"""Type of dragged takes: a JSON list of pairs of task and take."""


class TaskModel(QAbstractItemModel):
    """Model with two levels, tasks and their takes; editing a task's name emits ``rename_requested``."""

    rename_requested = Signal(str, str)
    """Old and new name of a task."""
    takes_dropped = Signal(list, str, bool)
    """Keys of takes, the task that they were dropped on, empty for none, and True to copy them."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tasks: tuple[TaskRow, ...] = ()
        self._ids: dict[str, int] = {}
        """Internal id of the takes of each task, so that their indexes stay valid when tasks come and go."""
        self._numbers: dict[int, int] = {}
        """Row of each task by that id."""

    def set_tasks(self, tasks: Sequence[TaskRow]) -> None:
        """Show another list of tasks; only rows that differ change, so that expanded and selected ones stay."""
        new = tuple(tasks)
        if new == self.tasks:
            return
        begin, old_end, new_end = _find_difference(self.tasks, new)
        if [row.name for row in self.tasks[begin:old_end]] == [row.name for row in new[begin:new_end]]:
            for number in range(begin, new_end):
                self._replace_task(number, new[number])
            return
        if old_end > begin:
            self.beginRemoveRows(QModelIndex(), begin, old_end - 1)
            self._set_rows(self.tasks[:begin] + self.tasks[old_end:])
            self.endRemoveRows()
        if new_end > begin:
            self.beginInsertRows(QModelIndex(), begin, new_end - 1)
            self._set_rows(new)
            self.endInsertRows()

    def _set_rows(self, tasks: tuple[TaskRow, ...]) -> None:
        self.tasks = tasks
        for row in tasks:
            self._ids.setdefault(row.name, len(self._ids) + 1)
        self._numbers = {self._ids[row.name]: number for number, row in enumerate(tasks)}

    def _replace_task(self, number: int, row: TaskRow) -> None:
        """Replace the record of a task, and the takes that differ."""
        old, parent = self.tasks[number], self.index(number, 0)
        begin, old_end, new_end = _find_difference(old.takes, row.takes)
        if [take.name for take in old.takes[begin:old_end]] == [take.name for take in row.takes[begin:new_end]]:
            self._set_row(number, row)
            if new_end > begin:
                self.dataChanged.emit(self.index(begin, 0, parent), self.index(new_end - 1, 0, parent))
        else:
            if old_end > begin:
                self.beginRemoveRows(parent, begin, old_end - 1)
                kept = old.takes[:begin] + old.takes[old_end:]
                self._set_row(number, TaskRow(row.name, kept, row.has_policy, row.problem, row.hidden_takes))
                self.endRemoveRows()
            if new_end > begin:
                self.beginInsertRows(parent, begin, new_end - 1)
                self._set_row(number, row)
                self.endInsertRows()
        self._set_row(number, row)
        self.dataChanged.emit(parent, parent)

    def _set_row(self, number: int, row: TaskRow) -> None:
        self.tasks = (*self.tasks[:number], row, *self.tasks[number + 1 :])

    def row_of(self, index: ModelIndex) -> TaskRow | TakeRow | None:
        """Return the record of an index; None if it is invalid."""
        if not index.isValid():
            return None
        if index.internalId() == 0:
            return self.tasks[index.row()] if index.row() < len(self.tasks) else None
        number = self._numbers.get(index.internalId())
        takes = () if number is None else self.tasks[number].takes
        return takes[index.row()] if index.row() < len(takes) else None

    def index_of(self, task: str, take: str | None = None) -> QModelIndex:
        """Return the index of a task or a take; an invalid index if the task does not exist."""
        number = self._numbers.get(self._ids.get(task, 0))
        if number is None:
            return QModelIndex()
        names, parent = [t.name for t in self.tasks[number].takes], self.index(number, 0)
        return self.index(names.index(take), 0, parent) if take in names else parent

    # QAbstractItemModel

    def index(self, row: int, column: int, parent: ModelIndex = QModelIndex()) -> QModelIndex:  # noqa: B008
        """Return the index of a row; the internal id of a task is 0."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, self._ids[self.tasks[parent.row()].name] if parent.isValid() else 0)

    def parent(self, index: ModelIndex = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        """Return the index of a take's task."""
        number = self._numbers.get(index.internalId()) if index.isValid() and index.internalId() else None
        return QModelIndex() if number is None else self.createIndex(number, 0, 0)

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return the number of tasks, or of takes in a task."""
        if not parent.isValid():
            return len(self.tasks)
        return len(self.tasks[parent.row()].takes) if parent.internalId() == 0 else 0

    def columnCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return 1: the delegate paints everything in one column."""
        return 1

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name, the summary or the record of a row."""
        row = self.row_of(index)
        if row is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return row.name
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return row.summary
        return row if role == ROW_ROLE else None

    def setData(self, index: ModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Emit ``rename_requested`` with the edited name of a task."""
        row, name = self.row_of(index), str(value).strip()
        if role != Qt.ItemDataRole.EditRole or not isinstance(row, TaskRow) or name in ("", row.name):
            return False
        self.rename_requested.emit(row.name, name)
        return True

    def flags(self, index: ModelIndex) -> Qt.ItemFlag:
        """Return the item flags: task names can be edited, takes can be dragged, and both take what is dropped."""
        row = self.row_of(index)
        flags = super().flags(index) | Qt.ItemFlag.ItemIsDropEnabled
        if isinstance(row, TaskRow):
            return flags | Qt.ItemFlag.ItemIsEditable
        is_own = isinstance(row, TakeRow) and (row.info is None or not row.info.read_only)
        return flags | Qt.ItemFlag.ItemIsDragEnabled if is_own else flags

    # Drag and drop

    def supportedDropActions(self) -> Qt.DropAction:
        """Return that takes can be moved, and copied with Ctrl."""
        return Qt.DropAction.MoveAction | Qt.DropAction.CopyAction

    def mimeTypes(self) -> list[str]:
        """Return the type of dragged takes."""
        return [TAKES_MIME_TYPE]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Return the keys of the takes that are dragged."""
        rows = [self.row_of(index) for index in indexes]
        out = QMimeData()
        keys = [tuple(row.key) for row in rows if isinstance(row, TakeRow)]
        out.setData(TAKES_MIME_TYPE, json.dumps(keys).encode())
        return out

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: ModelIndex) -> bool:
        """Emit ``takes_dropped``; return False, so that the view removes no rows by itself."""
        if data.hasFormat(TAKES_MIME_TYPE):
            keys = [TakeKey(*pair) for pair in json.loads(data.data(TAKES_MIME_TYPE).toStdString())]
            target = self.row_of(parent)
            task = target.task if isinstance(target, TakeRow) else target.name if target else ""
            self.takes_dropped.emit(keys, task, action == Qt.DropAction.CopyAction)
        return False


def _find_difference(old: Sequence[Any], new: Sequence[Any]) -> tuple[int, int, int]:
    """Return where two sequences begin to differ, and where the differing parts end in both."""
    begin, common = 0, min(len(old), len(new))
    while begin < common and (old[begin] is new[begin] or old[begin] == new[begin]):
        begin += 1
    end = 0
    while end < common - begin and (old[-1 - end] is new[-1 - end] or old[-1 - end] == new[-1 - end]):
        end += 1
    return begin, len(old) - end, len(new) - end
