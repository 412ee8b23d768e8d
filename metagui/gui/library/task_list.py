"""Left panel of the window: tasks and their takes, with search, renaming in place and context menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QAbstractScrollArea,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QTreeView,
    QWidget,
)

from metagui.demonstrations.curation.search import QUERY_HELP
from metagui.gui.library.task_delegate import TaskDelegate
from metagui.gui.library.task_filter import TaskFilter
from metagui.gui.library.task_model import ROW_ROLE, TakeRow, TaskModel, TaskRow
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.panel import EmptyState, EmptyStateStack, Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QFocusEvent

    from metagui.arms.arm import FloatArray
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

TASK_MENU_ACTIONS = ("record", "adapt", "run", "", "rename", "delete", "", "folder")
TAKE_MENU_ACTIONS = ("replay", "replay_arm", "", "success", "failure", "duplicate", "", "delete", "", "folder")
EMPTY_TEXT = "No tasks yet. Press Record, then click in the 3-D view what the gripper should do."
FIRST_TAKE_TEXT = "Recording the first take. Press Finish to save it."


class TaskTree(QTreeView):
    """The tree view of tasks and takes, filtered by the search text."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.tasks = model
        self.filtered = TaskFilter(model, self)
        self.setModel(self.filtered)
        self.setHeaderHidden(True)
        self.setIndentation(14)
        self.setMouseTracking(True)
        self.setUniformRowHeights(False)
        self.setAccessibleName("Tasks and takes")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Take the focus without choosing the first task, which Qt would do."""
        if self.currentIndex().isValid():
            super().focusInEvent(event)
        else:
            QAbstractScrollArea.focusInEvent(self, event)

    def expanded_tasks(self) -> set[str]:
        """Return the names of the tasks whose takes are shown."""
        indexes = [self.filtered.index(i, 0) for i in range(self.filtered.rowCount())]
        return {str(index.data()) for index in indexes if self.isExpanded(index)}

    def expand_tasks(self, names: set[str]) -> None:
        """Expand the tasks with these names and collapse all others."""
        for i in range(self.filtered.rowCount()):
            index = self.filtered.index(i, 0)
            self.setExpanded(index, str(index.data()) in names)

    def select(self, task: str, take: str | None = None) -> None:
        """Select a task or a take and scroll to it; clear the selection if it does not exist."""
        index = self.filtered.mapFromSource(self.tasks.index_of(task, take))
        if not index.isValid():
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
            return
        if index.parent().isValid():
            self.expand(index.parent())
        self.setCurrentIndex(index)
        self.scrollTo(index)


class TaskList(Panel):
    """The panel: search field, tree and buttons."""

    selection_changed = Signal(object, object)
    """Names of the selected task and take, or None."""

    def __init__(self, theme: Theme, actions: Actions, sparkline: Callable[[TakeRow], FloatArray | None]) -> None:
        super().__init__("Tasks")
        self._theme, self._actions = theme, actions
        self.model = TaskModel(self)
        self.tree = TaskTree(self.model)
        self.tree.setItemDelegate(TaskDelegate(theme, sparkline, self.tree))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search tasks")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip(QUERY_HELP)
        self._search_icon = self.search.addAction(
            make_icon("search", "#888888"), QLineEdit.ActionPosition.LeadingPosition
        )
        for key in ("undo", "redo", "delete"):
            self.header.addWidget(make_button(actions[key], "flat", show_text=False))
        self.content = EmptyStateStack(self.tree, EmptyState(theme, "folder", EMPTY_TEXT, actions["record"]))
        self.body.addWidget(self._make_top_row())
        self.body.addWidget(self.content, 1)
        self.search.textChanged.connect(self.tree.filtered.set_query)
        self.tree.selectionModel().currentChanged.connect(self._on_current_changed)
        self.tree.customContextMenuRequested.connect(self._show_context_menu)
        theme.changed.connect(self._update_icons)
        self._update_icons()

    def _make_top_row(self) -> QWidget:
        """Return the row above the list, whose buttons never move when messages appear below it."""
        out = QWidget()
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.search, 1)
        row.addWidget(make_button(self._actions["new_task"]))
        return out

    def show_tasks(self, tasks: Sequence[TaskRow]) -> None:
        """Show another list; expanded tasks and the selection stay."""
        expanded, (task, take) = self.tree.expanded_tasks(), self.current_selection()
        self.tree.selectionModel().blockSignals(True)
        self.model.set_tasks(tasks)
        self.tree.expand_tasks(expanded)
        self.tree.selectionModel().blockSignals(False)
        if task is not None:
            self.tree.select(task, take)
        self.content.set_filled(bool(tasks))
        self._on_current_changed()

    def select(self, task: str | None, take: str | None = None) -> None:
        """Select a task or one of its takes; clear the selection if ``task`` is None."""
        if task is None:
            self.tree.clearSelection()
            self.tree.setCurrentIndex(QModelIndex())
        else:
            self.tree.select(task, take)

    def current_selection(self) -> tuple[str | None, str | None]:
        """Return the names of the selected task and take, or None."""
        row = self.tree.currentIndex().data(ROW_ROLE)
        if isinstance(row, TakeRow):
            return row.task, row.name
        return (row.name, None) if isinstance(row, TaskRow) else (None, None)

    def edit_name(self) -> None:
        """Edit the name of the selected task in place."""
        task, _ = self.current_selection()
        if task is not None:
            self.tree.select(task)
            self.tree.edit(self.tree.currentIndex())

    def cancel_editing(self) -> None:
        """Close the editor of a name in place, if one is open, and leave the name as it was."""
        for editor in self.tree.viewport().findChildren(QLineEdit):
            self.tree.closeEditor(editor, QAbstractItemDelegate.EndEditHint.RevertModelCache)

    def _on_current_changed(self, *_: object) -> None:
        self.selection_changed.emit(*self.current_selection())

    def _show_context_menu(self, position: QPoint) -> None:
        row = self.tree.indexAt(position).data(ROW_ROLE)
        if row is None:
            return
        menu = QMenu(self)
        for key in TAKE_MENU_ACTIONS if isinstance(row, TakeRow) else TASK_MENU_ACTIONS:
            menu.addAction(self._actions[key]) if key else menu.addSeparator()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.tree.viewport().mapToGlobal(position))

    def _update_icons(self) -> None:
        self._search_icon.setIcon(make_icon("search", self._theme.colours.muted))

    def show_recording(self, recording: bool) -> None:
        """Show in an empty list that the first take is being recorded."""
        self.content.empty_state.set_sentence(FIRST_TAKE_TEXT if recording else EMPTY_TEXT)
