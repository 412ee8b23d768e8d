"""The left region: tasks and their takes, with search, names edited in place, and a menu of what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, QSortFilterProxyModel, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QLineEdit, QMenu, QTreeView, QWidget

from metagui.gui.library.task_delegate import TaskDelegate
from metagui.gui.library.task_model import ROW, TakeRow, TaskModel, TaskRow
from metagui.gui.theme.icons import icon
from metagui.gui.widgets.action_button import button
from metagui.gui.widgets.panel import EmptyState, Filled, Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

TASK_MENU = ("record", "adapt", "run", "", "rename", "delete", "", "folder")
UNDER_WAY = "The first take is being recorded. Press Finish to keep it."
TAKE_MENU = ("replay", "replay_arm", "", "success", "failure", "", "delete", "", "folder")


class TaskTree(QTreeView):
    """The view on the model; remembers what was open and chosen when the list changes."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.tasks = model
        self.filtered = QSortFilterProxyModel(self)
        self.filtered.setSourceModel(model)
        self.filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filtered.setRecursiveFilteringEnabled(True)
        self.filtered.setAutoAcceptChildRows(True)
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

    def open_tasks(self) -> set[str]:
        """Names of the tasks whose takes are shown."""
        rows = [self.filtered.index(i, 0) for i in range(self.filtered.rowCount())]
        return {str(row.data()) for row in rows if self.isExpanded(row)}

    def expand_tasks(self, names: set[str]) -> None:
        """Show the takes of these tasks."""
        for i in range(self.filtered.rowCount()):
            index = self.filtered.index(i, 0)
            self.setExpanded(index, str(index.data()) in names)

    def choose(self, task: str, take: str | None = None) -> None:
        """Select a task or a take and bring it into view."""
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
    """Search field, tree and buttons."""

    chosen = Signal(object, object)
    """The chosen task and take, each a name or None."""

    def __init__(self, theme: Theme, actions: Actions, sparkline: Callable[[TakeRow], FloatArray | None]) -> None:
        super().__init__("Tasks")
        self._theme, self._actions = theme, actions
        self.model = TaskModel(self)
        self.tree = TaskTree(self.model)
        self.tree.setItemDelegate(TaskDelegate(theme, sparkline, self.tree))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search tasks")
        self.search.setAccessibleName("Search tasks")
        self.search.setClearButtonEnabled(True)
        self._magnifier = self.search.addAction(icon("search", "#888888"), QLineEdit.ActionPosition.LeadingPosition)
        for key in ("undo", "redo", "delete"):
            self.header.addWidget(button(actions[key], "flat", words=False))
        sentence = "No tasks yet. Record one: click in the view what the gripper should do."
        self._sentence = sentence
        self.place = Filled(self.tree, EmptyState(theme, "folder", sentence, actions["record"]))
        self.body.addWidget(self.search)
        self.body.addWidget(self.place, 1)
        self.body.addWidget(self._footer())
        self.search.textChanged.connect(self.tree.filtered.setFilterFixedString)
        self.tree.selectionModel().currentChanged.connect(self._on_current)
        self.tree.customContextMenuRequested.connect(self._menu)
        theme.changed.connect(self._tint)
        self._tint()

    def _footer(self) -> QWidget:
        out = QWidget()
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        new = button(self._actions["new_task"])
        row.addWidget(new, 1)
        return out

    def show_tasks(self, tasks: Sequence[TaskRow]) -> None:
        """Take over a list, keeping what was open and chosen."""
        opened, (task, take) = self.tree.open_tasks(), self.current()
        self.tree.selectionModel().blockSignals(True)
        self.model.show(tasks)
        self.tree.expand_tasks(opened)
        self.tree.selectionModel().blockSignals(False)
        if task is not None:
            self.tree.choose(task, take)
        self.place.fill(bool(tasks))
        self._on_current()

    def choose(self, task: str | None, take: str | None = None) -> None:
        """Select a task, a take of it, or nothing."""
        if task is None:
            self.tree.clearSelection()
            self.tree.setCurrentIndex(QModelIndex())
        else:
            self.tree.choose(task, take)

    def current(self) -> tuple[str | None, str | None]:
        """Return the chosen task and take."""
        row = self.tree.currentIndex().data(ROW)
        if isinstance(row, TakeRow):
            return row.task, row.name
        return (row.name, None) if isinstance(row, TaskRow) else (None, None)

    def edit_name(self) -> None:
        """Edit the chosen task's name in place."""
        task, _ = self.current()
        if task is not None:
            self.tree.choose(task)
            self.tree.edit(self.tree.currentIndex())

    def _on_current(self, *_: object) -> None:
        self.chosen.emit(*self.current())

    def _menu(self, place: QPoint) -> None:
        row = self.tree.indexAt(place).data(ROW)
        if row is None:
            return
        menu = QMenu(self)
        for key in TAKE_MENU if isinstance(row, TakeRow) else TASK_MENU:
            menu.addAction(self._actions[key]) if key else menu.addSeparator()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.tree.viewport().mapToGlobal(place))

    def _tint(self) -> None:
        self._magnifier.setIcon(icon("search", self._theme.colours.muted))

    def show_recording(self, recording: bool) -> None:
        """Say in an empty list that the first take is under way."""
        self.place.empty.say(
            "The first take is being recorded. Press Finish to keep it." if recording else self._sentence
        )
