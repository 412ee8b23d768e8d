"""Reading of ``.npz`` files that may be damaged or hostile: sizes are checked before memory is used."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from metagui.checked_json import FileReasonError, check_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_END = struct.Struct("<4s6x H I")
"""Signature of a zip archive's last record, number of members, size of their list."""
_END_BYTES, _MAX_COMMENT_BYTES = 22, 0xFFFF
_MAX_MEMBERS, _MAX_LIST_BYTES = 64, 1 << 16
_BLOCK_BYTES = 1 << 20
_KINDS = "fiubU"
"""Kinds of numpy's types that are read: numbers, truth values, texts."""
_DECODING_ERRORS = (
    OSError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, RuntimeError, RecursionError, MemoryError, EOFError, SyntaxError, tokenize.TokenError,
)  # fmt: skip


def read_arrays(path: Path, names: Sequence[str], max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return arrays of an uncompressed ``.npz`` file by name, using as much memory as the file is long.

    Raises FileReasonError; its message is the reason, as a clause for another message.
    """
    check_regular(path, max_bytes)
    try:
        with path.open("rb") as file:
            _check_list(file)
            with zipfile.ZipFile(file) as archive:
                if missing := [name for name in names if f"{name}.npy" not in archive.namelist()]:
                    raise FileReasonError(f"it does not hold {missing[0]!r}")
                return {name: _read_member(archive, name, os.fstat(file.fileno()).st_size) for name in names}
    except FileReasonError:
        raise
    except _DECODING_ERRORS as error:
        raise FileReasonError("it is damaged, or another program's") from error


def _check_list(file: IO[bytes]) -> None:
    """Raise ValueError if the list of members is longer than any of ours, before it is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _MAX_COMMENT_BYTES))
    tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0:
        raise ValueError("no archive")
    _, members, list_bytes = _END.unpack_from(tail, start)
    if members > _MAX_MEMBERS or list_bytes > _MAX_LIST_BYTES:
        raise ValueError("too many members")


def _read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> NDArray[Any]:
    """Return one array. Raises FileReasonError and ``_DECODING_ERRORS``."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise FileReasonError("it is compressed, which this program's files are not")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, is_fortran, dtype = read_header[version](member)
        if dtype.hasobject or dtype.kind not in _KINDS:
            raise FileReasonError(f"{name!r} holds no numbers")
        if dtype.itemsize * math.prod(shape) != info.file_size - member.tell() or min(shape, default=0) < 0:
            raise ValueError("another size")
        values = np.empty(shape[::-1] if is_fortran else shape, dtype)
        _fill(values.reshape(-1).view(np.uint8), member)
    return values.T if is_fortran else values


def _fill(target: NDArray[np.uint8], source: IO[bytes]) -> None:
    """Read exactly the bytes of ``target``, and reach the end of the member, where its checksum is verified."""
    done = 0
    while block := source.read(_BLOCK_BYTES):
        target[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    if done != len(target):
        raise ValueError("cut off")
