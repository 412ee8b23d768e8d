"""What survives a crash: a file that grows by a few rows at a time while a take is recorded.

HDF5's single-writer mode orders its writes so that a process killed at any moment leaves all flushed rows readable.
One table of rows instead of the library's layout keeps a flush to a fraction of a millisecond.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import h5py
import numpy as np

from metagui.demonstrations.plain import click_from_dict, click_to_dict
from metagui.demonstrations.takes import RecordingError, TakeHeader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Click

FOLDER = ".scratch"
"""Where scratch files live inside a library."""
_ERRORS = (OSError, RuntimeError, ValueError, KeyError)
"""What h5py raises for a file that cannot be read or written, depending on where it notices."""


class ScratchFile:
    """An open scratch file. Only one thread may use it at a time."""

    def __init__(self, library: Path, header: TakeHeader, block: int) -> None:
        """Create a new file in ``library`` that is appended to by about ``block`` rows. Raises RecordingError."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = library / FOLDER / f"{stamp}.hdf5"
        self._lock: IO[bytes] | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(_lock_path(self.path))
            self._file = h5py.File(self.path, "x", libver="latest")
            self._file.attrs["header"] = json.dumps(header.to_dict())
            self._samples = self._file.create_dataset(
                "samples", (0,), header.row_type(), maxshape=(None,), chunks=(block,)
            )
            self._clicks = self._file.create_dataset("clicks", (0,), "u1", maxshape=(None,), chunks=(4096,))
            self._file.swmr_mode = True
            self._file.flush()
        except _ERRORS as error:
            self.close()
            raise RecordingError(
                f"Cannot record into {library}: {error}. Nothing was recorded; choose another folder or make room."
            ) from error

    def append(self, rows: NDArray[np.void], clicks: Sequence[Click]) -> None:
        """Write rows, and the clicks begun since the last call, so that they survive a crash. Raises OSError."""
        try:
            if clicks:
                lines = "".join(json.dumps(click_to_dict(click)) + "\n" for click in clicks)
                _extend(self._clicks, np.frombuffer(lines.encode(), np.uint8))
            _extend(self._samples, rows)
        except (RuntimeError, ValueError) as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Close and unlock; whatever was appended stays."""
        file = getattr(self, "_file", None)
        if file is not None:
            with contextlib.suppress(*_ERRORS):
                file.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def is_being_written(path: Path) -> bool:
    """Whether a living process still records into the scratch file."""
    lock = _lock_path(path)
    if not lock.exists():
        return False
    try:
        take_lock(lock).close()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read(path: Path) -> tuple[TakeHeader, NDArray[np.void], list[Click]]:
    """Return header, rows (N,) and clicks of a scratch file, whether closed or cut off. Raises RecordingError."""
    try:
        with h5py.File(path, "r", libver="latest", swmr=True) as file:
            header = TakeHeader.from_dict(json.loads(file.attrs["header"]))
            rows = file["samples"][:].astype(header.row_type())
            lines = file["clicks"][:].tobytes().decode(errors="replace").splitlines(keepends=True)
        return header, _sound(rows), [click_from_dict(json.loads(line)) for line in lines if line.endswith("\n")]
    except (*_ERRORS, TypeError) as error:
        raise RecordingError(
            f"{path.name} cannot be read back: {error}. The file is left where it is, in {path.parent}."
        ) from error


def remove(path: Path) -> None:
    """Delete a scratch file whose take is safe elsewhere, or not wanted; where that fails it is offered again."""
    for part in (path, _lock_path(path)):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def take_lock(path: Path) -> IO[bytes]:
    """Open ``path`` and lock it until it is closed or the process ends. Raises BlockingIOError if it is locked."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(str(error)) from error
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    except OSError:
        pass  # a file system without locks: better an unlocked recording than none
    return file


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


def _extend(dataset: Any, rows: NDArray[Any]) -> None:
    before = dataset.shape[0]
    dataset.resize(before + len(rows), axis=0)
    dataset[before:] = rows
    dataset.flush()


def _sound(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows up to the first that was allocated but never written."""
    good = np.isfinite(rows["time"])
    good[1:] &= np.diff(rows["time"]) > 0
    return rows if good.all() else rows[: int(np.argmin(good))]
