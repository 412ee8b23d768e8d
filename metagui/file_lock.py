"""Advisory locks on open files, which end with the process that holds them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCKED_BYTE = 1 << 40
"""Position of the byte that is locked on Windows; it is never written."""
_POLL_S = 0.01


def lock_file(file: IO[bytes]) -> None:
    """Lock an open file until it is closed or the process ends. Raises BlockingIOError if it is locked already.

    Does nothing on a file system without locks: an unlocked recording is better than none.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            position = file.seek(0, os.SEEK_CUR)
            file.seek(_LOCKED_BYTE)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(str(error)) from error
            finally:
                file.seek(position)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def unlock_file(file: IO[bytes]) -> None:
    """Unlock an open file, also for its duplicated descriptors, of which an open one would keep the lock."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            position = file.seek(0, os.SEEK_CUR)
            file.seek(_LOCKED_BYTE)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
            finally:
                file.seek(position)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def hold_lock(path: Path, patience_s: float) -> Iterator[None]:
    """Hold the lock of ``path``, a file that is created for it, during a block; processes take turns.

    Raises BlockingIOError if another process holds it for longer than ``patience_s``. A file that cannot be opened for
    writing is not locked: the folder is read-only or full, so that nothing in it can change.
    """
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + patience_s
        file: Any = None
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("ab"))
        while file is not None:
            try:
                lock_file(file)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
        yield
