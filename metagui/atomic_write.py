"""Write files atomically and durably: after a crash or a power cut a file is complete or absent."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, replace: bool = False) -> None:
    """Write ``content`` to a temporary file in the folder of ``path``, flush it, and give it its name.

    Raises FileExistsError if the file exists and ``replace`` is False, OSError if the disk refuses.
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
    """Wait until a file or folder is on the disk; Windows cannot open folders and does not need it."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link_exclusively(temporary: Path, path: Path) -> None:
    """Give the file its name without ever overwriting another file. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as a USB stick's
        if path.exists():
            raise FileExistsError(str(path)) from None
        temporary.rename(path)
