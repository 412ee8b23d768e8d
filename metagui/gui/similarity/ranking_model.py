"""Table model of the tasks ranked by similarity: task, similarity, verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from metagui.learning.similarity.similarity import describe_verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.similarity.similarity import Neighbour

RANKING_COLUMNS = ("Task", "Similarity", "Verdict")
TASK_COLUMN, SIMILARITY_COLUMN, VERDICT_COLUMN = range(3)
COLUMN_TOOLTIPS = (
    "Tasks, the most similar first",
    "100 % for equal takes; unrelated tasks have about 30 %",
    "Same task, same kind of task, or a different one",
)
EMPTY_BAR_LOSS = 3.0
"""Imitation loss at which a bar is empty; unrelated tasks have losses between 1.5 and 3."""
ModelIndex = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class RankedRow:
    """One row of the list."""

    task: str
    similarity: float
    """From 0 to 1."""
    words: str = ""
    """Verdict in words; empty if there is none."""
    grade: str = ""
    """Grade of the verdict: same, kind or different; empty if there is none."""
    details: str = ""
    """Sentence for the tooltip."""

    @classmethod
    def from_neighbour(cls, neighbour: Neighbour) -> RankedRow:
        """Return the row of a task that was compared by its takes."""
        verdict, words = neighbour.verdict, describe_verdict(neighbour.verdict)
        details = f"Distance {neighbour.distance:.2f}."
        if verdict.grade != "unranked":
            details = (
                f"Same task {verdict.same:.0%}, same kind {verdict.kind:.0%}, different {verdict.different:.0%}. "
                f"{details}"
            )
        return cls(neighbour.task, neighbour.similarity, words, verdict.grade if words else "", details)

    @classmethod
    def from_loss(cls, task: str, loss: float) -> RankedRow:
        """Return the row of a task that was compared by its policy's imitation loss; that has no verdict."""
        return cls(task, max(0.0, min(1.0, 1.0 - loss / EMPTY_BAR_LOSS)), details=f"Imitation loss {loss:.2f}.")

    def describe(self) -> str:
        """Return the row as one text, for its tooltip and for screen readers."""
        return ", ".join(filter(None, (self.task, f"similarity {self.similarity:.0%}", self.words)))


class RankingModel(QAbstractTableModel):
    """The rows, most similar first."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[RankedRow, ...] = ()

    def show_rows(self, rows: Sequence[RankedRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def find_row(self, task: str | None) -> int:
        """Return the row of a task, -1 without one."""
        return next((index for index, row in enumerate(self.rows) if row.task == task), -1)

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of tasks."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of columns."""
        return 0 if parent.isValid() else len(RANKING_COLUMNS)

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tooltip or accessible text of a cell."""
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (row.task, f"{row.similarity:.0%}", row.words)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{row.describe()}. {row.details} Click to see both demonstrations."
        return row.describe() if role == Qt.ItemDataRole.AccessibleTextRole else None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column, or its tooltip."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return RANKING_COLUMNS[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return COLUMN_TOOLTIPS[section]
        return None
