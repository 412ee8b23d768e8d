"""Carries out what a person does with the selected tasks and takes; every change can be undone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.selection import describe_takes
from metagui.gui.curation.details_dialog import DetailsDialog
from metagui.gui.curation.target_dialog import TargetDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QWidget

    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.selection import Selection
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.library.task_list import TaskList


class CurationController(QObject):
    """Actions on the selection, with the dialogs that they need."""

    task_changed = Signal(str)
    """Name of a task that takes were moved to, to be selected once it is listed."""

    def __init__(
        self,
        window: QWidget,
        actions: Actions,
        task_list: TaskList,
        library: LibraryModel,
        state: AppState,
        messages: Messages,
    ) -> None:
        """Connect the actions, and takes that are dropped on tasks."""
        super().__init__(window)
        self._library, self._state, self._messages, self._actions = library, state, messages, actions
        self.target_dialog, self.details_dialog = TargetDialog(window), DetailsDialog(window)
        self._on_target: Callable[[str], None] = self._ignore
        self._edited: tuple[TakeKey, ...] = ()
        slots: dict[str, Callable[[], None]] = {
            "delete": self._delete,
            "duplicate": self._duplicate,
            "success": self._mark_success,
            "failure": self._mark_failure,
            "move": self._ask_move,
            "split": self._ask_split,
            "merge": self._ask_merge,
            "details": self._ask_details,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)
        self.target_dialog.task_chosen.connect(self._use_target)
        self.details_dialog.accepted_details.connect(self._set_details)
        task_list.model.takes_dropped.connect(self._drop)

    def close(self) -> None:
        """Close the dialogs."""
        self.target_dialog.close()
        self.details_dialog.close()

    @property
    def _selected(self) -> Selection:
        return self._state.snapshot.selected

    def _selected_takes(self) -> tuple[TakeKey, ...]:
        """Return the selected takes, and all takes of the selected tasks."""
        rows = [self._library.find_task(task) for task in self._selected.tasks]
        return (*(take.key for row in rows if row is not None for take in row.takes), *self._selected.takes)

    # Delete, copy, mark

    def _delete(self) -> None:
        """Move the selected takes and tasks to the trash."""
        selected = self._selected
        if len(selected) and self._library.delete(selected):
            self._messages.post(f"Moved {selected.describe()} to the trash", "info", "undo")

    def _duplicate(self) -> None:
        """Copy the selected takes within their tasks, and a selected task as a new one."""
        for task in self._selected.tasks:
            row = self._library.find_task(task)
            if row is not None and row.takes:
                copy = self._find_unused_name(task)
                if self._library.copy_takes([take.key for take in row.takes], copy):
                    self.task_changed.emit(copy)
        for task, takes in self._selected.takes_by_task().items():
            self._library.copy_takes([TakeKey(task, take) for take in takes])

    def _mark_success(self) -> None:
        self._mark(True)

    def _mark_failure(self) -> None:
        self._mark(False)

    def _mark(self, success: bool) -> None:
        if self._selected.takes:
            self._library.mark_takes(self._selected.takes, success)

    # Move, split, merge

    def _ask_move(self) -> None:
        takes = self._selected.takes
        others = [row.name for row in self._library.tasks if {row.name} != {key.task for key in takes}]
        self._on_target = self._move
        self.target_dialog.ask(f"Move {describe_takes(takes)} to", "Move", others)

    def _ask_split(self) -> None:
        takes = self._selected.takes
        names = [row.name for row in self._library.tasks]
        self._on_target = self._move
        proposal = self._find_unused_name(takes[0].task)
        self.target_dialog.ask(f"Split {describe_takes(takes)} off as the task", "Move", names, proposal)

    def _ask_merge(self) -> None:
        tasks = self._selected.tasks
        others = [row.name for row in self._library.tasks if (row.name,) != tasks]
        self._on_target = self._merge
        self.target_dialog.ask(f"Merge {self._selected.describe()} into", "Merge", others, allows_new=False)

    def _use_target(self, task: str) -> None:
        self._on_target(task)

    def _ignore(self, _task: str) -> None: ...

    def _move(self, task: str) -> None:
        self._move_takes(self._selected.takes, task)

    def _move_takes(self, takes: Sequence[TakeKey], task: str) -> None:
        if self._library.move_takes(takes, task):
            self._messages.post(f"Moved {describe_takes(takes)} to “{task}”", "success", "undo")
            self.task_changed.emit(task)

    def _merge(self, task: str) -> None:
        tasks = [name for name in self._selected.tasks if name != task]
        text = self._selected.describe()
        if tasks and self._library.merge_tasks(tasks, task):
            self._messages.post(f"Merged {text} into “{task}”", "success", "undo")
            self.task_changed.emit(task)

    def _drop(self, takes: list[TakeKey], task: str, copies: bool) -> None:
        """Move or copy takes that were dragged to a task; below all tasks, a new one is made of them."""
        action = self._actions["duplicate" if copies else "move"]
        if not action.isEnabled():
            self._messages.post(f"{action.toolTip()} Nothing was moved; drop it again then.", "warning")
        elif copies:
            self._library.copy_takes(takes, task or None)
        else:
            self._move_takes(takes, task or self._find_unused_name(takes[0].task))

    def _find_unused_name(self, name: str) -> str:
        """Return the name with a number that no task has."""
        names = (f"{name} {number}" for number in itertools.count(2))
        return next(each for each in names if self._library.find_similar_name(each) == each and not self._exists(each))

    def _exists(self, name: str) -> bool:
        return self._library.find_task(name) is not None

    # Tags and notes

    def _ask_details(self) -> None:
        self._edited = self._selected_takes()
        rows = {take.key: take for row in self._library.tasks for take in row.takes}
        infos = [info for key in self._edited if key in rows and (info := rows[key].info) is not None]
        tags = {tag for row in rows.values() if row.info is not None for tag in row.info.tags}
        if infos:
            self.details_dialog.edit(describe_takes(self._edited), infos, tags)

    def _set_details(self, added: set[str], removed: set[str], notes: str | None) -> None:
        self._library.edit_details(self._edited, added, removed, notes)
