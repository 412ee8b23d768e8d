"""Library of tasks and takes on disk: one folder per task, one file per take; no take is overwritten or deleted."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from metagui import atomic_write
from metagui.demonstrations.storage import folder_scan, hdf5, task_names
from metagui.demonstrations.storage.errors import NameCollisionError, ReadOnlyError, StorageError
from metagui.demonstrations.storage.folder_scan import list_take_files
from metagui.demonstrations.storage.index.library_reader import LibraryReader
from metagui.demonstrations.storage.trash import Trash, TrashEntry
from metagui.demonstrations.storage.validation import validate_demonstration, validate_range
from metagui.file_lock import hold_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.storage.extra_data import ExtraData
    from metagui.demonstrations.storage.hdf5 import TakeInfo

PlacedT = TypeVar("PlacedT")
DATA_FOLDER = ".metagui"
"""Name of the folder in a library with files that are not takes."""
_LOCK_FILE = "lock"
_LOCK_PATIENCE_S = 20.0
"""Time to wait for another process that changes the library, s."""


class Library(LibraryReader):
    """Tasks in the folder ``root``, which can be changed, and read-only ones in ``examples``.

    Processes and threads that change a library take turns, so that no change is lost.
    """

    def __init__(self, root: Path, examples: Path | None = None) -> None:
        super().__init__(root, examples)
        self._trash = Trash(root)
        self._lock = threading.Lock()
        folder_scan.delete_stale_files(root)

    def find_write_problem(self) -> str:
        """Return why the library cannot be changed and what to do; empty if it can."""
        try:
            (self.root / DATA_FOLDER).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / DATA_FOLDER):
                return ""
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            return (
                f"{self.root} is read-only ({reason}). Its takes can be seen, compared and run, but nothing can be "
                "recorded or changed. Open another library, or make this one writable."
            )

    def create_task(self, task: str) -> None:
        """Create an empty task unless it exists. Raises InvalidNameError, NameCollisionError, StorageError."""
        with self._changing():
            self._create_folder(task)

    def add_take(self, demonstration: Demonstration, extra: ExtraData | None = None) -> TakeInfo:
        """Store a take, and data that came with it, under the next free name of its task; return its listing.

        The file is complete and on the disk when this returns. Raises InvalidTakeError, InvalidNameError,
        NameCollisionError, StorageError; then nothing was stored.
        """
        validate_demonstration(demonstration)
        task = task_names.normalise_task_name(demonstration.task)
        with self._changing():
            return self._place(task, lambda path: hdf5.write_take(path, replace(demonstration, task=task), extra))

    def remove_take(self, task: str, take: str, drop_empty: bool = False) -> TrashEntry:
        """Move a take to the trash; with ``drop_empty``, delete the folder that it was in if nothing is left in it.

        Raises UnknownTaskError, UnknownTakeError, ReadOnlyError, StorageError.
        """
        with self._changing():
            path = self._find_writable_take(task, take)
            entry = TrashEntry(task, take, self._trash.move_file(path))
            if drop_empty:
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
            return entry

    def remove_task(self, task: str) -> TrashEntry:
        """Move a whole task to the trash. Raises UnknownTaskError, ReadOnlyError, StorageError."""
        with self._changing():
            return TrashEntry(task, None, self._trash.move_folder(self._find_own_folder(task)))

    def restore_trashed(self, entry: TrashEntry) -> None:
        """Undo a removal. Raises NameCollisionError, StorageError."""
        folder = self.get_task_folder(entry.task)
        with self._changing():
            self._trash.restore(entry, folder)

    def rename_task(self, task: str, new_name: str) -> None:
        """Rename a task. Raises UnknownTaskError, InvalidNameError, NameCollisionError, ReadOnlyError, StorageError."""
        with self._changing():
            folder = self._find_own_folder(task)
            self._check_collision(new_name, excluded=task)
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

    def set_tags(self, task: str, take: str, tags: Iterable[str]) -> TakeInfo:
        """Replace the tags of a take; blanks at their ends and empty ones are dropped. Raises as ``remove_take``."""
        return self._update_take(task, take, tags=tuple(sorted({tag.strip() for tag in tags} - {""})))

    def move_take(
        self, task: str, take: str, new_task: str, new_name: str | None = None, drop_empty: bool = False
    ) -> TakeInfo:
        """Move a take to another task, which may be new, under the next free name or ``new_name``.

        With ``drop_empty``, the folder that the take was in is deleted if nothing is left in it.
        Raises NameCollisionError if ``new_name`` is taken, and the errors of ``remove_take`` and ``create_task``.
        """
        with self._changing():
            path = self._find_writable_take(task, take)
            if new_name is None:
                name = self._place(new_task, lambda target: _rename_exclusively(path, target)).stem
            else:
                name = new_name
                self._give_name(path, new_task, name)
            atomic_write.flush_to_disk(self.get_task_folder(new_task))
            atomic_write.flush_to_disk(path.parent)
            if drop_empty:
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
        return self.get_take_info(new_task, name)

    def copy_take(self, task: str, take: str, new_task: str | None = None) -> TakeInfo:
        """Copy a take, to another task if one is given. Raises as ``move_take``; examples can be copied."""
        path, target_task = self.get_take_info(task, take).path, new_task or task
        with self._changing():
            content = path.read_bytes()
            name = self._place(target_task, lambda target: _write_copy(target, content)).stem
        return self.get_take_info(target_task, name)

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

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other threads and processes from changing the library during a block. Raises StorageError."""
        with self._lock, folder_scan.translate_disk_errors(self.root):
            try:
                with hold_lock(self.root / DATA_FOLDER / _LOCK_FILE, _LOCK_PATIENCE_S):
                    yield
            except BlockingIOError as error:
                raise StorageError(
                    f"Another program has been changing {self.root} for {_LOCK_PATIENCE_S:.0f} s. Nothing was changed "
                    "here; wait for it or end it, then try again."
                ) from error

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
        with self._changing():
            hdf5.update_take(self._find_writable_take(task, take), **changes)
        return self.get_take_info(task, take)

    def _check_collision(self, task: str, excluded: str = "") -> None:
        """Raise NameCollisionError if another task's folder could be the same on some file system."""
        task = task_names.normalise_task_name(task)
        key = task_names.to_collision_key(task)
        others = {other for listing in self._listings for other in listing.get_scan().tasks}
        for other in set() if task in others else others:
            if other != excluded and task_names.to_collision_key(other) == key:
                raise NameCollisionError(
                    f"{task!r} is too similar to the task {other!r}: some file systems treat the two names as equal. "
                    "Nothing was stored; use that name, or one that differs in more than case."
                )

    def _create_folder(self, task: str) -> Path:
        """Return the folder of a task, created if necessary. Raises InvalidNameError, NameCollisionError, OSError."""
        self._check_collision(task)
        folder = self.get_task_folder(task)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            atomic_write.flush_to_disk(self.root)
        return folder

    def _place(self, task: str, write: Callable[[Path], PlacedT]) -> PlacedT:
        """Let ``write`` create the file of the next take of a task; return what it returns.

        ``write`` raises FileExistsError if a program that ignores the lock has taken the number meanwhile.
        """
        folder = self._create_folder(task)
        for number in itertools.count(self._find_highest_number(task) + 1):
            path = folder / f"{number:03}{folder_scan.TAKE_SUFFIX}"
            with contextlib.suppress(FileExistsError):
                return write(path)
        raise AssertionError("unreachable")

    def _give_name(self, path: Path, task: str, name: str) -> None:
        """Move a take's file to a task under a name. Raises NameCollisionError."""
        try:
            _rename_exclusively(path, self._create_folder(task) / f"{name}{folder_scan.TAKE_SUFFIX}")
        except FileExistsError as error:
            reason = f"{task!r} has another take {name!r} by now. Nothing was moved; move that one, then try again."
            raise NameCollisionError(reason) from error

    def _find_highest_number(self, task: str) -> int:
        """Return the highest number of the task's takes, including those in the trash."""
        own = self._find_task_folders(task)
        names = {task_names.to_folder_name(task), *(folder.name for folder in own)}
        folders = own + [folder for name in names for folder in self._trash.list_task_folders(name)]
        stems = [path.stem for folder in folders for path in list_take_files(folder)]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def _rename_exclusively(path: Path, target: Path) -> Path:
    """Rename a file under the lock of the library; return where it is. Raises FileExistsError."""
    if target.exists():
        raise FileExistsError(str(target))
    return path.rename(target)


def _write_copy(target: Path, content: bytes) -> Path:
    """Write a new file; return where it is. Raises FileExistsError."""
    atomic_write.write_atomically(target, content)
    return target
