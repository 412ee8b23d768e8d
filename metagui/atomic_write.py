"""Files that are there as a whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, replace: bool = False) -> None:
    """Write ``data`` beside ``path``, then put it there at once, safe against a crash or a power cut.

    Raises FileExistsError if something is there and ``replace`` is not set, OSError if the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        flush_to_disk(temporary)
        if replace:
            os.replace(temporary, path)
        else:
            _link_exclusively(temporary, path)
        flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk; Windows opens no folders, and needs not."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link_exclusively(temporary: Path, path: Path) -> None:
    """Name the file, never overwriting another. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as a USB stick's
        if path.exists():
            raise FileExistsError(str(path)) from None
        temporary.rename(path)
