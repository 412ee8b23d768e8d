"""Checked reading of HDF5 files: kind of file, links, shapes, types and sizes are checked before numbers are read.

A damaged or hostile file costs neither much memory nor time, and never brings in the numbers of another file: linked,
virtual and external data are refused, and compressed data are unpacked here, up to their declared size and no further
(HDF5 unpacks a compressed block to whatever size it has).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import h5py
import numpy as np

from metagui.demonstrations.storage.errors import ContentError
from metagui.demonstrations.storage.raw_checks import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_TAKE_BYTES = 256 << 20
"""Maximum size of a take's arrays in memory, unless its file is large itself."""
MAX_EXPANSION = 8
"""Maximum size of a take's arrays in memory as a multiple of its file's size, where that is more."""
_MAX_ATTRIBUTE_BYTES = 16 << 20
_MAX_CHUNK_BYTES = 32 << 20
_MAX_CHUNKS = 100_000
_MAX_ENTRIES = 100_000
"""Maximum number of entries of a group."""
_MAX_DEPTH = 8
"""Maximum number of groups within each other."""
_MAX_FILTER_OVERHEAD = 4096
"""Maximum number of bytes by which a compressed block exceeds its plain size."""
READ_ERRORS = (
    OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, MemoryError, ArithmeticError,
    SystemError, AssertionError, zlib.error,
)  # fmt: skip
"""Exceptions that h5py, numpy and the standard library raise for a corrupt file, depending on what is corrupt."""


@dataclass
class _ReadState:
    """What has been read from a file so far."""

    bytes_left: int
    """Bytes of arrays that may still be read."""
    part: str = "its structure"
    """Part that is being read, for messages."""


