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

from metagui.demonstrations.programs.program import describe
from metagui.demonstrations.storage.errors import LibraryError
from metagui.gui.library.task_model import TakeRow, TaskRow
from metagui.gui.library.undo import Change
from metagui.gui.similarity.comparison import TakeKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.storage.library import Library, TakeInfo, TrashEntry
    from metagui.gui.core.task_queue import Errands

ADAPTED = "adapted.safetensors"
"""Name of the file with a task's policies, in the task's folder."""
_KEPT = 240
"""Takes kept in memory."""
_SPARKS = 28


class Shelf(QObject):
    """Tasks and takes as the window needs them."""

    changed = Signal()
    """The list is another one; see ``tasks``."""
    loaded = Signal(object)
    """A take that was asked for is there: its TakeKey."""
    undo_changed = Signal()
    """There is something else to undo or redo."""
    failed = Signal(object)
    """A LibraryError."""

    def __init__(self, library: Library, errands: Errands) -> None:
        super().__init__()
        self.library = library
        self.tasks: tuple[TaskRow, ...] = ()
        self.undo_stack = QUndoStack(self)
        self.undo_stack.indexChanged.connect(self._on_undo)
        self._errands = errands
        self._takes: OrderedDict[TakeKey, Demonstration] = OrderedDict()
        self._sparks: dict[TakeKey, FloatArray] = {}
        self._asked: set[TakeKey] = set()
        self._waiting = self._again = False

    def _on_undo(self, _index: int) -> None:
        self.undo_changed.emit()

    # Looking

    def refresh(self) -> None:
        """Look at the disk again; once more if that is asked for while it is being looked at."""
        self._again = self._waiting
        if not self._waiting:
            self._waiting = True
            self._errands.run(self._scan, self._on_scan, self._on_failed_scan)

    def _scan(self) -> tuple[TaskRow, ...]:
        return tuple(self._row(task) for task in self.library.tasks())

    def _row(self, task: str) -> TaskRow:
        takes = self.library.takes(task)
        rows = tuple(TakeRow(task, i.name, i.samples, i.duration, i.success, i.quality) for i in takes)
        broken = [i.name for i in takes if i.error]
        problem = f"cannot read take {', '.join(broken)}" if broken else ""
        return TaskRow(task, rows, self.adapted_path(task).is_file(), problem)

    def _on_scan(self, rows: tuple[TaskRow, ...]) -> None:
        self._waiting = False
        self.tasks = rows
        if self._again:
            self.refresh()
        self.changed.emit()

    def _on_failed_scan(self, error: Exception) -> None:
        self._waiting = False
        self.failed.emit(error)

    def task(self, name: str | None) -> TaskRow | None:
        """Return a task's row, if there is one."""
        return next((row for row in self.tasks if row.name == name), None)

    def usable(self, task: str | None) -> list[TakeKey]:
        """Return a task's takes that can be learnt from: readable and not marked as failed."""
        row = self.task(task)
        return (
            []
            if row is None
            else [TakeKey(row.name, t.name) for t in row.takes if t.samples and t.success is not False]
        )

    def adapted_path(self, task: str) -> Path:
        """Return where a task's policies are kept."""
        return self.library.path(task) / ADAPTED

    def take(self, key: TakeKey) -> Demonstration | None:
        """Return a take if it is in memory; otherwise read it and say ``loaded`` when it is there."""
        if key in self._takes:
            self._takes.move_to_end(key)
            return self._takes[key]
        if key not in self._asked:
            self._asked.add(key)
            self._errands.run(lambda: self.library.load(*key), self._keep, self._on_unreadable)
        return None

    def keep(self, take: Demonstration) -> None:
        """Keep a take in memory that was read or made elsewhere."""
        key = TakeKey(take.task, take.name)
        self._takes[key] = take
        self._sparks[key] = sparks(take)
        while len(self._takes) > _KEPT:
            self._takes.popitem(last=False)

    def _keep(self, take: Demonstration) -> None:
        self.keep(take)
        self._asked.discard(TakeKey(take.task, take.name))
        self.loaded.emit(TakeKey(take.task, take.name))

    def _on_unreadable(self, error: Exception) -> None:
        self.failed.emit(error)

    def clicks_in_words(self, task: str | None) -> list[str]:
        """Return what a task's first take shows, click by click, if it has been read."""
        keys = self.usable(task)
        take = self.take(keys[0]) if keys else None
        if take is None:
            return []
        return [describe(s.click) if s.click else f"part {i + 1}" for i, s in enumerate(take.segments)]

    def sparkline(self, row: TakeRow) -> FloatArray | None:
        """Return a take's shape, the height of the tool from 0 to 1; None until it is known."""
        key = TakeKey(row.task, row.name)
        if key not in self._sparks and row.samples:
            self.take(key)
        return self._sparks.get(key)

    # Changing

    def save(
        self,
        take: Demonstration,
        stored: Callable[[], None],
        then: Callable[[TakeInfo], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Store a new take; it can be undone. ``stored`` is called in the other thread, once the take is safe."""

        def work() -> TakeInfo:
            info = self.library.add(take)
            stored()
            return info

        def done(info: TakeInfo) -> None:
            self._push_saved(info)
            then(info)

        self._errands.run(work, done, failed)

    def _push_saved(self, info: TakeInfo) -> None:
        bin_: list[TrashEntry] = []
        done: list[bool] = []

        def do() -> None:
            if done:
                self.library.restore(bin_.pop())
            done.append(True)

        def undo() -> None:
            bin_.append(self.library.remove(info.task, info.name))

        self.undo_stack.push(Change(self, f"recording {info.task} {info.name}", do, undo))

    def remove(self, task: str, take: str | None) -> None:
        """Move a take or a whole task to the trash."""
        bin_: list[TrashEntry] = []

        def do() -> None:
            bin_.append(self.library.remove(task, take) if take else self.library.remove_task(task))

        def undo() -> None:
            self.library.restore(bin_.pop())

        self.undo_stack.push(Change(self, f"deleting {task}{f' {take}' if take else ''}", do, undo))

    def rename(self, task: str, name: str) -> bool:
        """Give a task another name; return whether it has it."""
        change = Change(
            self,
            f"renaming {task}",
            lambda: self._rename(task, name),
            lambda: self._rename(name, task),
        )
        self.undo_stack.push(change)
        return self.task(name) is not None or name in self.library.tasks()

    def _rename(self, old: str, new: str) -> None:
        self.library.rename_task(old, new)
        for key in [k for k in self._takes if k.task == old]:
            self._takes.pop(key)

    def set_success(self, key: TakeKey, success: bool) -> None:
        """Say whether a take succeeded; saying the same twice takes it back."""
        try:
            before = self.library.info(*key).success
        except LibraryError as error:
            self.failed.emit(error)
            return
        wanted = None if before is success else success
        self._edit(
            f"marking {key.task} {key.take}", lambda value: self.library.set_success(*key, value), wanted, before
        )

    def set_segments(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        """Cut a take that is in memory elsewhere."""
        take = self._takes.get(key)
        if take is not None:
            self._edit(f"cutting {' '.join(key)}", lambda value: self._recut(key, value), segments, take.segments)

    def _recut(self, key: TakeKey, segments: tuple[Segment, ...]) -> None:
        self.library.set_segments(*key, segments)
        take = self._takes.get(key)
        if take is not None:
            self._takes[key] = replace(take, segments=segments)
            self.loaded.emit(key)

    def _edit(self, words: str, put: Callable[[Any], Any], wanted: Any, before: Any) -> None:
        self.undo_stack.push(Change(self, words, lambda: put(wanted), lambda: put(before)))


def sparks(take: Demonstration) -> FloatArray:
    """Return the tool's height over a take as numbers from 0 to 1."""
    height = take.tool_positions[:, 2]
    points = height[np.linspace(0, len(height) - 1, _SPARKS).astype(int)]
    span = max(float(np.ptp(points)), 0.01)
    return np.asarray((points - points.min()) / span)
