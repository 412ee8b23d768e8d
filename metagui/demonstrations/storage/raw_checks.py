"""Checks of a file's bytes before HDF5 opens it: kind, signature, and the structure with which HDF5 never ends.

HDF5 2.0 reads texts from "global heaps", lists of objects of which each gives the distance to the next. Where damage
makes that distance zero, opening any text of the file takes for ever.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import IO, TYPE_CHECKING

import numpy as np

from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIZES_OFFSET = {0: 13, 1: 13, 2: 9, 3: 9}
"""Position of the two sizes, of addresses and of lengths, by the version of the file's superblock."""
_FILE_SIGNATURES = {
    b"version https://git-lfs": "it is a Git LFS pointer and the file itself was not downloaded (git lfs pull does)",
    b"PAR1": "it is a Parquet file",
    b"PK\x03\x04": "it is a zip archive",
    b"\x1f\x8b": "it is a gzip archive",
}
_HEAP_SIGNATURE = b"GCOL\x01"
_HEAP_START = int.from_bytes(_HEAP_SIGNATURE[:4], "little")
_HEAP_HEADER, _HEAP_OBJECT = struct.Struct("<8xQ"), struct.Struct("<H6xQ")
"""Size of a heap, and index and size of one of its objects."""
_MIN_HEAP_BYTES = 4096
_MAX_HEAP_OBJECTS = 1_000_000
_BLOCK_BYTES = 1 << 20


def check_file(path: Path) -> None:
    """Raise ContentError unless ``path`` is a file that HDF5 can open safely; a pipe or a device is not opened."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ContentError("it is a folder" if stat.S_ISDIR(mode) else "it is a pipe or a device, not a file")
        with path.open("rb") as file:
            _check_start(file.read(64))
            _check_heaps(file)
    except FileNotFoundError as error:
        gone = "it is a link to a file that does not exist" if path.is_symlink() else "it does not exist any more"
        raise ContentError(gone) from error
    except PermissionError as error:
        raise ContentError("you may not read it (check its permissions)") from error
    except OSError as error:
        raise ContentError(f"the disk refuses to read it ({os.strerror(error.errno or 5)})") from error
    except ValueError as error:
        raise ContentError("its name is not valid") from error


def _check_start(start: bytes) -> None:
    if not start:
        raise ContentError("it is empty")
    for signature, description in _FILE_SIGNATURES.items():
        if start.startswith(signature):
            raise ContentError(description)
    if not start.startswith(_HDF5_SIGNATURE):
        raise ContentError("it is no HDF5 file, or damaged")
    sizes = _SIZES_OFFSET.get(start[8]) if len(start) == 64 else None
    if sizes is None or start[sizes : sizes + 2] != b"\x08\x08":
        raise ContentError("it is cut off or damaged")


def _check_heaps(file: IO[bytes]) -> None:
    """Raise ContentError if the objects of a global heap do not fill it one after the other."""
    size, count = file.seek(0, os.SEEK_END), 0
    for start in _find_heaps(file):
        file.seek(start)
        header = file.read(_HEAP_HEADER.size)
        if len(header) < _HEAP_HEADER.size:
            continue
        (length,) = _HEAP_HEADER.unpack(header)
        if not _MIN_HEAP_BYTES <= length <= size - start:
            continue  # other data that look like a heap, or one that HDF5 refuses
        position, end = start + _HEAP_HEADER.size, start + length
        while position + _HEAP_OBJECT.size <= end:
            file.seek(position)
            index, object_size = _HEAP_OBJECT.unpack(file.read(_HEAP_OBJECT.size))
            step = object_size if index == 0 else _HEAP_OBJECT.size + -(-object_size // 8) * 8
            count += 1
            if not 0 < step <= end - position or count > _MAX_HEAP_OBJECTS:
                raise ContentError("its texts are damaged")
            position += step


def _find_heaps(file: IO[bytes]) -> Iterator[int]:
    """Yield where the signature of a heap is in a file, which may be moved meanwhile."""
    overlap = len(_HEAP_SIGNATURE) - 1
    start, block = 0, b""
    while True:
        file.seek(start + len(block))
        new = file.read(_BLOCK_BYTES)
        if not new:
            return
        block, start = block[-overlap:] + new, start + len(block) - len(block[-overlap:])
        found = block.find(_HEAP_SIGNATURE) if _contains_start(block) else -1
        while found >= 0:
            yield start + found
            found = block.find(_HEAP_SIGNATURE, found + 1)


def _contains_start(block: bytes) -> bool:
    """Whether the first four bytes of a heap are anywhere in a block; four times as fast as searching for them."""
    positions = (
        np.frombuffer(block, "<u4", (len(block) - offset) // 4, offset) for offset in range(min(4, len(block)))
    )
    return any(bool((found == _HEAP_START).any()) for found in positions)
