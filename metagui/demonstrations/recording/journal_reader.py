"""Reading of journals, in one pass over the file: frames are checked and their rows become columns block by block."""

from __future__ import annotations

import functools
import json
import zlib
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.demonstrations.json_codec import instruction_from_dict
from metagui.demonstrations.recording.frame_checksums import FrameChecksums
from metagui.demonstrations.recording.journal import FRAME, EmptyJournalError
from metagui.demonstrations.recording.take_builder import RecordingError, TakeHeader
from metagui.demonstrations.recording.take_columns import TakeColumns

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Instruction

_MAX_BYTES = 1 << 30
"""Maximum size of a journal that is read back; five hours of the simulated arm are below it."""
_MAX_HEADER_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
"""Bytes read at a time, few enough to stay in the processor's cache while they are checked and copied."""
_MIN_BLOCK_FRAMES = 100
"""Minimum number of frames that are checked together; fewer are checked faster one by one."""
_DECODING_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError)


class JournalContents(NamedTuple):
    """What a journal holds up to its first incomplete frame."""

    header: TakeHeader
    columns: TakeColumns
    instructions: list[Instruction]


def read_journal(path: Path) -> JournalContents:
    """Return header, samples and instructions up to the first incomplete frame.

    Raises EmptyJournalError if the header was not written completely, RecordingError.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise _make_read_error(path, f"it is larger than {_MAX_BYTES >> 20} MiB")
        with path.open("rb") as file:
            return _read_open_journal(path, file, size)
    except OSError as error:
        raise _make_read_error(path, error.strerror or "the disk refuses") from error


def _read_open_journal(path: Path, file: IO[bytes], size: int) -> JournalContents:
    """Read an open journal of ``size`` bytes. Raises OSError and as ``read_journal`` does."""
    line = file.readline(_MAX_HEADER_BYTES)
    first, end, _ = line.partition(b"\n")
    if not end and (not first or first.startswith(b"{")) and len(line) == size:
        raise EmptyJournalError(f"{path.name} holds no samples: the recording ended before it began.")
    try:
        header = _decode_header(first)
        dtype = header.row_dtype()
    except _DECODING_ERRORS as error:
        raise _make_read_error(path, "its header is damaged") from error
    try:
        left = size - len(line)
        columns = TakeColumns(dtype, left // dtype.itemsize)
        texts = _read_frames(file, left, dtype, columns)
        instructions = [instruction_from_dict(json.loads(text)) for text in texts]
    except _DECODING_ERRORS as error:
        raise _make_read_error(path, "its samples do not fit its header") from error
    return JournalContents(header, columns, instructions)


def _decode_header(line: bytes) -> TakeHeader:
    """Return the header of a journal's first line, in version 0.1 without a checksum. Raises ``_DECODING_ERRORS``."""
    text, _, checksum = line.partition(b"\t")
    if checksum and int(checksum, 16) != zlib.crc32(text):
        raise ValueError("the checksum is another one")
    return TakeHeader.from_dict(json.loads(text))


def _make_read_error(path: Path, reason: str) -> RecordingError:
    return RecordingError(
        f"{path.name} cannot be read back: {reason}. The file stays in {path.parent}; keep a copy, or delete it."
    )


def _read_frames(file: IO[bytes], left: int, dtype: np.dtype[np.void], columns: TakeColumns) -> list[bytes]:
    """Append the rows of all frames up to the first incomplete one; return the texts of instructions.

    ``left`` is the number of bytes from the file's position to its end. All blocks are read into the same memory.
    Raises OSError, ValueError.
    """
    texts: list[bytes] = []
    buffer, filled, needed = memoryview(bytearray(_BLOCK_BYTES)), 0, 0
    while True:
        if needed > len(buffer):
            buffer = _enlarge(buffer[:filled], needed)
        count = file.readinto(buffer[filled:])  # type: ignore[attr-defined]
        left, filled = left - count, filled + count
        position, needed = _decode_frames(buffer[:filled], dtype, columns, texts)
        filled -= position
        buffer[:filled] = buffer[position : position + filled]
        if not count or needed < 0 or needed - filled > left:  # the end, damage, or a frame that is cut off
            return texts


def _enlarge(data: memoryview, size: int) -> memoryview:
    """Return a buffer of a larger size that starts with ``data``."""
    buffer = memoryview(bytearray(size))
    buffer[: len(data)] = data
    return buffer


def _decode_frames(
    data: memoryview, dtype: np.dtype[np.void], columns: TakeColumns, texts: list[bytes]
) -> tuple[int, int]:
    """Decode the complete frames at the start of ``data``.

    Return where they end, and how many bytes the next frame has, as far as is known; -1 if it is damaged. Raises
    ValueError.
    """
    position = 0
    while position + FRAME.size <= len(data):
        if len(rows := _find_single_rows(data, dtype, position)):
            columns.append(rows)
            position += len(rows) * (FRAME.size + dtype.itemsize)
            continue
        kind, length, checksum = FRAME.unpack_from(data, position)
        start, stop = position + FRAME.size, position + FRAME.size + length
        if kind not in (b"R", b"C"):
            return position, -1
        if stop > len(data):
            return position, stop - position
        payload = data[start:stop]
        if zlib.crc32(payload) != checksum:
            return position, -1
        if kind == b"C":
            texts.append(bytes(payload))
        else:
            columns.append(np.frombuffer(payload, dtype))
        position = stop
    return position, FRAME.size


def _find_single_rows(data: memoryview, dtype: np.dtype[np.void], start: int) -> NDArray[np.void]:
    """Return the rows of the intact frames of one row each that follow each other from ``start``, without a copy."""
    frame = np.dtype([("kind", "u1"), ("length", "<u4"), ("checksum", "<u4"), ("row", dtype)])
    frames = np.frombuffer(data, frame, (len(data) - start) // frame.itemsize, start)
    is_row = (frames["kind"] == ord("R")) & (frames["length"] == dtype.itemsize)
    frames = frames[: len(frames) if is_row.all() else int(is_row.argmin())]
    size, step = dtype.itemsize, frame.itemsize
    stated = np.ascontiguousarray(frames["checksum"])
    if len(frames) >= _MIN_BLOCK_FRAMES:
        found = zlib.crc32(data[start : start + len(frames) * step])
        if found == _get_checksums(size).compute(stated):
            return frames["row"]
    starts = range(start + FRAME.size, start + len(frames) * step, step)
    is_intact = np.array([zlib.crc32(data[at : at + size]) for at in starts], np.uint32) == stated
    return frames["row"][: len(frames) if is_intact.all() else int(is_intact.argmin())]


@functools.lru_cache(maxsize=4)
def _get_checksums(size: int) -> FrameChecksums:
    return FrameChecksums(b"R", size)
