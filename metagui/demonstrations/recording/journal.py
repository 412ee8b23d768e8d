"""Journal of a recording: a file that survives a crash, to which every sample is appended as it is recorded.

A header line, JSON with its checksum, is followed by frames of rows and instructions, each with its length and
checksum. It is a plain file, because HDF5's single-writer mode, which survives a kill too, ended the program with a
segmentation fault when the disk was full, and blocked readers of an incomplete file for minutes (h5py 3.16, HDF5 2.0).
Here a failed write is an OSError, and an incomplete frame is the end of the take.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import threading
import zlib
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from metagui.atomic_write import flush_to_disk
from metagui.demonstrations.json_codec import instruction_to_dict
from metagui.demonstrations.recording.take_builder import RecordingError
from metagui.file_lock import lock_file, unlock_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Instruction
    from metagui.demonstrations.recording.take_builder import TakeHeader

JOURNAL_FOLDER = ".scratch"
"""Name of the journals' folder in a library."""
JOURNAL_SUFFIX = ".journal"
FRAME = struct.Struct("<cII")
"""Kind (``R`` rows, ``C`` an instruction as JSON), length and CRC-32 of the payload."""
SYNC_INTERVAL_S = 0.5
"""Time between two flushes to the disk, s; a power cut loses at most the samples since then."""


class EmptyJournalError(RecordingError):
    """The journal ends before its first sample."""


class Journal:
    """Open journal, to be used by one thread at a time."""

    def __init__(self, library: Path, header: TakeHeader) -> None:
        """Create a journal in ``library`` and lock it. Raises RecordingError."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = library / JOURNAL_FOLDER / f"{stamp}{JOURNAL_SUFFIX}"
        try:
            is_new = not self.path.parent.is_dir()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise _make_start_error(library, error) from error
        try:
            lock_file(self._file)
            self._write(_encode_header(header))
            flush_to_disk(self.path)
            flush_to_disk(self.path.parent)
            if is_new:
                flush_to_disk(library)
            self._syncer = _Syncer(self._file)
        except OSError as error:
            self._file.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise _make_start_error(library, error) from error

    def append(self, rows: NDArray[np.void], instructions: Sequence[Instruction]) -> None:
        """Append rows (N,), and the instructions that started since the last call. Raises OSError."""
        frames = [_encode_frame(b"C", json.dumps(instruction_to_dict(each)).encode()) for each in instructions]
        self._write(b"".join([*frames, _encode_frame(b"R", rows.tobytes())]))

    def close(self) -> None:
        """Close and unlock the file, which stays on disk."""
        self._syncer.stop()
        if not self._file.closed:
            unlock_file(self._file)  # the thread flushes a last time with a descriptor of its own
        self._file.close()

    def _write(self, data: bytes) -> None:
        written = self._file.write(data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Syncer:
    """Thread that flushes an open file to the disk again and again: the control thread must not wait for the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._handle, self._stopped = os.dup(file.fileno()), threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after a last flush, without waiting for it."""
        self._stopped.set()

    def _run(self) -> None:
        flush = getattr(os, "fdatasync", os.fsync)
        try:
            while True:
                is_last = self._stopped.wait(SYNC_INTERVAL_S)
                with contextlib.suppress(OSError):  # the recorder meets the same fault when it writes
                    flush(self._handle)
                if is_last:
                    return
        finally:
            os.close(self._handle)


def is_locked_by_writer(path: Path) -> bool:
    """Whether a running process records to the journal."""
    try:
        with path.open("rb") as file:
            lock_file(file)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_journal(path: Path) -> bool:
    """Whether a path is a file, and no pipe or folder with a journal's name."""
    return path.suffix == JOURNAL_SUFFIX and path.is_file()


def _encode_header(header: TakeHeader) -> bytes:
    """Return the header line: JSON, which has no plain tab, a tab, and the checksum."""
    text = json.dumps(header.to_dict()).encode()
    return text + b"\t%08x\n" % zlib.crc32(text)


def _make_start_error(library: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"Cannot record into {library}: {error.strerror or error}. Nothing was recorded; choose another folder or make "
        "room."
    )


def _encode_frame(kind: bytes, payload: bytes) -> bytes:
    return FRAME.pack(kind, len(payload), zlib.crc32(payload)) + payload
