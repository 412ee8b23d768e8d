"""The window's end of the library: rows for the list, takes on demand, and changes that can be undone.

Reading and writing takes happens in errands; moving files about is quick and is done at once, so that undo is too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.programs.program import describe_instruction
from metagui.demonstrations.storage.errors import LibraryError
from metagui.gui.library.task_model import TakeRow, TaskRow
from metagui.gui.library.undo import LibraryCommand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library
    from metagui.demonstrations.storage.trash import TrashEntry
    from metagui.gui.core.task_queue import BackgroundQueue

ADAPTED_FILE_NAME = "adapted.safetensors"
"""Name of the file with a task's policies, in the task's folder."""
_MAX_CACHED_TAKES = 240
"""Takes kept in memory."""
_SPARKLINE_POINTS = 28


class LibraryModel(QObject):
    """Tasks and takes as the window needs them."""

    tasks_changed = Signal()
    """The list is another one; see ``tasks``."""
    take_loaded = Signal(object)
    """A take that was asked for is there: its TakeKey."""
    undo_changed = Signal()
    """There is something else to undo or redo."""
    failed = Signal(object)
    """A LibraryError."""

    def __init__(self, library: Library, background_queue: BackgroundQueue) -> None:
        super().__init__()
        self.library = library
        self.tasks: tuple[TaskRow, ...] = ()
        self.undo_stack = QUndoStack(self)
        self.undo_stack.indexChanged.connect(self._on_undo)
        self._background_queue = background_queue
        self._takes: OrderedDict[TakeKey, Demonstration] = OrderedDict()
        self._sparklines: dict[TakeKey, FloatArray] = {}
        self._requested: set[TakeKey] = set()
        self._scanning = self._rescan_needed = False

    def _on_undo(self, _index: int) -> None:
        self.undo_changed.emit()

    # Looking

    def refresh(self) -> None:
        """Look at the disk again; once more if that is asked for while it is being looked at."""
        self._rescan_needed = self._scanning
        if not self._scanning:
            self._scanning = True
            self._background_queue.submit(self._scan_tasks, self._on_scan, self._on_scan_failed)

    def _scan_tasks(self) -> tuple[TaskRow, ...]:
        return tuple(self._make_row(task) for task in self.library.list_tasks())

    def _make_row(self, task: str) -> TaskRow:
        takes = self.library.list_takes(task)
        rows = tuple(TakeRow(task, i.name, i.sample_count, i.duration, i.success, i.problem) for i in takes)
        broken = [i.name for i in takes if i.error]
        problem = f"cannot read take {', '.join(broken)}" if broken else ""
        return TaskRow(task, rows, self.adapted_path(task).is_file(), problem)

    def _on_scan(self, rows: tuple[TaskRow, ...]) -> None:
        self._scanning = False
        self.tasks = rows
        if self._rescan_needed:
            self.refresh()
        self.tasks_changed.emit()

    def _on_scan_failed(self, error: Exception) -> None:
        self._scanning = False
        self.failed.emit(error)

    def find_task(self, name: str | None) -> TaskRow | None:
        """Return a task's row, if there is one."""
        return next((row for row in self.tasks if row.name == name), None)

    def usable_takes(self, task: str | None) -> list[TakeKey]:
        """Return a task's takes that can be learnt from: readable and not marked as failed."""
        row = self.find_task(task)
        return (
            []
            if row is None
            else [TakeKey(row.name, t.name) for t in row.takes if t.samples and t.success is not False]
        )

    def adapted_path(self, task: str) -> Path:
        """Return where a task's policies are kept."""
        return self.library.get_task_folder(task) / ADAPTED_FILE_NAME

    def request_take(self, key: TakeKey) -> Demonstration | None:
        """Return a take if it is in memory; otherwise read it and say ``loaded`` when it is there."""
        if key in self._takes:
            self._takes.move_to_end(key)
            return self._takes[key]
        if key not in self._requested:
            self._requested.add(key)
            self._background_queue.submit(
                lambda: self.library.load_take(*key), self._on_take_loaded, self._on_load_failed
            )
        return None

    def cache_take(self, take: Demonstration) -> None:
        """Keep a take in memory that was read or made elsewhere."""
        key = TakeKey(take.task, take.name)
        self._takes[key] = take
        self._sparklines[key] = compute_sparkline(take)
        while len(self._takes) > _MAX_CACHED_TAKES:
            self._takes.popitem(last=False)

    def _on_take_loaded(self, take: Demonstration) -> None:
        self.cache_take(take)
        self._requested.discard(TakeKey(take.task, take.name))
        self.take_loaded.emit(TakeKey(take.task, take.name))

    def _on_load_failed(self, error: Exception) -> None:
        self.failed.emit(error)

    def describe_segments(self, task: str | None) -> list[str]:
        """Return what a task's first take shows, click by click, if it has been read."""
        keys = self.usable_takes(task)
        take = self.request_take(keys[0]) if keys else None
        if take is None:
            return []
        return [
            describe_instruction(s.instruction) if s.instruction else f"part {i + 1}"
            for i, s in enumerate(take.segments)
        ]

    def get_sparkline(self, row: TakeRow) -> FloatArray | None:
        """Return a take's shape, the height of the tool from 0 to 1; None until it is known."""
        key = TakeKey(row.task, row.name)
        if key not in self._sparklines and row.samples:
            self.request_take(key)
        return self._sparklines.get(key)

    # Changing

    def save_take(
        self,
        take: Demonstration,
        on_stored: Callable[[], None],
        on_saved: Callable[[TakeInfo], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """Store a new take; it can be undone. ``stored`` is called in the other thread, once the take is safe."""

        def work() -> TakeInfo:
            info = self.library.add_take(take)
            on_stored()
            return info

        def done(info: TakeInfo) -> None:
            self._push_saved(info)
            on_saved(info)

        self._background_queue.submit(work, done, on_failure)

    def _push_saved(self, info: TakeInfo) -> None:
        bin_: list[TrashEntry] = []
        done: list[bool] = []

        def do() -> None:
            if done:
                self.library.restore_trashed(bin_.pop())
            done.append(True)

        def undo() -> None:
            bin_.append(self.library.remove_take(info.task, info.name))

        self.undo_stack.push(LibraryCommand(self, f"recording {info.task} {info.name}", do, undo))

    def move_to_trash(self, task: str, take: str | None) -> None:
        """Move a take or a whole task to the trash."""
        bin_: list[TrashEntry] = []

        def do() -> None:
            bin_.append(self.library.remove_take(task, take) if take else self.library.remove_task(task))

        def undo() -> None:
            self.library.restore_trashed(bin_.pop())

        self.undo_stack.push(LibraryCommand(self, f"deleting {task}{f' {take}' if take else ''}", do, undo))

    def rename_task(self, task: str, new_name: str) -> bool:
        """Give a task another name; return whether it has it."""
        change = LibraryCommand(
            self,
            f"renaming {task}",
            lambda: self._rename_on_disk(task, new_name),
            lambda: self._rename_on_disk(new_name, task),
        )
        self.undo_stack.push(change)
        return self.find_task(new_name) is not None or new_name in self.library.list_tasks()

    def _rename_on_disk(self, old: str, new: str) -> None:
        self.library.rename_task(old, new)
        for key in [k for k in self._takes if k.task == old]:
            self._takes.pop(key)

    def set_success(self, key: TakeKey, success: bool) -> None:
        """Say whether a take succeeded; saying the same twice takes it back."""
        try:
            before = self.library.get_take_info(*key).success
        except LibraryError as error:
            self.failed.emit(error)
            return
        wanted = None if before is success else success
        self._push_edit(
            f"marking {key.task} {key.take}", lambda value: self.library.set_success(*key, value), wanted, before
        )

    def set_segments(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        """Cut a take that is in memory elsewhere."""
        take = self._takes.get(key)
        if take is not None:
            self._push_edit(
                f"cutting {' '.join(key)}", lambda value: self._replace_segments(key, value), segments, take.segments
            )

    def _replace_segments(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        self.library.set_segments(*key, segments)
        take = self._takes.get(key)
        if take is not None:
            self._takes[key] = replace(take, segments=segments, manually_segmented=True)
            self.take_loaded.emit(key)

    def _push_edit(self, text: str, apply: Callable[[Any], Any], after: Any, before: Any) -> None:
        self.undo_stack.push(LibraryCommand(self, text, lambda: apply(after), lambda: apply(before)))


def compute_sparkline(take: Demonstration) -> FloatArray:
    """Return the tool's height over a take as numbers from 0 to 1."""
    height = take.tool_positions[:, 2]
    points = height[np.linspace(0, len(height) - 1, _SPARKLINE_POINTS).astype(int)]
    span = max(float(np.ptp(points)), 0.01)
    return np.asarray((points - points.min()) / span)
