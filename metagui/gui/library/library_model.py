"""Model of the library for the window: its tasks and takes, and changes that can be undone.

Takes are written in the background. Moving files is fast and is done at once, so that undo is immediate.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal

from metagui.demonstrations.curation import changes
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.task_names import to_collision_key
from metagui.gui.core.selection import describe_takes
from metagui.gui.library.listed_library import ListedLibrary
from metagui.gui.library.task_rows import TaskRow, make_take_row
from metagui.gui.library.undo import LibraryHistory, describe_saving, describe_selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metagui.demonstrations.curation.changes import Change
    from metagui.demonstrations.demonstration import Demonstration, Segment, TakeKey
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.selection import Selection


class LibraryModel(ListedLibrary):
    """Tasks and takes of one library, with an undo history that survives the program and follows other ones."""

    undo_changed = Signal()
    """The next command to undo or redo has changed."""

    def __init__(self, library: Library, background_queue: BackgroundQueue, messages: Messages) -> None:
        super().__init__(library, background_queue, messages)
        self.undo_stack = LibraryHistory(messages.post_error, self._on_changed, self)
        self.undo_stack.load(ChangeHistory(library))
        self.undo_stack.indexChanged.connect(self.undo_changed)
        self.tasks_changed.connect(self.undo_stack.follow)

    def close(self) -> None:
        """Finish all reading and writing, and end the history of this session."""
        super().close()
        self.undo_stack.close()

    def _on_looked(self, found: tuple[tuple[TaskRow, ...], list[str]]) -> None:
        super()._on_looked(found)
        self.undo_stack.follow()  # what another program undid may be nothing that is listed

    # New takes

    def save_take(
        self,
        take: Demonstration,
        on_stored: Callable[[], None],
        on_saved: Callable[[TakeInfo], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """Save a new take in the background; it can be undone.

        ``on_stored`` is called in the other thread once the file is safe, ``on_saved`` or ``on_failure`` in this one.
        """

        def work() -> TakeInfo:
            info = self.library.add_take(take)
            on_stored()
            return info

        def done(info: TakeInfo) -> None:
            self._push_saved(info)
            on_saved(info)
            self._add_row(info)

        self._background_queue.submit(work, done, on_failure)

    def _push_saved(self, info: TakeInfo) -> None:
        """Add a saved take to the history; undoing the first take of a new task removes the task."""
        is_new_task = self.find_task(info.task) is None
        undoing = changes.trash(info.task, None if is_new_task else info.name)
        self.undo_stack.add_change(describe_saving(info.task, info.name), (info.task, info.task), undoing)

    def _add_row(self, info: TakeInfo) -> None:
        """Add a take to ``tasks`` without reading the library again."""
        row = self.find_task(info.task) or TaskRow(info.task, (), self.adapted_path(info.task).is_file())
        takes = [take for take in row.takes if take.name != info.name] + [make_take_row(info)]
        added = replace(row, takes=tuple(takes))
        rows = [each for each in self.tasks if each.name != info.task] + [added]
        self.tasks = tuple(sorted(rows, key=lambda each: to_collision_key(each.name)))
        self.tasks_changed.emit()

    # Tasks and takes

    def move_to_trash(self, task: str, take: str | None) -> bool:
        """Move a take or a whole task to the trash; a task without policy goes with its last take."""
        change = self._removing(task, [take] if take else [])
        return self._apply(f"deleting {describe_selection(task, take)}", (task, task), change)

    def delete(self, selected: Selection) -> bool:
        """Move tasks and takes to the trash, as one change."""
        removing = [changes.trash(task) for task in selected.tasks]
        removing += [self._removing(task, takes) for task, takes in selected.takes_by_task().items()]
        return self._apply(f"deleting {selected.describe()}", _concerned(selected), changes.several(removing))

    def _removing(self, task: str, takes: Sequence[str]) -> Change:
        """Return the change that removes takes, or the whole task where nothing would be left of it."""
        if not takes or self._would_be_empty(task, takes):
            return changes.trash(task)
        return changes.several([changes.trash(task, take) for take in takes])

    def _would_be_empty(self, task: str, takes: Sequence[str]) -> bool:
        """Whether a task has no policy and no other takes than these."""
        row = self.find_task(task)
        return row is not None and not row.has_policy and {take.name for take in row.takes} <= set(takes)

    def rename_task(self, task: str, new_name: str) -> bool:
        """Rename a task; return False if that failed."""
        change = changes.rename_task(task, new_name)
        return self._apply(f"renaming “{task}” to “{new_name}”", (task, new_name), change)

    def merge_tasks(self, tasks: Sequence[str], into: str) -> bool:
        """Move all takes of tasks to another one, and the empty tasks to the trash, as one change."""
        try:
            merging = [changes.merge_tasks(self.library, task, into) for task in tasks]
        except LibraryError as error:
            self._messages.post_error(error)
            return False
        names = f"“{tasks[0]}”" if len(tasks) == 1 else f"{len(tasks)} tasks"
        return self._apply(f"merging {names} into “{into}”", (tasks[0], into), changes.several(merging))

    def move_takes(self, takes: Sequence[TakeKey], to: str) -> bool:
        """Move takes to another task, which may be new: it splits theirs. A task goes with its last take."""
        moved = [key for key in takes if key.task != to]
        by_task: dict[str, list[str]] = {}
        for key in moved:
            by_task.setdefault(key.task, []).append(key.take)
        moving: list[Change] = []
        for task, names in by_task.items():
            moving.append(changes.move_takes(task, names, to))
            if self._would_be_empty(task, names):
                moving.append(changes.trash(task))
        if not moved:
            return False
        verb = "moving" if self.find_task(to) else "splitting"
        return self._apply(f"{verb} {describe_takes(moved)} to “{to}”", (moved[0].task, to), changes.several(moving))

    def copy_takes(self, takes: Sequence[TakeKey], to: str | None = None) -> bool:
        """Copy takes within their tasks, or to another one, as one change."""
        is_new_task = to is not None and self.find_task(to) is None
        undoing: list[Change] = []
        copies: list[str] = []
        try:
            for key in takes:
                name, change = changes.copy_take(self.library, *key, to)
                copies.append(name)
                undoing.insert(0, change)
        except LibraryError as error:
            self._messages.post_error(error)
        if not undoing:
            return False
        text = f"copying {describe_takes(takes[: len(undoing)])}"
        task = to or takes[0].task
        undo_all = changes.trash(task) if is_new_task else changes.several(undoing)
        self.undo_stack.add_change(text, (task, task), undo_all)
        where = f" to “{to}”" if to else f" as take {', '.join(copies)}"
        self._messages.post(f"Copied {describe_takes(takes[: len(undoing)])}{where}", "success", "undo")
        self.refresh()
        return True

    def copy_take(self, key: TakeKey) -> None:
        """Copy a take within its task."""
        self.copy_takes([key])

    # Facts about takes

    def set_success(self, key: TakeKey, success: bool) -> None:
        """Mark a take as successful or failed; the same mark a second time removes it."""
        self.mark_takes([key], success)

    def mark_takes(self, takes: Sequence[TakeKey], success: bool) -> bool:
        """Mark takes as successful or failed; if all have that mark, remove it."""
        try:
            is_marked = all(self.library.get_take_info(*key).success is success for key in takes)
        except LibraryError as error:
            self._messages.post_error(error)
            return False
        wanted = None if is_marked else success
        change = changes.several([changes.set_fields(*key, success=wanted) for key in takes])
        return self._apply(f"marking {describe_takes(takes)}", (takes[0].task, takes[0].task), change)

    def edit_details(
        self, takes: Sequence[TakeKey], added: Iterable[str], removed: Iterable[str], notes: str | None = None
    ) -> bool:
        """Add and remove tags of takes, which keep their other tags, and replace their notes unless None."""
        changed: list[Change] = []
        try:
            for key in takes:
                info = self.library.get_take_info(*key)
                tags = sorted((set(info.tags) - set(removed)) | set(added))
                fields: dict[str, Any] = {} if tags == sorted(info.tags) else {"tags": tags}
                if notes not in (None, info.notes):
                    fields["notes"] = notes
                if fields:
                    changed.append(changes.set_fields(*key, **fields))
        except LibraryError as error:
            self._messages.post_error(error)
            return False
        task = takes[0].task
        text = f"editing tags and notes of {describe_takes(takes)}"
        return bool(changed) and self._apply(text, (task, task), changes.several(changed))

    def _apply(self, text: str, tasks: tuple[str, str], change: Change) -> bool:
        """Apply a change and add it to the history; return False if it failed."""
        return self.undo_stack.apply_change(text, tasks, change)

    def _on_changed(self) -> None:
        """Read the list again, and forget the takes of tasks that were renamed: others may get their names."""
        with contextlib.suppress(LibraryError):
            tasks = set(self.library.list_tasks())
            for key in [key for key in self._takes if key.task not in tasks]:
                self._takes.pop(key)
        self.refresh()

    def set_segments(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        """Replace the segments of a take that is in memory."""
        take = self._takes.get(key)
        if take is not None:
            before = take.segments
            self.undo_stack.apply(
                f"editing segments of {describe_selection(*key)}",
                (key.task, key.task),
                lambda: self._replace_segments(key, segments),
                lambda: self._replace_segments(key, before),
            )

    def _replace_segments(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        self.library.set_segments(*key, segments)
        take = self._takes.get(key)
        if take is not None:
            self.replace_take(replace(take, segments=segments, manually_segmented=True))


def _concerned(selected: Selection) -> tuple[str, str]:
    """Return the first task that a selection concerns, before and after a change."""
    task = selected.tasks[0] if selected.tasks else selected.takes[0].task
    return task, task
