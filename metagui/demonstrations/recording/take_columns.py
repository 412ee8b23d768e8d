"""Samples of a take as one array per quantity, collected from blocks of rows in a single pass over memory."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import make_read_only

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 20
"""Bytes of rows that are copied at a time, few enough to stay in the processor's cache for all quantities."""
_ALIGNMENT = 64
"""Bytes at whose multiples columns begin."""
_OTHER_TYPES: dict[str, type[np.generic]] = {
    "held": np.bool_,
    "touched": np.bool_,
    "missed": np.int64,
    "click": np.int64,
}
"""Type of a column that is not float64."""


class TakeColumns:
    """Columns of the rows that are appended; memory is used only for as many as there are."""

    def __init__(self, row_dtype: np.dtype[np.void], capacity: int) -> None:
        """Make room for ``capacity`` rows of the type of ``TakeHeader.row_dtype``."""
        self._count, self._block_rows = 0, max(1, _BLOCK_BYTES // row_dtype.itemsize)
        types = {key: np.dtype(_OTHER_TYPES.get(key, np.float64)) for key in row_dtype.names or ()}
        shapes = {key: (capacity, *row_dtype[key].shape) for key in types}
        self._columns = _allocate(shapes, types)

    def __len__(self) -> int:
        return self._count

    def append(self, rows: NDArray[np.void]) -> None:
        """Copy rows (n,) behind those that are there."""
        for start in range(0, len(rows), self._block_rows):
            block = rows[start : start + self._block_rows]
            stop = self._count + len(block)
            for key, column in self._columns.items():
                column[self._count : stop] = block[key]
            self._count = stop

    def finish(self) -> dict[str, NDArray[Any]]:
        """Return the columns (N, ...), read-only."""
        return {key: make_read_only(column[: self._count]) for key, column in self._columns.items()}


def _allocate(shapes: dict[str, tuple[int, ...]], types: dict[str, np.dtype[Any]]) -> dict[str, NDArray[Any]]:
    """Return empty arrays in one block of memory, for which numpy asks for large pages: a third of the time."""
    sizes = {key: math.prod(shape) * types[key].itemsize for key, shape in shapes.items()}
    starts = [0, *itertools.accumulate(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes.values())]
    block = np.empty(starts[-1], np.uint8)
    return {
        key: block[start : start + size].view(types[key]).reshape(shapes[key])
        for start, (key, size) in zip(starts[:-1], sizes.items(), strict=True)
    }


def collect_columns(blocks: Iterable[NDArray[np.void]], row_dtype: np.dtype[np.void], count: int) -> TakeColumns:
    """Return the columns of ``count`` rows in blocks, of which the last may be longer."""
    found = TakeColumns(row_dtype, count)
    for block in blocks:
        found.append(block[: count - len(found)])
    return found
