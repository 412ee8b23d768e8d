"""States in which a power cut may leave a folder, replayed from what a program wrote and flushed.

While ``DiskRecorder`` is active, every operation of this process on files below a folder is logged: what was flushed
(``fsync``) with its contents, and the changes of folders. ``make_crash_state`` then builds what a disk may hold if the
power fails after one of the operations. It is as unkind as POSIX permits, which is unkinder than any one file system:

- A file's contents are those of its last flush, or any later ones, whole, cut off, or with zeros for what was lost.
- A change of a folder (a new name, a rename, a removal) that was not followed by a flush of that folder may be missing,
  whatever happened after it. A rename happens completely or not at all.

A device that drops unsynced writes (dm-log-writes) shows the states of one file system only, and needs a kernel module
and root; this runs anywhere.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

Tree = dict[int, dict[str, int]]
"""Inode by name, by the inode of the folder."""
_CHANGES = ("rename", "replace", "link", "unlink", "mkdir", "rmdir")


@dataclass(frozen=True)
class Change:
    """Names that one operation added to folders and removed from them: (folder, name, inode)."""

    added: tuple[tuple[int, str, int], ...]
    removed: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True)
class Event:
    """One operation: a change of folders, or a flush of a file or folder."""

    change: Change | None = None
    flushed: int | None = None
    contents: dict[int, bytes] = field(default_factory=dict)
    """Contents of the files that differ from those at the event before, by inode."""


class DiskRecorder:
    """Log of what this process does with the files below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[Event] = []
        self.folders: set[int] = set()
        self._handles: dict[int, int] = {}
        self._contents: dict[int, bytes] = {}
        self._tree: Tree = {}
        self._look()
        self.first_tree: Tree = {folder: dict(names) for folder, names in self._tree.items()}
        self.first_contents = dict(self._contents)

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """Log the operations of a block."""
        with contextlib.ExitStack() as stack:
            for name in _CHANGES:
                stack.enter_context(mock.patch.object(os, name, self._log_changes(getattr(os, name))))
            for name in ("fsync", "fdatasync"):
                stack.enter_context(mock.patch.object(os, name, self._log_flush(getattr(os, name))))
            yield
        self._note()

    def close(self) -> None:
        """Close the handles that keep inodes from being used again."""
        for handle in self._handles.values():
            os.close(handle)

    def _log_changes(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def logged(*args: Any, **kwargs: Any) -> Any:
            self._note()
            result = function(*args, **kwargs)
            self._note()
            return result

        return logged

    def _log_flush(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def logged(handle: int) -> Any:
            self._note()
            result = function(handle)
            self.events.append(Event(flushed=os.fstat(handle).st_ino))
            return result

        return logged

    def _note(self) -> None:
        """Log what changed since the last event."""
        before, contents = (
            {(f, n, i) for f, names in self._tree.items() for n, i in names.items()},
            dict(self._contents),
        )
        self._look()
        after = {(f, n, i) for f, names in self._tree.items() for n, i in names.items()}
        changed = {inode: data for inode, data in self._contents.items() if contents.get(inode) != data}
        change = Change(tuple(sorted(after - before)), tuple(sorted(before - after))) if after != before else None
        if change or changed:
            self.events.append(Event(change, None, changed))

    def _look(self) -> None:
        """Read the present tree and the contents of all files."""
        self._tree = {}
        for folder, names, files in os.walk(self.root):
            number = self._keep(folder)
            self.folders.add(number)
            self._tree[number] = {name: self._keep(os.path.join(folder, name)) for name in [*names, *files]}
            for name in files:
                self._contents[self._tree[number][name]] = Path(folder, name).read_bytes()

    def _keep(self, path: str) -> int:
        """Return the inode of a file or folder, and keep a handle on it so that the number is not used again."""
        number = os.stat(path).st_ino
        if number not in self._handles:
            self._handles[number] = os.open(path, os.O_RDONLY)
        return number

    @property
    def root_inode(self) -> int:
        """Inode of the folder."""
        return os.stat(self.root).st_ino


def make_crash_state(recorder: DiskRecorder, event_count: int, target: Path, rng: random.Random) -> None:
    """Build in the new folder ``target`` what the disk may hold after the first events."""
    events = recorder.events[:event_count]
    is_prefix, limit = rng.random() < 0.5, rng.randrange(event_count + 1)
    last_flush = {event.flushed: index for index, event in enumerate(events) if event.flushed is not None}
    tree = {folder: dict(names) for folder, names in recorder.first_tree.items()}
    for index, event in enumerate(events):
        if event.change is not None:
            changed = {folder for folder, _, _ in (*event.change.added, *event.change.removed)}
            is_durable = any(last_flush.get(folder, -1) > index for folder in changed)
            if is_durable or (index < limit if is_prefix else rng.random() < 0.5):
                _apply(tree, event.change)
    _write_tree(tree, recorder.root_inode, target, recorder.folders, _choose_contents(recorder, events, rng))


def _apply(tree: Tree, change: Change) -> None:
    for folder, name, inode in change.removed:
        if tree.get(folder, {}).get(name) == inode:
            del tree[folder][name]
    for folder, name, inode in change.added:
        tree.setdefault(folder, {})[name] = inode


def _choose_contents(recorder: DiskRecorder, events: list[Event], rng: random.Random) -> dict[int, bytes]:
    """Return what each file may hold, by inode."""
    current, durable = dict(recorder.first_contents), dict(recorder.first_contents)
    for event in events:
        current.update(event.contents)
        if event.flushed in current:
            durable[event.flushed] = current[event.flushed]
    chosen = {}
    for inode, data in current.items():
        flushed = durable.get(inode, b"")
        kept = rng.randrange(len(flushed), len(data) + 1) if data.startswith(flushed) else len(data)
        zeros = bytes(len(data) - kept)
        chosen[inode] = rng.choice([flushed, data, data[:kept], data[:kept] + zeros])
    return chosen


def _write_tree(tree: Tree, folder: int, target: Path, folders: set[int], contents: dict[int, bytes]) -> None:
    target.mkdir()
    for name, inode in tree.get(folder, {}).items():
        if inode in folders:
            _write_tree(tree, inode, target / name, folders, contents)
        else:
            (target / name).write_bytes(contents.get(inode, b""))
