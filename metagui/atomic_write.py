"""Atomic file writes: after a crash or a power cut a file is complete or absent, never partial."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_atomically(path: Path, content: bytes, replace: bool = False) -> None:
    """Write ``content`` to ``path`` so that the file is never partial.

    Raises FileExistsError if the file exists and ``replace`` is not set, OSError if the disk refuses.
    """
    with open_atomically(path, replace) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def open_atomically(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; flush that file and rename it to ``path`` at the end.

    If the block raises, ``path`` stays as it was. Raises FileExistsError and OSError as ``write_atomically`` does.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        flush_to_disk(temporary)
        if replace:
            os.replace(temporary, path)
        else:
            _link_exclusively(temporary, path)
        flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class DeferredErrorFile(io.FileIO):
    """New file to which every write seems to succeed; ``raise_deferred`` raises the first error that occurred.

    For libraries such as HDF5 that may crash the process if a disk is full.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._error: OSError | None = None

    def raise_deferred(self) -> None:
        """Raise the first OSError of a write; do nothing if there was none."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any, /) -> int:
        """Write all of ``data``, or note why that is impossible."""
        view = memoryview(data).cast("B")
        written = 0
        try:
            while self._error is None and written < len(view):
                written += super().write(view[written:])
        except OSError as error:
            self._error = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's size, or note why that is impossible."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0


def flush_to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk.

    Does nothing for folders on Windows, which cannot be opened.
    """
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link_exclusively(temporary: Path, path: Path) -> None:
    """Give the file its final name without overwriting another file. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, for example on a USB stick
        if path.exists():
            raise FileExistsError(str(path)) from None
        temporary.rename(path)


@contextlib.contextmanager
def open_folder_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; flush its files and rename it to ``path`` at the end.

    If the block raises, nothing is left. Raises FileExistsError if ``path`` exists, and OSError.
    """
    if os.path.lexists(path):
        raise FileExistsError(str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for found in temporary.rglob("*"):
            flush_to_disk(found)
        if os.path.lexists(path):
            raise FileExistsError(str(path))
        temporary.rename(path)
        flush_to_disk(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
