"""Model of the library for the window: rows for the task list, takes on demand, and changes that can be undone.

Takes are read and written in the background. Moving files is fast and is done at once, so that undo is immediate.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.curation import changes
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.programs.program import describe_instruction
from metagui.demonstrations.storage.errors import LibraryError, UnknownTakeError, UnknownTaskError
from metagui.demonstrations.storage.task_names import to_collision_key
from metagui.gui.library.sparkline import compute_sparkline
from metagui.gui.library.task_model import TakeRow, TaskRow, make_take_row, make_task_row
from metagui.gui.library.undo import LibraryHistory, describe_saving, describe_selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.index.library_listing import TaskListing
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages

ADAPTED_FILE_NAME = "adapted.safetensors"
"""Name of the file with the policies of a task, in the folder of the task."""
_MAX_CACHED_TAKES = 240
"""Maximum number of takes in memory."""


class LibraryModel(QObject):
    """Tasks and takes of one library, with an undo history."""

    tasks_changed = Signal()
    """``tasks`` has changed."""
    take_loaded = Signal(object)
    """TakeKey of a take that was requested or edited, and is in memory now."""
    undo_changed = Signal()
    """The next command to undo or redo has changed."""

    def __init__(self, library: Library, background_queue: BackgroundQueue, messages: Messages) -> None:
        super().__init__()
        self.library = library
        self.tasks: tuple[TaskRow, ...] = ()
        self.undo_stack = LibraryHistory(messages.post_error, self._on_changed, self)
        self.undo_stack.load(ChangeHistory(library))
        self.undo_stack.indexChanged.connect(self.undo_changed)
        self._background_queue, self._messages = background_queue, messages
        self._takes: OrderedDict[TakeKey, Demonstration] = OrderedDict()
        self._sparklines: dict[TakeKey, FloatArray] = {}
        self._rows: dict[str, tuple[TaskListing, TaskRow]] = {}
        self._requested: set[TakeKey] = set()
        self._reported_problems: list[str] = []
        self._scanning = self._rescan_needed = False

    @property
    def folder(self) -> Path:
        """Folder of the recordings."""
        return self.library.root

    @property
    def is_busy(self) -> bool:
        """True while takes are read or written."""
        return self._background_queue.is_busy

    def close(self) -> None:
        """Finish all reading and writing, and end the history of this session."""
        self._background_queue.close()
        self.undo_stack.close()

    # Reading

    def refresh(self) -> None:
        """Read the list of tasks from disk; once more if called while that is in progress."""
        self._rescan_needed = self._scanning
        if not self._scanning:
            self._scanning = True
            self._background_queue.submit(self._scan_tasks, self._on_scan, self._on_scan_failed)

    def _scan_tasks(self) -> tuple[tuple[TaskRow, ...], list[str]]:
        """Return the rows, and why folders are left out."""
        rows = tuple(self._make_row(task, listing) for task, listing in self.library.list_all().items())
        return rows, [problem.description for problem in self.library.list_folder_problems()]

    def _make_row(self, task: str, listing: TaskListing) -> TaskRow:
        """Return the row of a task; the same object as before if its listing is."""
        if self._rows.get(task, (None,))[0] is not listing:
            self._rows[task] = (listing, make_task_row(task, listing.takes, ADAPTED_FILE_NAME in listing.other_files))
        return self._rows[task][1]

    def _on_scan(self, found: tuple[tuple[TaskRow, ...], list[str]]) -> None:
        self._scanning = False
        self.tasks, problems = found
        self.report_left_out(problem for problem in problems if problem not in self._reported_problems)
        self._reported_problems = problems
        if self._rescan_needed:
            self.refresh()
        self.tasks_changed.emit()

    def _on_scan_failed(self, error: Exception) -> None:
        self._scanning = False
        if self._rescan_needed:  # the library was changed while it was read, so what was read does not count
            self.refresh()
        else:
            self._messages.post_error(error)

    def find_task(self, name: str | None) -> TaskRow | None:
        """Return the row of a task, or None."""
        return next((row for row in self.tasks if row.name == name), None)

    def find_similar_name(self, name: str) -> str:
        """Return the name of the task that a take named ``name`` belongs to, which may differ in case."""
        key = to_collision_key(name)
        return next((row.name for row in self.tasks if to_collision_key(row.name) == key), name)

    def usable_takes(self, task: str | None) -> list[TakeKey]:
        """Return the takes of a task that can be learnt from: readable and not marked as failed."""
        row = self.find_task(task) or TaskRow(task or "")
        return [TakeKey(take.task, take.name) for take in row.takes if take.samples and take.success is not False]

    def load_intact_takes(self, keys: Iterable[TakeKey], left_out: list[str]) -> list[Demonstration]:
        """Read takes in a background thread; append to ``left_out`` why damaged ones are not among them."""
        return [take for key in keys for take in self.library.load_intact_takes(key.task, left_out.append, [key.take])]

    def report_left_out(self, reasons: Iterable[str]) -> None:
        """Post why takes were left out."""
        for reason in reasons:
            self._messages.post(f"Left out: {reason}", "warning")

    def adapted_path(self, task: str) -> Path:
        """Return the path of the policies of a task."""
        return self.library.get_task_folder(task) / ADAPTED_FILE_NAME

    def request_take(self, key: TakeKey) -> Demonstration | None:
        """Return a take if it is in memory; otherwise read it in the background, and ``take_loaded`` follows."""
        if key in self._takes:
            self._takes.move_to_end(key)
            return self._takes[key]
        if key not in self._requested:
            self._requested.add(key)
            self._background_queue.submit(partial(self._load_if_present, key), partial(self._on_take_loaded, key))
        return None

    def _load_if_present(self, key: TakeKey) -> Demonstration | None:
        """Return a take; None if it was renamed or removed since the list was read."""
        with contextlib.suppress(UnknownTaskError, UnknownTakeError):
            return self.library.load_take(*key)
        return None

    def cache_take(self, take: Demonstration) -> None:
        """Hold a take in memory that was read or made elsewhere."""
        key = TakeKey(take.task, take.name)
        self._takes[key] = take
        self._sparklines[key] = compute_sparkline(take)
        while len(self._takes) > _MAX_CACHED_TAKES:
            self._takes.popitem(last=False)

    def get_cached_take(self, key: TakeKey) -> Demonstration | None:
        """Return a take only if it is in memory."""
        return self._takes.get(key)

    def submit(self, work: Callable[[], Any], on_finished: Callable[[Any], None]) -> None:
        """Change files in the background; errors are posted."""
        self._background_queue.submit(work, on_finished, self._messages.post_error)

    def _on_take_loaded(self, key: TakeKey, take: Demonstration | None) -> None:
        self._requested.discard(key)
        if take is not None:
            self.cache_take(take)
            self.take_loaded.emit(key)

    def describe_segments(self, task: str | None) -> list[str]:
        """Return a description of each segment of the first take of a task; empty until that has been read."""
        keys = self.usable_takes(task)
        take = self.request_take(keys[0]) if keys else None
        instructions = [segment.instruction for segment in take.segments] if take else []
        return [describe_instruction(i) if i else f"segment {n}" for n, i in enumerate(instructions, 1)]

    def get_sparkline(self, row: TakeRow) -> FloatArray | None:
        """Return the height of the tool over a take, scaled to [0, 1]; None until the take has been read."""
        key = TakeKey(row.task, row.name)
        if key not in self._sparklines and row.samples:
            self.request_take(key)
        return self._sparklines.get(key)

    # Editing

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

    def move_to_trash(self, task: str, take: str | None) -> None:
        """Move a take or a whole task to the trash; a task without policy goes with its last take."""
        row = self.find_task(task)
        remove_all = take is None or (row is not None and len(row.takes) == 1 and not row.has_policy)
        change = changes.trash(task, None if remove_all else take)
        self.undo_stack.apply_change(f"deleting {describe_selection(task, take)}", (task, task), change)

    def rename_task(self, task: str, new_name: str) -> bool:
        """Rename a task; return False if that failed."""
        change = changes.rename_task(task, new_name)
        return self.undo_stack.apply_change(f"renaming “{task}” to “{new_name}”", (task, new_name), change)

    def _on_changed(self) -> None:
        """Read the list again, and forget the takes of tasks that were renamed: others may get their names."""
        with contextlib.suppress(LibraryError):
            tasks = set(self.library.list_tasks())
            for key in [key for key in self._takes if key.task not in tasks]:
                self._takes.pop(key)
        self.refresh()

    def copy_take(self, key: TakeKey) -> None:
        """Copy a take within its task."""
        try:
            name, undoing = changes.copy_take(self.library, *key)
        except LibraryError as error:
            self._messages.post_error(error)
            return
        self.undo_stack.add_change(f"copying {describe_selection(*key)}", (key.task, key.task), undoing)
        self._messages.post(f"Copied {describe_selection(*key)} as take {name}", "success", "undo")
        self.refresh()

    def set_success(self, key: TakeKey, success: bool) -> None:
        """Mark a take as successful or failed; the same mark a second time removes it."""
        try:
            before = self.library.get_take_info(*key).success
        except LibraryError as error:
            self._messages.post_error(error)
            return
        wanted = None if before is success else success
        change = changes.set_fields(*key, success=wanted)
        self.undo_stack.apply_change(f"marking {describe_selection(*key)}", (key.task, key.task), change)

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
            self._takes[key] = replace(take, segments=segments, manually_segmented=True)
            self.take_loaded.emit(key)
