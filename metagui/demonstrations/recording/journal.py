"""Journal of a recording: a file that survives a crash, to which every sample is appended as it is recorded.

A header line is followed by frames of rows and instructions, each with its length and checksum. It is a plain file,
because HDF5's single-writer mode, which survives a kill too, ended the program with a segmentation fault when the disk
was full, and blocked readers of an incomplete file for minutes (h5py 3.16, HDF5 2.0). Here a failed write is an
OSError, and an incomplete frame is the end of the take.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import sys
import zlib
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import numpy as np

from metagui.demonstrations.json_codec import instruction_from_dict, instruction_to_dict
from metagui.demonstrations.recording.take_builder import RecordingError, TakeHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Instruction

JOURNAL_FOLDER = ".scratch"
"""Name of the journals' folder in a library."""
JOURNAL_SUFFIX = ".journal"
_FRAME = struct.Struct("<cII")
"""Kind (``R`` rows, ``C`` an instruction as JSON), length and CRC-32 of the payload."""
_LOCKED_BYTE = 1 << 40
"""Position of the byte that is locked on Windows; it is never written."""


class Journal:
    """Open journal, to be used by one thread at a time."""

    def __init__(self, library: Path, header: TakeHeader) -> None:
        """Create a journal in ``library`` and lock it. Raises RecordingError."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = library / JOURNAL_FOLDER / f"{stamp}{JOURNAL_SUFFIX}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
            _lock(self._file)
            self._write(json.dumps(header.to_dict()).encode() + b"\n")
        except OSError as error:
            raise RecordingError(
                f"Cannot record into {library}: {error}. Nothing was recorded; choose another folder or make room."
            ) from error

    def append(self, rows: NDArray[np.void], instructions: Sequence[Instruction]) -> None:
        """Append rows (N,), and the instructions that started since the last call. Raises OSError."""
        frames = [_encode_frame(b"C", json.dumps(instruction_to_dict(each)).encode()) for each in instructions]
        self._write(b"".join([*frames, _encode_frame(b"R", rows.tobytes())]))

    def close(self) -> None:
        """Close and unlock the file, which stays on disk."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        written = self._file.write(data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_locked_by_writer(path: Path) -> bool:
    """Whether a running process records to the journal."""
    try:
        with path.open("rb") as file:
            _lock(file)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_journal(path: Path) -> tuple[TakeHeader, NDArray[np.void], list[Instruction]]:
    """Return header, rows (N,) and instructions up to the first incomplete frame. Raises RecordingError."""
    try:
        first, _, data = path.read_bytes().partition(b"\n")
        header = TakeHeader.from_dict(json.loads(first))
        instructions, blocks = [], [np.zeros(0, header.row_dtype())]
        for kind, payload in _decode_frames(data):
            if kind == b"C":
                instructions.append(instruction_from_dict(json.loads(payload)))
            else:
                blocks.append(np.frombuffer(payload, header.row_dtype()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(
            f"{path.name} cannot be read back: {error}. The file stays in {path.parent}; keep a copy, or delete it."
        ) from error
    return header, np.concatenate(blocks), instructions


def _encode_frame(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(kind, len(payload), zlib.crc32(payload)) + payload


def _decode_frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and payload of every frame before the first incomplete one."""
    position = 0
    while position + _FRAME.size <= len(data):
        kind, length, checksum = _FRAME.unpack_from(data, position)
        position += _FRAME.size
        payload = data[position : position + length]
        if kind not in (b"R", b"C") or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield kind, payload
        position += length


def _lock(file: IO[bytes]) -> None:
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
