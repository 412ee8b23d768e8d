"""Left panel of the window: tasks and their takes, with search, renaming in place and context menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QAbstractItemDelegate, QLabel, QLineEdit, QMenu

from metagui.gui.library.search_row import SearchRow
from metagui.gui.library.task_arrangement import arrange
from metagui.gui.library.task_delegate import TaskDelegate
from metagui.gui.library.task_model import ROW_ROLE, TaskModel
from metagui.gui.library.task_rows import TakeRow, TaskRow
from metagui.gui.library.task_tree import TaskTree
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.panel import EmptyState, EmptyStateStack, Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

TASK_MENU_ACTIONS = (
    "record", "adapt", "run", "", "rename", "merge", "duplicate", "details", "delete", "", "folder",
)  # fmt: skip
TAKE_MENU_ACTIONS = (
    "replay", "replay_arm", "", "success", "failure", "details", "", "move", "split", "duplicate", "delete", "",
    "folder",
)  # fmt: skip
EMPTY_TEXT = "No tasks yet. Press Record, then click in the 3-D view what the gripper should do."
FIRST_TAKE_TEXT = "Recording the first take. Press Finish to save it."


class TaskList(Panel):
    """The panel: search field, tree and buttons."""

    selection_changed = Signal(object, object, object)
    """Names of the task and the take that are shown, or None, and the Selection."""

    def __init__(self, theme: Theme, actions: Actions, sparkline: Callable[[TakeRow], FloatArray | None]) -> None:
        super().__init__("Tasks")
        self._actions = actions
        self._rows: tuple[TaskRow, ...] = ()
        self.model = TaskModel(self)
        self.tree = TaskTree(self.model)
        self.tree.setItemDelegate(TaskDelegate(theme, sparkline, self.tree))
        self.search_row = SearchRow(theme, actions)
        self.search = self.search_row.field
        for key in ("undo", "redo", "delete"):
            self.header.addWidget(make_button(actions[key], "flat", show_text=False))
        self.content = EmptyStateStack(self.tree, EmptyState(theme, "folder", EMPTY_TEXT, actions["record"]))
        self.notice_label = QLabel()
        self.notice_label.setObjectName("alarm")
        self.notice_label.setWordWrap(True)
        self.notice_label.hide()
        self.body.addWidget(self.notice_label)
        self.body.addWidget(self.search_row)
        self.body.addWidget(self.content, 1)
        self.search_row.query_changed.connect(self._show_arranged)
        self.search_row.order_changed.connect(self._show_arranged)
        self.tree.chosen.connect(self._report_selection)
        self.tree.customContextMenuRequested.connect(self._show_context_menu)

    def show_notice(self, text: str, details: str) -> None:
        """Show above the list what concerns all of it, such as that it cannot be changed."""
        self.notice_label.setText(text)
        self.notice_label.setToolTip(details)
        self.notice_label.setVisible(bool(text))

    def show_tasks(self, tasks: Sequence[TaskRow]) -> None:
        """Show another list; expanded tasks and the selection stay."""
        self._rows = tuple(tasks)
        self.search_row.set_tags({tag for row in tasks for take in row.takes if take.info for tag in take.info.tags})
        self._show_arranged()
        self.content.set_filled(bool(tasks))

    def _show_arranged(self, *_: object) -> None:
        """Show the tasks that fit the search, in the chosen order, and how many do not."""
        arranged = arrange(self._rows, self.search.text(), self.search_row.order)
        self.search_row.show_result(arranged.describe())
        self.tree.show_rows(arranged.tasks, arranged.found_tasks)

    def select(self, task: str | None, take: str | None = None) -> None:
        """Select a task or one of its takes, which the search then may not hide; None clears the selection."""
        is_hidden = task is not None and not self.model.index_of(task).isValid()
        if is_hidden and any(row.name == task for row in self._rows):
            self.search.clear()
        self.tree.select(task, take)

    def is_listed(self, task: str, take: str | None) -> bool:
        """Return whether a take is in the list and not hidden by the search; any task can be selected."""
        return take is None or self.model.index_of(task, take) != self.model.index_of(task)

    def current_selection(self) -> tuple[str | None, str | None]:
        """Return the names of the task and the take that are shown, or None."""
        return self.tree.primary()

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

    def _report_selection(self) -> None:
        self.selection_changed.emit(*self.tree.primary(), self.tree.selection())

    def _show_context_menu(self, position: QPoint) -> None:
        row = self.tree.indexAt(position).data(ROW_ROLE)
        if row is None:
            return
        menu = QMenu(self)
        for key in TAKE_MENU_ACTIONS if isinstance(row, TakeRow) else TASK_MENU_ACTIONS:
            menu.addAction(self._actions[key]) if key else menu.addSeparator()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.tree.viewport().mapToGlobal(position))

    def show_recording(self, recording: bool) -> None:
        """Show in an empty list that the first take is being recorded."""
        self.content.empty_state.set_sentence(FIRST_TAKE_TEXT if recording else EMPTY_TEXT)
