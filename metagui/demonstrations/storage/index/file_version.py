"""Versions of files and folders: numbers that change whenever their contents do."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

_SETTLING_S, _COARSE_SETTLING_S = 0.05, 3.0
"""Time in which a file may change again without another time stamp: Linux counts in steps of up to 10 ms, FAT of two
seconds."""
_SECOND_NS = 1_000_000_000


class FileVersion(NamedTuple):
    """Times and size of a file or folder. Programs can set back the modification time, but not the change time."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int

    @property
    def is_settled(self) -> bool:
        """Whether every later change gives another version."""
        latest = self.modified_ns if os.name == "nt" else self.changed_ns
        needed = _SETTLING_S if self.modified_ns % _SECOND_NS else _COARSE_SETTLING_S
        return abs(time.time() - latest * 1e-9) > needed

    def to_text(self) -> str:
        """Return the version as text for the index."""
        return ",".join(map(str, self))


def get_version(path: str) -> FileVersion | None:
    """Return the version of a file or folder; None if it is missing or may not be seen."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileVersion(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def is_version(path: str, version: FileVersion | None) -> bool:
    """Whether a file or folder still has a version; quick, because refreshing a library asks for every file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino) == version