class CheckedGroup:
    """Group of an open file. Every method raises ContentError for data that are missing or not as declared."""

    def __init__(self, group: Any, state: _ReadState) -> None:
        self._group, self._state = group, state
        self._attributes, self._opened = group.attrs, {"": group}

    def open_group(self, path: str) -> CheckedGroup:
        """Return the group at a relative path."""
        found = self._open(path)
        if not isinstance(found, h5py.Group):
            raise ContentError(f"{path!r} is not a group")
        return CheckedGroup(found, self._state)

    def list_names(self) -> list[str]:
        """Return the names of the entries."""
        if len(self._group) > _MAX_ENTRIES:
            raise ContentError(f"a group has {len(self._group)} entries")
        return [str(name) for name in self._group]

    def list_paths(self) -> list[str]:
        """Return the relative paths of all data sets below the group, without following links."""
        found, pending, count = [], [("", self._group)], 0
        while pending:
            prefix, group = pending.pop()
            count += len(group)
            if count > _MAX_ENTRIES:
                raise ContentError(f"it has more than {_MAX_ENTRIES} entries")
            for name in group:
                if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
                    continue
                item = group[name]
                if isinstance(item, h5py.Dataset):
                    found.append(prefix + name)
                elif isinstance(item, h5py.Group) and prefix.count("/") < _MAX_DEPTH:
                    pending.append((f"{prefix}{name}/", item))
        return sorted(found)

    def __contains__(self, name: str) -> bool:
        return bool(self._group.id.links.exists(name.encode()))

    def has_attribute(self, key: str) -> bool:
        """Whether there is an attribute of that name."""
        return key in self._attributes

    def read_text(self, key: str, at: str = "") -> str:
        """Return a text attribute of the group, or of what is ``at`` a relative path."""
        return self._to_text(self._read_attribute(key, at), key)

    def read_texts(self, key: str) -> tuple[str, ...]:
        """Return an attribute that is a list of texts."""
        value = self._read_attribute(key, "")
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            raise ContentError(f"its attribute {key!r} is not a list of texts")
        return tuple(self._to_text(each, key) for each in value)

    def read_json(self, key: str, at: str = "") -> Any:
        """Return the value of an attribute with JSON text; NaN is refused."""
        text = self.read_text(key, at)

        def refuse(constant: str) -> NoReturn:
            raise ContentError(f"its attribute {key!r} holds {constant}")

        try:
            return json.loads(text, parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            raise ContentError(f"its attribute {key!r} is damaged") from error

    def read_number(self, key: str) -> float:
        """Return a finite number from an attribute."""
        (number,) = self.read_numbers(key, 1)
        return number

    def read_integer(self, key: str) -> int:
        """Return a whole number that is not negative from an attribute."""
        number = self.read_number(key)
        if number < 0 or number != int(number):
            raise ContentError(f"its attribute {key!r} is {number:g}, not a whole number from 0")
        return int(number)

    def read_numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return the ``count`` finite numbers of an attribute."""
        value = np.asarray(self._read_attribute(key, ""))
        if value.dtype.kind not in "fiub" or value.size != count:
            raise ContentError(f"its attribute {key!r} is not {'a number' if count == 1 else f'{count} numbers'}")
        if not np.isfinite(value).all():
            raise ContentError(f"its attribute {key!r} is not finite")
        return tuple(float(number) for number in value.ravel())

    def read_array(self, path: str, shape: Sequence[int | None]) -> NDArray[Any]:
        """Return a data set of numbers; None in ``shape`` stands for any length."""
        dataset = self._open(path)
        if not isinstance(dataset, h5py.Dataset):
            raise ContentError(f"{path!r} is not a data set")
        _check_declaration(dataset, path, shape)
        size = dataset.size * max(dataset.dtype.itemsize, 8)
        if size > self._state.bytes_left:
            raise ContentError(f"{path!r} needs {size >> 20} MiB of memory, more than takes may have")
        self._state.bytes_left -= size
        return _read_chunks(dataset, path) if dataset.chunks else _read_plain(dataset, path)

    def read_any_array(self, path: str) -> NDArray[Any]:
        """Return a data set of numbers of any shape."""
        shape = getattr(self._open(path), "shape", None)
        return self.read_array(path, [None] * len(shape or ()))

    def count_dimensions(self, path: str) -> int:
        """Return the number of dimensions of a data set; 0 for a single value."""
        return len(getattr(self._open(path), "shape", None) or ())

    def read_attributes(self, at: str = "") -> dict[str, Any]:
        """Return all attributes that are texts or numbers, of the group or of what is ``at`` a relative path."""
        found = {}
        for key in self._open(at).attrs if at else self._attributes:
            with contextlib.suppress(ContentError):
                found[str(key)] = self._read_attribute(key, at)
        return found

    def _open(self, path: str) -> Any:
        """Return what is at a relative path, without following links."""
        if path not in self._opened:
            parent, _, name = path.rpartition("/")
            group = self._open(parent)
            if not isinstance(group, h5py.Group) or not group.id.links.exists(name.encode()):
                raise ContentError(f"{path!r} is missing")
            if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
                raise ContentError(f"{path!r} is a link; a take holds its own data")
            self._state.part = repr(path)
            self._opened[path] = group[name]
        self._state.part = repr(path)
        return self._opened[path]

    def _read_attribute(self, key: str, at: str) -> Any:
        attributes = self._open(at).attrs if at else self._attributes
        self._state.part = f"its attribute {key!r}"
        try:
            identifier = attributes.get_id(key)
        except KeyError as error:
            raise ContentError(f"its attribute {key!r} is missing") from error
        shape, dtype = identifier.shape, identifier.dtype
        size = 0 if shape is None else math.prod(shape) * dtype.itemsize
        if size > _MAX_ATTRIBUTE_BYTES:
            raise ContentError(f"its attribute {key!r} needs {size >> 20} MiB of memory")
        if dtype.kind not in "fiubS" and h5py.check_string_dtype(dtype) is None:
            raise ContentError(f"its attribute {key!r} is neither text nor a number")
        return attributes[key]

    def _to_text(self, value: Any, key: str) -> str:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        if not isinstance(value, str):
            raise ContentError(f"its attribute {key!r} is not a text")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ContentError(f"its attribute {key!r} is not valid Unicode") from error
        return str(value)


@contextlib.contextmanager
def open_checked(path: Path) -> Iterator[CheckedGroup]:
    """Open an HDF5 file for reading. Raises ContentError, also in the block, for everything that is not as expected."""
    check_file(path)
    state = _ReadState(max(MAX_TAKE_BYTES, MAX_EXPANSION * path.stat().st_size))
    try:
        file = h5py.File(path, "r", locking=False)
    except READ_ERRORS as error:
        raise ContentError("it is cut off or damaged") from error
    with file, np.errstate(invalid="ignore"):
        try:
            yield CheckedGroup(file, state)
        except READ_ERRORS as error:
            raise ContentError(f"{state.part} is damaged") from error


def _check_declaration(dataset: Any, path: str, shape: Sequence[int | None]) -> None:
    """Raise ContentError unless type, shape and storage of a data set are as expected."""
    plist = dataset.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise ContentError(f"{path!r} refers to other files; a take holds its own data")
    if dataset.dtype.kind not in "fiub" or dataset.dtype.itemsize > 8:
        raise ContentError(f"{path!r} does not hold numbers")
    found = dataset.shape
    if found is None or len(found) != len(shape) or any(b not in (None, a) for a, b in zip(found, shape, strict=True)):
        expected = " × ".join("any" if length is None else str(length) for length in shape)
        actual = " × ".join(map(str, found or ())) or "a single value"
        raise ContentError(f"{path!r} has the shape {actual} where {expected} is expected")


def _read_plain(dataset: Any, path: str) -> NDArray[Any]:
    """Return the values of a data set that is stored in one piece."""
    is_contiguous = dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
    if dataset.size and is_contiguous and dataset.id.get_offset() is None:
        raise ContentError(f"{path!r} was never written")
    return np.asarray(dataset[()])


def _read_chunks(dataset: Any, path: str) -> NDArray[Any]:
    """Return the values of a data set that is stored in chunks, unpacked within their declared size."""
    chunk, dtype, shape = dataset.chunks, dataset.dtype, dataset.shape
    chunk_bytes = math.prod(chunk) * dtype.itemsize
    counts = [-(-length // part) for length, part in zip(shape, chunk, strict=True)]
    if chunk_bytes > _MAX_CHUNK_BYTES or math.prod(counts) > _MAX_CHUNKS:
        raise ContentError(f"{path!r} is stored in {math.prod(counts)} chunks of {chunk_bytes} bytes")
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    if not set(filters) <= {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}:
        raise ContentError(f"{path!r} is packed by a method other than gzip")
    stored: dict[tuple[int, ...], int] = {}
    dataset.id.chunk_iter(lambda info: stored.update({tuple(info.chunk_offset): info.size}))
    values = np.zeros(shape, dtype)
    for index in itertools.product(*map(range, counts)):
        offset = tuple(i * part for i, part in zip(index, chunk, strict=True))
        if not 0 < stored.get(offset, 0) <= 2 * chunk_bytes + _MAX_FILTER_OVERHEAD:
            raise ContentError(f"{path!r} is incomplete")
        mask, data = dataset.id.read_direct_chunk(offset)
        block = np.frombuffer(_unpack(data, filters, mask, dtype.itemsize, chunk_bytes), dtype).reshape(chunk)
        target = tuple(slice(o, min(o + part, n)) for o, part, n in zip(offset, chunk, shape, strict=True))
        values[target] = block[tuple(slice(0, part.stop - part.start) for part in target)]
    return values


def _unpack(data: bytes, filters: list[int], mask: int, item_size: int, size: int) -> bytes:
    """Invert the filters of one chunk of ``size`` bytes. Raises zlib.error, ValueError."""
    for index, code in reversed(list(enumerate(filters))):
        if mask & 1 << index:
            continue
        if code == h5py.h5z.FILTER_DEFLATE:
            stream = zlib.decompressobj()
            data = stream.decompress(data, size + 1)
            if not stream.eof:
                raise ValueError("the compressed data do not end where they should")
        elif item_size > 1:
            data = np.frombuffer(data, np.uint8).reshape(item_size, -1).T.tobytes()
    if len(data) != size:
        raise ValueError("the chunk has another size than declared")
    return data
