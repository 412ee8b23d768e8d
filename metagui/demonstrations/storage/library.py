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
    BrokenFileError,
    InvalidNameError,
    InvalidTakeError,
    LibraryError,
    NameCollisionError,
    NewerFormatError,
    ReadOnlyError,
    StorageError,
    UnknownTakeError,
    UnknownTaskError,
    suggest,
)
from metagui.demonstrations.storage.hdf5 import TakeInfo
from metagui.demonstrations.storage.validation import check, check_range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration, Segment

__all__ = [
    "BrokenFileError",
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

TRASH = ".trash"
SUFFIX = ".hdf5"


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
        self._remembered: dict[Path, tuple[tuple[int, int], TakeInfo]] = {}
        self._lock = threading.Lock()

    # Looking

    def tasks(self) -> list[str]:
        """Return the names of all tasks, sorted. Raises StorageError."""
        found = {task_names.task_name(folder.name) for root in self._roots() for folder in _folders(root)}
        return sorted(found, key=task_names.key)

    def takes(self, task: str) -> list[TakeInfo]:
        """Return what is known of a task's takes, oldest first; broken files say why in ``error``.

        Raises UnknownTaskError, StorageError.
        """
        found: dict[str, TakeInfo] = {}
        for folder in self._existing(task):
            for path in _take_files(folder):
                found.setdefault(path.stem, self._info(path, task))
        return sorted(found.values(), key=lambda info: (len(info.name), info.name))

    def info(self, task: str, take: str) -> TakeInfo:
        """Return what is known of one take. Raises UnknownTaskError, UnknownTakeError."""
        takes = {info.name: info for info in self.takes(task)}
        if take not in takes:
            raise UnknownTakeError(f"The task {task!r} has no take {take!r}. {suggest(take, takes)}")
        return takes[take]

    def load(self, task: str, take: str) -> Demonstration:
        """Read one take. Raises UnknownTaskError, UnknownTakeError, BrokenFileError, NewerFormatError."""
        demonstration = hdf5.read(self.info(task, take).path)
        return replace(demonstration, task=task, name=take)

    def load_all(self, task: str) -> list[Demonstration]:
        """Read every take of a task that can be used, oldest first. Raises UnknownTaskError."""
        return [self.load(task, info.name) for info in self.takes(task) if not info.error]

    def path(self, task: str) -> Path:
        """Return the folder of a task in ``root``, whether it exists or not. Raises InvalidNameError, StorageError."""
        wanted = self.root / task_names.folder_name(task)
        return next((f for f in _folders(self.root) if task_names.task_name(f.name) == task_names.clean(task)), wanted)

    # Changing

    def create_task(self, task: str) -> None:
        """Make an empty task, if need be. Raises InvalidNameError, NameCollisionError, StorageError."""
        self._refuse_collision(task)
        with _storing(self.root):
            self.path(task).mkdir(parents=True, exist_ok=True)

    def add(self, demonstration: Demonstration) -> TakeInfo:
        """Store a take under the next free name of its task and return what is known of it.

        When this returns, the file is whole and on the disk. Raises InvalidTakeError, InvalidNameError,
        NameCollisionError, StorageError; then nothing was stored and the demonstration is as it was.
        """
        check(demonstration)
        task = task_names.clean(demonstration.task)
        with self._lock:
            self.create_task(task)
            for number in itertools.count(self._highest_number(task) + 1):
                path = self.path(task) / f"{number:03}{SUFFIX}"
                with _storing(self.root), contextlib.suppress(FileExistsError):
                    hdf5.write(path, replace(demonstration, task=task))
                    break
        return self._info(path, task)

    def remove(self, task: str, take: str) -> TrashEntry:
        """Move a take to the trash. Raises UnknownTaskError, UnknownTakeError, ReadOnlyError, StorageError."""
        path = self._writable(task, take)
        with self._lock, _storing(self.root):
            bin_folder = self._new_bin() / path.parent.name
            bin_folder.mkdir()
            path.rename(bin_folder / path.name)
            atomic_write.sync(path.parent)
        return TrashEntry(task, take, bin_folder)

    def remove_task(self, task: str) -> TrashEntry:
        """Move a whole task to the trash. Raises UnknownTaskError, ReadOnlyError, StorageError."""
        folder = self._own_folder(task)
        with self._lock, _storing(self.root):
            bin_folder = self._new_bin() / folder.name
            folder.rename(bin_folder)
            atomic_write.sync(self.root)
        return TrashEntry(task, None, bin_folder)

    def restore(self, entry: TrashEntry) -> None:
        """Undo a removal. Raises NameCollisionError, StorageError."""
        folder = self.path(entry.task)
        with self._lock, _storing(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            waiting = sorted(entry.path.iterdir())
            for path in waiting:
                if (folder / path.name).exists():
                    raise NameCollisionError(
                        f"{entry.task!r} has another {path.stem!r} by now; the removed one stays in {entry.path}."
                    )
            for path in waiting:
                path.rename(folder / path.name)
            atomic_write.sync(folder)
            entry.path.rmdir()
            entry.path.parent.rmdir()

    def rename_task(self, task: str, new_name: str) -> None:
        """Give a task another name. Raises UnknownTaskError, InvalidNameError, NameCollisionError, ReadOnlyError."""
        folder = self._own_folder(task)
        self._refuse_collision(new_name, besides=task)
        with self._lock, _storing(self.root):
            if task_names.clean(new_name) in self.tasks():
                raise NameCollisionError(f"There is a task {new_name!r} already; nothing was renamed.")
            folder.rename(self.path(new_name))
            atomic_write.sync(self.root)

    def set_success(self, task: str, take: str, success: bool | None) -> TakeInfo:
        """Say whether a take succeeded; None for not said. Raises as ``remove``."""
        return self._update(task, take, success=success)

    def set_notes(self, task: str, take: str, notes: str) -> TakeInfo:
        """Keep a remark with a take. Raises as ``remove``."""
        return self._update(task, take, notes=notes)

    def set_trim(self, task: str, take: str, trim: tuple[int, int] | None) -> TakeInfo:
        """Mark the samples [start, stop) to use; no sample is destroyed. Raises InvalidTakeError, and as ``remove``."""
        if trim is not None:
            check_range(trim, self.info(task, take).samples, "The trim")
        return self._update(task, take, trim=trim)

    def set_segments(self, task: str, take: str, segments: tuple[Segment, ...]) -> TakeInfo:
        """Cut a take elsewhere; no sample is destroyed. Raises InvalidTakeError, and as ``remove``."""
        check(replace(self.load(task, take), segments=segments))
        return self._update(task, take, segments=segments)

    # Within

    def _roots(self) -> tuple[Path, ...]:
        return (self.root,) if self.examples is None else (self.root, self.examples)

    def _existing(self, task: str) -> list[Path]:
        """Return the folders a task lies in. Raises UnknownTaskError."""
        wanted = task_names.clean(task)
        found = [f for root in self._roots() for f in _folders(root) if task_names.task_name(f.name) == wanted]
        if not found:
            raise UnknownTaskError(f"There is no task {task!r}. {suggest(task, self.tasks())}")
        return found

    def _info(self, path: Path, task: str) -> TakeInfo:
        try:
            status = path.stat()
        except OSError as error:
            return TakeInfo(task, path.stem, path, error=f"{path.name} cannot be read: {error}.")
        version = (status.st_mtime_ns, status.st_size)
        known = self._remembered.get(path)
        if known is None or known[0] != version or known[1].task != task:
            known = (version, hdf5.read_info(path, task, read_only=self.root not in path.parents))
            self._remembered[path] = known
        return known[1]

    def _writable(self, task: str, take: str) -> Path:
        """Return the file of a take that may be changed. Raises ReadOnlyError and as ``info``."""
        info = self.info(task, take)
        if info.read_only:
            raise ReadOnlyError(f"{task} {take} is an example that ships with metagui; it stays as it is.")
        return info.path

    def _own_folder(self, task: str) -> Path:
        """Return the folder of a task that lies in ``root`` only. Raises ReadOnlyError, UnknownTaskError."""
        folders = self._existing(task)
        if any(folder.parent != self.root for folder in folders):
            raise ReadOnlyError(f"{task!r} has examples that ship with metagui; it stays as it is.")
        return folders[0]

    def _update(self, task: str, take: str, **changes: Any) -> TakeInfo:
        path = self._writable(task, take)
        with self._lock, _storing(self.root):
            hdf5.update(path, **changes)
        self._remembered.pop(path, None)
        return self._info(path, task)

    def _refuse_collision(self, task: str, besides: str = "") -> None:
        """Raise NameCollisionError if another task's folder could be the same on some file system."""
        task = task_names.clean(task)
        for other in self.tasks():
            if other not in (task, besides) and task_names.key(other) == task_names.key(task):
                raise NameCollisionError(
                    f"{task!r} is too much like the task {other!r}: some file systems cannot tell them apart. "
                    "Nothing was stored; use that name, or one that differs in more than case."
                )

    def _highest_number(self, task: str) -> int:
        """Return the highest number a take of the task has or had, as far as the trash remembers."""
        folder = task_names.folder_name(task)
        places = [root / folder for root in self._roots()]
        places += (self.root / TRASH).glob(f"*/{_literal(folder)}")
        stems = [path.stem for place in places for path in _take_files(place)]
        return max((int(stem) for stem in stems if stem.isdecimal()), default=0)

    def _new_bin(self) -> Path:
        """Make a folder in the trash that nothing else uses."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = self.root / TRASH / stamp
        path.mkdir(parents=True)
        return path


def _folders(root: Path) -> list[Path]:
    """Return the task folders of a library. Raises StorageError."""
    try:
        return [f for f in root.iterdir() if not f.name.startswith(".") and f.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"The folder {root} cannot be read: {error}. Choose another folder.") from error


def _take_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def _literal(name: str) -> str:
    """Return a glob pattern that matches one name only."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in name)


@contextlib.contextmanager
def _storing(root: Path) -> Iterator[None]:
    """Turn what the disk says into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{root} cannot be written: {error}. What was there is as it was; make room or choose another folder."
        ) from error
