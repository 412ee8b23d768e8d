"""Filter of the task list by a query, as ``metagui list`` understands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSortFilterProxyModel

from metagui.demonstrations.curation.search import matches, matches_task
from metagui.gui.library.task_model import TakeRow, TaskRow

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from metagui.gui.library.task_model import ModelIndex, TaskModel


class TaskFilter(QSortFilterProxyModel):
    """Shows the tasks whose names fit a query, with all takes, and single takes that fit it, with their tasks."""

    def __init__(self, model: TaskModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model, self._query = model, ""
        self.setRecursiveFilteringEnabled(True)
        self.setAutoAcceptChildRows(True)
        self.setSourceModel(model)

    def set_query(self, query: str) -> None:
        """Filter by a query; an empty one shows everything."""
        self._query = query.strip()
        self.setFilterFixedString(self._query)  # only to filter again

    def filterAcceptsRow(self, source_row: int, source_parent: ModelIndex) -> bool:
        """Whether a row itself fits the query."""
        row = self._model.row_of(self._model.index(source_row, 0, source_parent))
        if isinstance(row, TaskRow):
            return matches_task(row.name, self._query)
        return isinstance(row, TakeRow) and row.info is not None and matches(row.info, self._query)
