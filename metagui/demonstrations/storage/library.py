"""Library of tasks and takes on disk: one folder per task, one file per take; no take is overwritten or deleted."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metagui import atomic_write
from metagui.demonstrations.storage import folder_scan, hdf5, task_names
from metagui.demonstrations.storage.errors import (
    CorruptFileError,
    NameCollisionError,
    NewerFormatError,
    ReadOnlyError,
    StorageError,
    UnknownTakeError,
    UnknownTaskError,
    suggest_names,
)
from metagui.demonstrations.storage.folder_scan import FolderScan, LibraryProblem, list_take_files, scan_tasks
from metagui.demonstrations.storage.trash import Trash, TrashEntry
from metagui.demonstrations.storage.validation import find_non_finite, validate_demonstration, validate_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.storage.extra_data import ExtraData
    from metagui.demonstrations.storage.hdf5 import TakeInfo


_MTIME_RESOLUTION_S = 3.0
"""Time in which a folder may change without another modification time; FAT counts in steps of two seconds."""


class Library:
    """Tasks in the folder ``root``, and read-only ones in ``examples``.

    Files may come and go at any time; the listing of an unchanged file or folder is cached.
    May be used by several threads.
    """

    def __init__(self, root: Path, examples: Path | None = None) -> None:
        self.root = root
        self.examples = None if examples is None or examples.resolve() == root.resolve() else examples
        self._trash = Trash(root)
        self._info_cache: dict[Path, tuple[tuple[int, int], TakeInfo]] = {}
        self._scan_cache: dict[Path, tuple[float, FolderScan]] = {}
        self._lock = threading.Lock()
        folder_scan.delete_stale_files(root)

    # Reading

    def list_tasks(self) -> list[str]:
        """Return the names of all tasks, sorted. Raises StorageError."""
        found = {task for root in self._roots() for task in self._scan(root).tasks}
        return sorted(found, key=lambda task: (task_names.to_collision_key(task), task))

    def list_folder_problems(self) -> list[LibraryProblem]:
        """Return all folders that are no tasks, with reasons. Raises StorageError."""
        return [problem for root in self._roots() for problem in self._scan(root).problems]

    def list_problems(self) -> list[LibraryProblem]:
        """Return all folders and files that cannot be used, with reasons. Raises StorageError."""
        problems = self.list_folder_problems()
        for task, folder in itertools.chain(*(self._get_cached_scan(root).tasks.items() for root in self._roots())):
            problems += folder_scan.find_misnamed_takes(folder)
            with contextlib.suppress(StorageError):
                infos = (self._get_cached_info(path, task) for path in list_take_files(folder))
                problems += [LibraryProblem(info.path, info.error) for info in infos if info.error]
        return problems

    def list_takes(self, task: str) -> list[TakeInfo]:
        """Return the listing of a task's takes, oldest first; corrupt files have an ``error``.

        Raises UnknownTaskError, StorageError.
        """
        found: dict[str, TakeInfo] = {}
        for folder in self._find_task_folders(task):
            for path in list_take_files(folder):
                found.setdefault(path.stem, self._get_cached_info(path, task))
        return sorted(found.values(), key=lambda info: (len(info.name), info.name))

    def get_take_info(self, task: str, take: str) -> TakeInfo:
        """Return the listing of one take. Raises UnknownTaskError, UnknownTakeError."""
        takes = {info.name: info for info in self.list_takes(task)}
        if take not in takes:
            raise UnknownTakeError(f"The task {task!r} has no take {take!r}. {suggest_names(take, takes)}")
        return takes[take]

    def load_take(self, task: str, take: str) -> Demonstration:
        """Read one take. Raises UnknownTaskError, UnknownTakeError, CorruptFileError, NewerFormatError."""
        info = self.get_take_info(task, take)
        try:
            return replace(hdf5.read_take(info.path, task), task=task, name=take)
        except CorruptFileError as error:
            if cached := self._info_cache.get(info.path):  # from now on the listing names the damage
                self._info_cache[info.path] = (cached[0], replace(info, sample_count=0, error=str(error)))
            raise

    def load_takes(self, task: str) -> list[Demonstration]:
        """Read every intact take of a task, oldest first. Raises UnknownTaskError."""
        return [self.load_take(task, info.name) for info in self.list_takes(task) if not info.error]

    def load_intact_takes(
        self, task: str, on_left_out: Callable[[str], None], names: Iterable[str] | None = None
    ) -> list[Demonstration]:
        """Read the takes of a task, or those with ``names``, that are intact and whose numbers are all finite.

        ``on_left_out`` is called with the reason for every other take. Raises UnknownTaskError, UnknownTakeError.
        """
        intact = []
        for name in [info.name for info in self.list_takes(task)] if names is None else names:
            try:
                take = self.load_take(task, name)
            except (CorruptFileError, NewerFormatError) as error:
                on_left_out(str(error))
                continue
            if found := find_non_finite(take):
                on_left_out(f"Task {task!r}, take {name} contains numbers that are not finite ({found}).")
            else:
                intact.append(take)
        return intact

    def get_task_folder(self, task: str) -> Path:
        """Return the folder of a task in ``root``, whether it exists or not. Raises InvalidNameError, StorageError."""
        name = task_names.to_folder_name(task)
        return self._get_cached_scan(self.root).tasks.get(task_names.normalise_task_name(task), self.root / name)

    # Writing

    def create_task(self, task: str) -> None:
        """Create an empty task unless it exists. Raises InvalidNameError, NameCollisionError, StorageError."""
        self._check_collision(task)
        with folder_scan.translate_disk_errors(self.root):
            self.get_task_folder(task).mkdir(parents=True, exist_ok=True)

    def add_take(self, demonstration: Demonstration, extra: ExtraData | None = None) -> TakeInfo:
        """Store a take, and data that came with it, under the next free name of its task; return its listing.

        The file is complete and on the disk when this returns. Raises InvalidTakeError, InvalidNameError,
        NameCollisionError, StorageError; then nothing was stored.
        """
        validate_demonstration(demonstration)
        task = task_names.normalise_task_name(demonstration.task)
        with self._lock:
            self.create_task(task)
            for number in itertools.count(self._find_highest_number(task) + 1):
                path = self.get_task_folder(task) / f"{number:03}{folder_scan.TAKE_SUFFIX}"
                with folder_scan.translate_disk_errors(self.root), contextlib.suppress(FileExistsError):
                    hdf5.write_take(path, replace(demonstration, task=task), extra)
                    break
        return self._get_cached_info(path, task)

    def remove_take(self, task: str, take: str) -> TrashEntry:
        """Move a take to the trash. Raises UnknownTaskError, UnknownTakeError, ReadOnlyError, StorageError."""
        path = self._find_writable_take(task, take)
        with self._lock, folder_scan.translate_disk_errors(self.root):
            return TrashEntry(task, take, self._trash.move_file(path))

    def remove_task(self, task: str) -> TrashEntry:
        """Move a whole task to the trash. Raises UnknownTaskError, ReadOnlyError, StorageError."""
        folder = self._find_own_folder(task)
        with self._lock, folder_scan.translate_disk_errors(self.root):
            return TrashEntry(task, None, self._trash.move_folder(folder))

    def restore_trashed(self, entry: TrashEntry) -> None:
        """Undo a removal. Raises NameCollisionError, StorageError."""
        folder = self.get_task_folder(entry.task)
        with self._lock, folder_scan.translate_disk_errors(self.root):
            self._trash.restore(entry, folder)

    def rename_task(self, task: str, new_name: str) -> None:
        """Rename a task. Raises UnknownTaskError, InvalidNameError, NameCollisionError, ReadOnlyError, StorageError."""
        folder = self._find_own_folder(task)
        self._check_collision(new_name, excluded=task)
        with self._lock, folder_scan.translate_disk_errors(self.root):
            if task_names.normalise_task_name(new_name) in self.list_tasks():
                reason = f"There is a task {new_name!r} already. Nothing was renamed; choose another name."
                raise NameCollisionError(reason)
            folder.rename(self.get_task_folder(new_name))
            atomic_write.flush_to_disk(self.root)

    def set_success(self, task: str, take: str, success: bool | None) -> TakeInfo:
        """Mark a take as successful or not; None removes the mark. Raises the errors of ``remove_take``."""
        return self._update_take(task, take, success=success)

    def set_notes(self, task: str, take: str, notes: str) -> TakeInfo:
        """Store a comment with a take. Raises the errors of ``remove_take``."""
        return self._update_take(task, take, notes=notes)

    def set_trim(self, task: str, take: str, trim: tuple[int, int] | None) -> TakeInfo:
        """Set the samples [start, stop) to use; the others remain stored.

        Raises InvalidTakeError and the errors of ``remove_take``.
        """
        if trim is not None:
            validate_range(trim, self.get_take_info(task, take).sample_count, "The trim")
        return self._update_take(task, take, trim=trim)

    def set_segments(self, task: str, take: str, segments: tuple[Segment, ...]) -> TakeInfo:
        """Replace the segments of a take by the user's, which are not aligned again.

        Raises InvalidTakeError and the errors of ``remove_take``.
        """
        validate_demonstration(replace(self.load_take(task, take), segments=segments))
        return self._update_take(task, take, segments=segments, manually_segmented=True)

    def _roots(self) -> tuple[Path, ...]:
        return (self.root,) if self.examples is None else (self.root, self.examples)

    def _scan(self, root: Path) -> FolderScan:
        """Read a root folder. Raises StorageError."""
        changed, found = root.stat().st_mtime if root.is_dir() else 0.0, scan_tasks(root)
        if time.time() - changed > _MTIME_RESOLUTION_S:
            self._scan_cache[root] = (changed, found)
        return found

    def _get_cached_scan(self, root: Path) -> FolderScan:
        """Return the last reading of a root folder if no entry came or went since then. Raises StorageError."""
        cached = self._scan_cache.get(root)
        with contextlib.suppress(OSError):
            if cached is not None and root.stat().st_mtime == cached[0]:
                return cached[1]
        return self._scan(root)

    def _find_task_folders(self, task: str) -> list[Path]:
        """Return the folders that hold takes of a task. Raises UnknownTaskError."""
        name = task_names.normalise_task_name(task)
        scans = [self._get_cached_scan(root).tasks for root in self._roots()]
        found = [tasks[name] for tasks in scans if name in tasks]
        if not found:
            raise UnknownTaskError(f"There is no task {task!r}. {suggest_names(task, self.list_tasks())}")
        return found

    def _get_cached_info(self, path: Path, task: str) -> TakeInfo:
        read_only = self.root not in path.parents
        try:
            status = path.stat()
        except OSError:
            return hdf5.read_take_info(path, task, read_only)  # with the reason
        version = (status.st_mtime_ns, status.st_size)
        cached = self._info_cache.get(path)
        if cached is None or cached[0] != version or cached[1].task != task:
            cached = (version, hdf5.read_take_info(path, task, read_only))
            self._info_cache[path] = cached
        return cached[1]

    def _find_writable_take(self, task: str, take: str) -> Path:
        """Return the file of a take. Raises ReadOnlyError and the errors of ``get_take_info``."""
        info = self.get_take_info(task, take)
        if info.read_only:
            raise ReadOnlyError(
                f"{task} {take} is an example that ships with metagui; it stays as it is. Record a take of your own to "
                "change it."
            )
        return info.path

    def _find_own_folder(self, task: str) -> Path:
        """Return the folder of a task that has no examples. Raises ReadOnlyError, UnknownTaskError."""
        folders = self._find_task_folders(task)
        if any(folder.parent != self.root for folder in folders):
            raise ReadOnlyError(
                f"{task!r} has examples that ship with metagui; it stays as it is. Create a task of your own to "
                "change it."
            )
        return folders[0]

    def _update_take(self, task: str, take: str, **changes: Any) -> TakeInfo:
        path = self._find_writable_take(task, take)
        with self._lock, folder_scan.translate_disk_errors(self.root):
            hdf5.update_take(path, **changes)
        self._info_cache.pop(path, None)
        return self._get_cached_info(path, task)

    def _check_collision(self, task: str, excluded: str = "") -> None:
        """Raise NameCollisionError if another task's folder could be the same on some file system."""
        task = task_names.normalise_task_name(task)
        key = task_names.to_collision_key(task)
        others = self.list_tasks()
        for other in [] if task in others else others:
            if other != excluded and task_names.to_collision_key(other) == key:
                raise NameCollisionError(
                    f"{task!r} is too similar to the task {other!r}: some file systems treat the two names as equal. "
                    "Nothing was stored; use that name, or one that differs in more than case."
                )

    def _find_highest_number(self, task: str) -> int:
        """Return the highest number of the task's takes, including those in the trash."""
        own = self._find_task_folders(task)
        names = {task_names.to_folder_name(task), *(folder.name for folder in own)}
        folders = own + [folder for name in names for folder in self._trash.list_task_folders(name)]
        stems = [path.stem for folder in folders for path in list_take_files(folder)]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)
