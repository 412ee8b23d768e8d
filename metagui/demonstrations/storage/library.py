"""Tasks and takes on disk: one folder a task, one file a take, nothing ever overwritten or destroyed."""

from __future__ import annotations

import contextlib
import itertools
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from metagui import atomic_write
from metagui.demonstrations.storage import hdf5, task_names
from metagui.demonstrations.storage.errors import (
    CorruptFileError,
    InvalidNameError,
    InvalidTakeError,
    LibraryError,
    NameCollisionError,
    NewerFormatError,
    ReadOnlyError,
    StorageError,
    UnknownTakeError,
    UnknownTaskError,
    suggest_names,
)
from metagui.demonstrations.storage.hdf5 import TakeInfo
from metagui.demonstrations.storage.validation import validate_demonstration, validate_range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration, Segment

__all__ = [
    "CorruptFileError",
    "InvalidNameError",
    "InvalidTakeError",
    "Library",
    "LibraryError",
    "NameCollisionError",
    "NewerFormatError",
    "ReadOnlyError",
    "StorageError",
    "TakeInfo",
    "TrashEntry",
    "UnknownTakeError",
    "UnknownTaskError",
]

TRASH_FOLDER = ".trash"
TAKE_SUFFIX = ".hdf5"


@dataclass(frozen=True)
class TrashEntry:
    """Something that was removed, and where it waits to be restored."""

    task: str
    take: str | None
    """None for a whole task."""
    path: Path


