"""Qt item model of tasks and takes for the task list, and the plain records it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.storage.hdf5 import TakeInfo

ModelIndex = QModelIndex | QPersistentModelIndex
ROW_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class TakeRow:
    """One take as shown in the list; ``samples`` is a count, ``duration`` in s."""

    task: str
    name: str
    samples: int
    duration: float
    success: bool | None = None
    quality_problem: str = ""
    """Why the quality of the take is doubtful; empty if it is good."""
    info: TakeInfo | None = field(default=None, repr=False)
    """Listing of the take, which is searched."""

    @property
    def summary(self) -> str:
        """All facts of the row as text, for screen readers and the tooltip."""
        result = {True: "succeeded", False: "failed", None: ""}[self.success]
        parts = [f"Take {self.name}", f"{self.duration:.1f} s", f"{self.samples} samples", result]
        if self.info is not None:
            parts += [f"tags: {', '.join(self.info.tags)}" * bool(self.info.tags), self.info.notes]
        return ", ".join(p for p in [*parts, self.quality_problem] if p)


@dataclass(frozen=True)
class TaskRow:
    """One task as shown in the list."""

    name: str
    takes: tuple[TakeRow, ...] = ()
    has_policy: bool = False
    problem: str = ""

    @property
    def summary(self) -> str:
        """All facts of the row as text."""
        count = f"{len(self.takes)} take{'' if len(self.takes) == 1 else 's'}"
        parts = [self.name, count, "adapted" if self.has_policy else "", self.problem]
        return ", ".join(p for p in parts if p)


def make_take_row(info: TakeInfo) -> TakeRow:
    """Return the row of a take from its listing."""
    return TakeRow(info.task, info.name, info.sample_count, info.duration, info.success, info.problem, info)


def make_task_row(task: str, takes: Iterable[TakeInfo], has_policy: bool) -> TaskRow:
    """Return the row of a task; its problem names the takes that cannot be read."""
    infos = tuple(takes)
    broken = [info.name for info in infos if info.error]
    problem = f"cannot read take {', '.join(broken)}" if broken else ""
    return TaskRow(task, tuple(map(make_take_row, infos)), has_policy, problem)


class TaskModel(QAbstractItemModel):
    """Model with two levels, tasks and their takes; editing a task's name emits ``rename_requested``."""

    rename_requested = Signal(str, str)
    """Old and new name of a task."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tasks: tuple[TaskRow, ...] = ()

    def set_tasks(self, tasks: Sequence[TaskRow]) -> None:
        """Show another list of tasks."""
        if tuple(tasks) == self.tasks:
            return
        self.beginResetModel()
        self.tasks = tuple(tasks)
        self.endResetModel()

    def row_of(self, index: ModelIndex) -> TaskRow | TakeRow | None:
        """Return the record of an index; None if it is invalid."""
        if not index.isValid():
            return None
        if index.internalId() == 0:
            return self.tasks[index.row()]
        return self.tasks[index.internalId() - 1].takes[index.row()]

    def index_of(self, task: str, take: str | None = None) -> QModelIndex:
        """Return the index of a task or a take; an invalid index if it does not exist."""
        for row_number, row in enumerate(self.tasks):
            if row.name == task:
                parent = self.index(row_number, 0)
                names = [t.name for t in row.takes]
                return self.index(names.index(take), 0, parent) if take in names else parent
        return QModelIndex()

    # QAbstractItemModel

    def index(self, row: int, column: int, parent: ModelIndex = QModelIndex()) -> QModelIndex:  # noqa: B008
        """Return the index of a row; the internal id of a take is its task's row plus one."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: ModelIndex = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        """Return the index of a take's task."""
        if not index.isValid() or index.internalId() == 0:
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

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
        """Return the item flags: task names can be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if isinstance(self.row_of(index), TaskRow) else flags
