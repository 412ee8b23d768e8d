"""Tasks and takes of one folder, listed at the cost of what changed since the last time, in any process.

Every listing compares the times and sizes of the files and folders that it returns, so that a change by another
program is seen at once. What an unchanged file holds is taken from memory, or from the index of an earlier process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.errors import LibraryError, StorageError
from metagui.demonstrations.storage.folder_scan import (
    CheckedFolder,
    FolderScan,
    is_take_name,
    list_file_names,
    scan_tasks,
)
from metagui.demonstrations.storage.index.file_version import FileVersion, get_version, is_version
from metagui.demonstrations.storage.index.record_store import RecordStore
from metagui.demonstrations.storage.index.take_records import SCHEMA, decode_info, encode_info

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.storage.hdf5 import TakeInfo

MIN_SAVED_RECORDS = 32
"""Number of records that are worth writing to the index, which costs as much as reading them from their files."""


@dataclass(frozen=True)
class _ListedFile:
    """What a file held when it was read."""

    version: FileVersion | None
    is_settled: bool
    info: TakeInfo


@dataclass(frozen=True)
class TaskListing:
    """Files in the folder of a task, or in its folders."""

    takes: tuple[TakeInfo, ...] = ()
    other_files: frozenset[str] = frozenset()
    """Names of the files that are not takes."""


@dataclass(frozen=True)
class _ListedFolder:
    """What a task's folder held when it was listed."""

    version: FileVersion | None = None
    is_settled: bool = False
    files: dict[str, _ListedFile] = field(default_factory=dict)
    """Files of takes by their paths, sorted."""
    listing: TaskListing = field(default_factory=TaskListing)


class LibraryListing:
    """Listing of the folder ``root``; may be used by several threads."""

    def __init__(self, root: Path, read_only: bool) -> None:
        self.root, self._read_only = root, read_only
        self._store = RecordStore.for_folder(root, "index", SCHEMA)
        self._stored: dict[str, tuple[str, bytes]] | None = None
        self._unsaved: dict[str, tuple[str, bytes]] = {}
        self._is_index_pruned = False
        self._lock = threading.Lock()
        self._checked: dict[str, CheckedFolder] = {}
        self._scan: FolderScan | None = None
        self._scanned_version: FileVersion | None = None
        self._folders: dict[str, _ListedFolder] = {}

    def scan(self) -> FolderScan:
        """Return all tasks; the same object if nothing changed. Raises StorageError."""
        version = get_version(str(self.root))
        is_settled = version is not None and version.is_settled
        found = scan_tasks(self.root, self._checked)
        if self._scan is None or (found.tasks, found.problems) != (self._scan.tasks, self._scan.problems):
            self._scan = found
        self._scanned_version = version if is_settled else None
        return self._scan

    def get_scan(self) -> FolderScan:
        """Return the last scan if no folder came or went since then. Raises StorageError."""
        if (
            self._scan is not None
            and self._scanned_version is not None
            and is_version(str(self.root), self._scanned_version)
        ):
            return self._scan
        return self.scan()

    def list_task(self, task: str, folder: Path) -> TaskListing:
        """Return the files of a task in ``folder``; the same object if nothing changed. Raises StorageError."""
        return self._list_folder(task, folder).listing

    def list_all(self) -> dict[str, TaskListing]:
        """Return the files of every task whose folder can be read; an object is the same if nothing changed.

        Raises StorageError if the root folder cannot be read.
        """
        scan, found = self.scan(), {}
        for task, folder in scan.tasks.items():
            with contextlib.suppress(StorageError):
                found[task] = self._list_folder(task, folder).listing
        self._forget_removed(scan)
        if len(self._unsaved) >= MIN_SAVED_RECORDS:
            self.save_index()
        return found

    def note_damage(self, info: TakeInfo) -> None:
        """List a take with its ``error``, which was found when it was read completely."""
        folder, path = self._folders.get(str(info.path.parent)), str(info.path)
        if folder is not None and path in folder.files:
            files = folder.files | {path: replace(folder.files[path], info=info)}
            listing = replace(folder.listing, takes=tuple(file.info for file in files.values()))
            self._folders[str(info.path.parent)] = replace(folder, files=files, listing=listing)

    def save_index(self) -> None:
        """Write what was read since the last call to the index."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            self._store.write(unsaved)

    def _list_folder(self, task: str, folder: Path) -> _ListedFolder:
        """Return the listing of a folder; of its files, only new and changed ones are read. Raises StorageError."""
        key = str(folder)
        known = self._folders.get(key)
        if known is not None and known.is_settled and is_version(key, known.version):
            if all(file.is_settled and is_version(path, file.version) for path, file in known.files.items()):
                return known
            settled, version, paths, others = True, known.version, list(known.files), known.listing.other_files
        else:
            version = get_version(key)
            settled, names = version is not None and version.is_settled, list_file_names(folder)
            paths = [f"{key}{os.sep}{name}" for name in names if is_take_name(name)]
            others = frozenset(name for name in names if not is_take_name(name) and name[0] != ".")
        known = known or _ListedFolder()
        files = {path: self._list_file(task, folder, path, known.files.get(path)) for path in paths}
        listing = TaskListing(tuple(file.info for file in files.values()), others)
        if listing == known.listing:  # the same objects: quick
            listing = known.listing
        listed = _ListedFolder(version, settled, files, listing)
        self._folders[key] = listed
        return listed

    def _list_file(self, task: str, folder: Path, path: str, known: _ListedFile | None) -> _ListedFile:
        version = get_version(path)
        if known is not None and known.is_settled and known.version == version and known.info.task == task:
            return known
        settled = version is not None and version.is_settled
        name = os.path.basename(path)
        record = self._find_record(path, version) if settled else None
        info = None if record is None else decode_info(record, task, folder / name, self._read_only)
        if info is None:
            info = hdf5.read_take_info(folder / name, task, self._read_only)
            if settled and version is not None and not info.error:
                self._unsaved[self._make_key(path)] = (version.to_text(), encode_info(info))
        if known is not None and known.version == version and known.info.error and not info.error and _is_damaged(info):
            info = known.info  # its damage was noted before its version had settled
        if known is not None and known.info == info:
            info = known.info
        return _ListedFile(version, settled, info)

    def _find_record(self, path: str, version: FileVersion | None) -> bytes | None:
        """Return the record of a file from the index; None if there is none of this version."""
        with self._lock:
            if self._stored is None:
                self._stored = self._store.read()
        found = self._stored.get(self._make_key(path))
        return found[1] if found is not None and version is not None and found[0] == version.to_text() else None

    def _make_key(self, path: str) -> str:
        """Return the key of a file in the index: its path within the root folder."""
        return path.removeprefix(str(self.root))

    def _forget_removed(self, scan: FolderScan) -> None:
        """Delete what is known of folders, and once also of files, that are not there any more."""
        if len(self._folders) > len(scan.tasks):
            present = {str(folder) for folder in scan.tasks.values()}
            for key in [key for key in self._folders if key not in present]:
                del self._folders[key]
        if self._stored and not self._is_index_pruned:
            self._is_index_pruned = True
            keys = {self._make_key(path) for folder in self._folders.values() for path in folder.files}
            self._store.write({}, [key for key in self._stored if key not in keys])


def _is_damaged(info: TakeInfo) -> bool:
    """Return whether a take cannot be read completely."""
    try:
        hdf5.read_take(info.path, info.task)
    except LibraryError:
        return True
    return False