class Library:
    """The tasks in the folder ``root``, and read-only beside them those in ``examples``.

    Every method looks at the disk anew, so that files may come and go meanwhile; what a listing needs of an
    unchanged file is remembered. May be used by several threads.
    """

    def __init__(self, root: Path, examples: Path | None = None) -> None:
        self.root = root
        self.examples = None if examples is None or examples.resolve() == root.resolve() else examples
        self._info_cache: dict[Path, tuple[tuple[int, int], TakeInfo]] = {}
        self._lock = threading.Lock()

    # Looking

    def list_tasks(self) -> list[str]:
        """Return the names of all tasks, sorted. Raises StorageError."""
        found = {
            task_names.from_folder_name(folder.name) for root in self._roots() for folder in _list_task_folders(root)
        }
        return sorted(found, key=task_names.to_collision_key)

    def list_takes(self, task: str) -> list[TakeInfo]:
        """Return what is known of a task's takes, oldest first; broken files say why in ``error``.

        Raises UnknownTaskError, StorageError.
        """
        found: dict[str, TakeInfo] = {}
        for folder in self._find_task_folders(task):
            for path in _list_take_files(folder):
                found.setdefault(path.stem, self._get_cached_info(path, task))
        return sorted(found.values(), key=lambda info: (len(info.name), info.name))

    def get_take_info(self, task: str, take: str) -> TakeInfo:
        """Return what is known of one take. Raises UnknownTaskError, UnknownTakeError."""
        takes = {info.name: info for info in self.list_takes(task)}
        if take not in takes:
            raise UnknownTakeError(f"The task {task!r} has no take {take!r}. {suggest_names(take, takes)}")
        return takes[take]

    def load_take(self, task: str, take: str) -> Demonstration:
        """Read one take. Raises UnknownTaskError, UnknownTakeError, BrokenFileError, NewerFormatError."""
        demonstration = hdf5.read_take(self.get_take_info(task, take).path)
        return replace(demonstration, task=task, name=take)

    def load_takes(self, task: str) -> list[Demonstration]:
        """Read every take of a task that can be used, oldest first. Raises UnknownTaskError."""
        return [self.load_take(task, info.name) for info in self.list_takes(task) if not info.error]

    def get_task_folder(self, task: str) -> Path:
        """Return the folder of a task in ``root``, whether it exists or not. Raises InvalidNameError, StorageError."""
        wanted = self.root / task_names.to_folder_name(task)
        return next(
            (
                f
                for f in _list_task_folders(self.root)
                if task_names.from_folder_name(f.name) == task_names.normalise_task_name(task)
            ),
            wanted,
        )

    # Changing

    def create_task(self, task: str) -> None:
        """Make an empty task, if need be. Raises InvalidNameError, NameCollisionError, StorageError."""
        self._check_collision(task)
        with _translate_disk_errors(self.root):
            self.get_task_folder(task).mkdir(parents=True, exist_ok=True)

    def add_take(self, demonstration: Demonstration) -> TakeInfo:
        """Store a take under the next free name of its task and return what is known of it.

        When this returns, the file is whole and on the disk. Raises InvalidTakeError, InvalidNameError,
        NameCollisionError, StorageError; then nothing was stored and the demonstration is as it was.
        """
        validate_demonstration(demonstration)
        task = task_names.normalise_task_name(demonstration.task)
        with self._lock:
            self.create_task(task)
            for number in itertools.count(self._find_highest_number(task) + 1):
                path = self.get_task_folder(task) / f"{number:03}{TAKE_SUFFIX}"
                with _translate_disk_errors(self.root), contextlib.suppress(FileExistsError):
                    hdf5.write_take(path, replace(demonstration, task=task))
                    break
        return self._get_cached_info(path, task)

    def remove_take(self, task: str, take: str) -> TrashEntry:
        """Move a take to the trash. Raises UnknownTaskError, UnknownTakeError, ReadOnlyError, StorageError."""
        path = self._find_writable_take(task, take)
        with self._lock, _translate_disk_errors(self.root):
            bin_folder = self._create_trash_folder() / path.parent.name
            bin_folder.mkdir()
            path.rename(bin_folder / path.name)
            atomic_write.flush_to_disk(path.parent)
        return TrashEntry(task, take, bin_folder)

    def remove_task(self, task: str) -> TrashEntry:
        """Move a whole task to the trash. Raises UnknownTaskError, ReadOnlyError, StorageError."""
        folder = self._find_own_folder(task)
        with self._lock, _translate_disk_errors(self.root):
            bin_folder = self._create_trash_folder() / folder.name
            folder.rename(bin_folder)
            atomic_write.flush_to_disk(self.root)
        return TrashEntry(task, None, bin_folder)

    def restore_trashed(self, entry: TrashEntry) -> None:
        """Undo a removal. Raises NameCollisionError, StorageError."""
        folder = self.get_task_folder(entry.task)
        with self._lock, _translate_disk_errors(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            waiting = sorted(entry.path.iterdir())
            for path in waiting:
                if (folder / path.name).exists():
                    raise NameCollisionError(
                        f"{entry.task!r} has another {path.stem!r} by now; the removed one stays in {entry.path}."
                    )
            for path in waiting:
                path.rename(folder / path.name)
            atomic_write.flush_to_disk(folder)
            entry.path.rmdir()
            entry.path.parent.rmdir()

    def rename_task(self, task: str, new_name: str) -> None:
        """Give a task another name. Raises UnknownTaskError, InvalidNameError, NameCollisionError, ReadOnlyError."""
        folder = self._find_own_folder(task)
        self._check_collision(new_name, excluded=task)
        with self._lock, _translate_disk_errors(self.root):
            if task_names.normalise_task_name(new_name) in self.list_tasks():
                raise NameCollisionError(f"There is a task {new_name!r} already; nothing was renamed.")
            folder.rename(self.get_task_folder(new_name))
            atomic_write.flush_to_disk(self.root)

    def set_success(self, task: str, take: str, success: bool | None) -> TakeInfo:
        """Say whether a take succeeded; None for not said. Raises as ``remove``."""
        return self._update_take(task, take, success=success)

    def set_notes(self, task: str, take: str, notes: str) -> TakeInfo:
        """Keep a remark with a take. Raises as ``remove``."""
        return self._update_take(task, take, notes=notes)

    def set_trim(self, task: str, take: str, trim: tuple[int, int] | None) -> TakeInfo:
        """Mark the samples [start, stop) to use; no sample is destroyed. Raises InvalidTakeError, and as ``remove``."""
        if trim is not None:
            validate_range(trim, self.get_take_info(task, take).sample_count, "The trim")
        return self._update_take(task, take, trim=trim)

    def set_segments(self, task: str, take: str, segments: tuple[Segment, ...]) -> TakeInfo:
        """Cut a take where a person wants it cut, for good; no sample is destroyed.

        Raises InvalidTakeError, and as ``remove``.
        """
        validate_demonstration(replace(self.load_take(task, take), segments=segments))
        return self._update_take(task, take, segments=segments, recut=True)

    # Within

    def _roots(self) -> tuple[Path, ...]:
        return (self.root,) if self.examples is None else (self.root, self.examples)

    def _find_task_folders(self, task: str) -> list[Path]:
        """Return the folders a task lies in. Raises UnknownTaskError."""
        wanted = task_names.normalise_task_name(task)
        found = [
            f
            for root in self._roots()
            for f in _list_task_folders(root)
            if task_names.from_folder_name(f.name) == wanted
        ]
        if not found:
            raise UnknownTaskError(f"There is no task {task!r}. {suggest_names(task, self.list_tasks())}")
        return found

    def _get_cached_info(self, path: Path, task: str) -> TakeInfo:
        try:
            status = path.stat()
        except OSError as error:
            return TakeInfo(task, path.stem, path, error=f"{path.name} cannot be read: {error}.")
        version = (status.st_mtime_ns, status.st_size)
        known = self._info_cache.get(path)
        if known is None or known[0] != version or known[1].task != task:
            known = (version, hdf5.read_take_info(path, task, read_only=self.root not in path.parents))
            self._info_cache[path] = known
        return known[1]

    def _find_writable_take(self, task: str, take: str) -> Path:
        """Return the file of a take that may be changed. Raises ReadOnlyError and as ``info``."""
        info = self.get_take_info(task, take)
        if info.read_only:
            raise ReadOnlyError(f"{task} {take} is an example that ships with metagui; it stays as it is.")
        return info.path

    def _find_own_folder(self, task: str) -> Path:
        """Return the folder of a task that lies in ``root`` only. Raises ReadOnlyError, UnknownTaskError."""
        folders = self._find_task_folders(task)
        if any(folder.parent != self.root for folder in folders):
            raise ReadOnlyError(f"{task!r} has examples that ship with metagui; it stays as it is.")
        return folders[0]

    def _update_take(self, task: str, take: str, **changes: Any) -> TakeInfo:
        path = self._find_writable_take(task, take)
        with self._lock, _translate_disk_errors(self.root):
            hdf5.update_take(path, **changes)
        self._info_cache.pop(path, None)
        return self._get_cached_info(path, task)

    def _check_collision(self, task: str, excluded: str = "") -> None:
        """Raise NameCollisionError if another task's folder could be the same on some file system."""
        task = task_names.normalise_task_name(task)
        for other in self.list_tasks():
            if other not in (task, excluded) and task_names.to_collision_key(other) == task_names.to_collision_key(
                task
            ):
                raise NameCollisionError(
                    f"{task!r} is too much like the task {other!r}: some file systems cannot tell them apart. "
                    "Nothing was stored; use that name, or one that differs in more than case."
                )

    def _find_highest_number(self, task: str) -> int:
        """Return the highest number a take of the task has or had, as far as the trash remembers."""
        folder = task_names.to_folder_name(task)
        places = [root / folder for root in self._roots()]
        places += (self.root / TRASH_FOLDER).glob(f"*/{_escape_glob(folder)}")
        stems = [path.stem for place in places for path in _list_take_files(place)]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)

    def _create_trash_folder(self) -> Path:
        """Make a folder in the trash that nothing else uses."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = self.root / TRASH_FOLDER / stamp
        path.mkdir(parents=True)
        return path


def _list_task_folders(root: Path) -> list[Path]:
    """Return the task folders of a library. Raises StorageError."""
    try:
        return [f for f in root.iterdir() if not f.name.startswith(".") and f.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"The folder {root} cannot be read: {error}. Choose another folder.") from error


def _list_take_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{TAKE_SUFFIX}") if not path.name.startswith("."))


def _escape_glob(name: str) -> str:
    """Return a glob pattern that matches one name only."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in name)


@contextlib.contextmanager
def _translate_disk_errors(root: Path) -> Iterator[None]:
    """Turn what the disk says into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{root} cannot be written: {error}. What was there is as it was; make room or choose another folder."
        ) from error
