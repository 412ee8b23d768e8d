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

import numpy as np

from metagui.atomic_write import flush_to_disk
from metagui.demonstrations.json_codec import instruction_from_dict, instruction_to_dict
from metagui.demonstrations.recording.take_builder import RecordingError, TakeHeader
from metagui.file_lock import lock_file, unlock_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Instruction

JOURNAL_FOLDER = ".scratch"
"""Name of the journals' folder in a library."""
JOURNAL_SUFFIX = ".journal"
_FRAME = struct.Struct("<cII")
"""Kind (``R`` rows, ``C`` an instruction as JSON), length and CRC-32 of the payload."""
SYNC_INTERVAL_S = 0.5
"""Time between two flushes to the disk, s; a power cut loses at most the samples since then."""
_MAX_BYTES = 1 << 30
"""Maximum size of a journal that is read back; five hours of the simulated arm are below it."""
_DECODING_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError)


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


def read_journal(path: Path) -> tuple[TakeHeader, NDArray[np.void], list[Instruction]]:
    """Return header, rows (N,) and instructions up to the first incomplete frame.

    Raises EmptyJournalError if the header was not written completely, RecordingError.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _make_read_error(path, f"it is larger than {_MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise _make_read_error(path, error.strerror or "the disk refuses") from error
    first, end, _ = data[: data.find(b"\n") + 1 or len(data)].partition(b"\n")
    if not end and (not first or first.startswith(b"{")):
        raise EmptyJournalError(f"{path.name} holds no samples: the recording ended before it began.")
    try:
        header = _decode_header(first)
        dtype = header.row_dtype()
    except _DECODING_ERRORS as error:
        raise _make_read_error(path, "its header is damaged") from error
    try:
        blocks, texts = _decode_frames(data, dtype, len(first) + 1)
        rows = blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros(0, dtype), *blocks])
        instructions = [instruction_from_dict(json.loads(text)) for text in texts]
    except _DECODING_ERRORS as error:
        raise _make_read_error(path, "its samples do not fit its header") from error
    return header, rows, instructions


def _encode_header(header: TakeHeader) -> bytes:
    """Return the header line: JSON, which has no plain tab, a tab, and the checksum."""
    text = json.dumps(header.to_dict()).encode()
    return text + b"\t%08x\n" % zlib.crc32(text)


def _decode_header(line: bytes) -> TakeHeader:
    """Invert ``_encode_header``; lines of version 0.1 have no checksum. Raises ``_DECODING_ERRORS``."""
    text, _, checksum = line.partition(b"\t")
    if checksum and int(checksum, 16) != zlib.crc32(text):
        raise ValueError("the checksum is another one")
    return TakeHeader.from_dict(json.loads(text))


def _make_start_error(library: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"Cannot record into {library}: {error.strerror or error}. Nothing was recorded; choose another folder or make "
        "room."
    )


def _make_read_error(path: Path, reason: str) -> RecordingError:
    return RecordingError(
        f"{path.name} cannot be read back: {reason}. The file stays in {path.parent}; keep a copy, or delete it."
    )


def _encode_frame(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(kind, len(payload), zlib.crc32(payload)) + payload


def _decode_frames(data: bytes, dtype: np.dtype[np.void], position: int) -> tuple[list[NDArray[np.void]], list[bytes]]:
    """Return blocks of rows and the texts of instructions from ``position`` up to the first incomplete frame.

    Raises ValueError.
    """
    blocks, texts = [], []
    while position + _FRAME.size <= len(data):
        if len(rows := _decode_single_rows(data, dtype, position)):
            blocks.append(rows)
            position += len(rows) * (_FRAME.size + dtype.itemsize)
            continue
        kind, length, checksum = _FRAME.unpack_from(data, position)
        position += _FRAME.size
        payload = data[position : position + length]
        if kind not in (b"R", b"C") or len(payload) < length or zlib.crc32(payload) != checksum:
            break
        if kind == b"C":
            texts.append(payload)
        else:
            blocks.append(np.frombuffer(payload, dtype))
        position += length
    return blocks, texts


def _decode_single_rows(data: bytes, dtype: np.dtype[np.void], start: int) -> NDArray[np.void]:
    """Return the rows of the intact frames of one row each that follow each other from ``start``, without a copy."""
    frame = np.dtype([("kind", "S1"), ("length", "<u4"), ("checksum", "<u4"), ("row", dtype)])
    frames = np.frombuffer(data, frame, (len(data) - start) // frame.itemsize, start)
    is_row = (frames["kind"] == b"R") & (frames["length"] == dtype.itemsize)
    frames = frames[: len(frames) if is_row.all() else int(is_row.argmin())]
    first, last = start + _FRAME.size, start + _FRAME.size + len(frames) * frame.itemsize
    view, size = memoryview(data), dtype.itemsize
    found = np.array([zlib.crc32(view[at : at + size]) for at in range(first, last, frame.itemsize)], np.uint32)
    is_intact = found == frames["checksum"]
    return frames["row"][: len(frames) if is_intact.all() else int(is_intact.argmin())]
