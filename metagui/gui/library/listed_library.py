"""What the library holds, for the window: rows for the task list, and takes on demand, read in the background."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.programs.program import describe_instruction
from metagui.demonstrations.storage.errors import UnknownTakeError, UnknownTaskError
from metagui.demonstrations.storage.task_names import to_collision_key
from metagui.gui.library.sparkline import compute_sparkline
from metagui.gui.library.task_rows import TakeRow, TaskRow, make_task_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.index.library_listing import TaskListing
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages

ADAPTED_FILE_NAME = "adapted.safetensors"
"""Name of the file with the policies of a task, in the folder of the task."""
_MAX_CACHED_TAKES = 240
"""Maximum number of takes in memory."""


class ListedLibrary(QObject):
    """Tasks and takes of one library, as they were listed last."""

    tasks_changed = Signal()
    """``tasks`` has changed."""
    take_loaded = Signal(object)
    """TakeKey of a take that was requested or edited, and is in memory now."""

    access_changed = Signal(str)
    """Why the library cannot be changed."""

    def __init__(self, library: Library, background_queue: BackgroundQueue, messages: Messages) -> None:
        super().__init__()
        self.library = library
        self.tasks: tuple[TaskRow, ...] = ()
        self.write_problem = ""
        """Why the library cannot be changed; empty if it can."""
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
        """Finish all reading and writing."""
        self._background_queue.close()

    # Listing

    def check_access(self) -> None:
        """Find out in the background whether the library can be changed; ``access_changed`` follows if not."""
        self._background_queue.submit(self.library.find_write_problem, self._on_access, only_for_window=True)

    def _on_access(self, problem: str) -> None:
        self.write_problem = problem
        if problem:
            self.access_changed.emit(problem)

    def look_for_changes(self) -> None:
        """Read the list of tasks in the background; ``tasks_changed`` follows only if another program changed it."""
        if not self._scanning:
            self._scanning = True
            self._background_queue.submit(self._scan_tasks, self._on_looked, self._on_scan_failed, only_for_window=True)

    def _on_looked(self, found: tuple[tuple[TaskRow, ...], list[str]]) -> None:
        if found == (self.tasks, self._reported_problems) and not self._rescan_needed:
            self._scanning = False
        else:
            self._on_scan(found)

    def refresh(self) -> None:
        """Read the list of tasks from disk; once more if called while that is in progress."""
        self._rescan_needed = self._scanning
        if not self._scanning:
            self._scanning = True
            self._background_queue.submit(self._scan_tasks, self._on_scan, self._on_scan_failed, only_for_window=True)

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
            self._background_queue.submit(
                partial(self._load_if_present, key), partial(self._on_take_loaded, key), only_for_window=True
            )
        return None

    def _load_if_present(self, key: TakeKey) -> Demonstration | None:
        """Return a take; None if it was renamed or removed since the list was read."""
        with contextlib.suppress(UnknownTaskError, UnknownTakeError):
            return self.library.load_take(*key)
        return None

    def cache_take(self, take: Demonstration) -> None:
        """Hold a take in memory that was read or made elsewhere; one that is there may have been edited since."""
        before = self._takes.get(TakeKey(take.task, take.name))
        if before is None or not np.array_equal(before.joint_positions, take.joint_positions):
            self._hold(take)

    def replace_take(self, take: Demonstration) -> None:
        """Hold an edited take in memory; ``take_loaded`` follows."""
        self._hold(take)
        self.take_loaded.emit(TakeKey(take.task, take.name))

    def _hold(self, take: Demonstration) -> None:
        key = TakeKey(take.task, take.name)
        self._takes[key] = take
        self._sparklines[key] = compute_sparkline(take)
        while len(self._takes) > _MAX_CACHED_TAKES:
            self._takes.popitem(last=False)

    def get_cached_take(self, key: TakeKey) -> Demonstration | None:
        """Return a take only if it is in memory."""
        return self._takes.get(key)

    def submit(
        self, work: Callable[[], Any], on_finished: Callable[[Any], None], *, only_for_window: bool = False
    ) -> None:
        """Change files in the background, or only read them; errors are posted."""
        self._background_queue.submit(work, on_finished, self._messages.post_error, only_for_window=only_for_window)

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
