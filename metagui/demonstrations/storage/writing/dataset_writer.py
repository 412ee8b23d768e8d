"""Writing of a take's arrays: what compresses well is compressed in another thread while the rest is written.

The blocks are those of HDF5's filters shuffle and deflate, which every reader undoes. HDF5 would compress one after the
other, while it keeps everything else waiting: that was half of the time of saving a long take.
"""

from __future__ import annotations

import itertools
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metagui.demonstrations.storage.checked_file import MAX_TAKE_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_COMPRESSED_BYTES, _CHUNK_BYTES = 4096, 1 << 20
_MIN_THREAD_BYTES = 256 << 10
"""Minimum size of an array that is compressed in another thread; a smaller one is done before a thread has begun."""
_LEVEL = 1
_MOSTLY_CONSTANT = {"object_positions", "object_yaws", "held", "touched", "dones", "rewards", "retries"}
"""Data sets that gzip makes 10 to 100 times smaller. Measured motions become a quarter smaller, at 60 MB/s: saving a
long take would last eight times as long as writing it."""


class DatasetWriter:
    """Writes data sets to a group; all are complete when the ``with`` block has ended."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[tuple[Any, int, Future[bytes]]] = []
        """Data set, first row and compressed bytes of blocks that are not written yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_details: object) -> None:
        try:
            if error_type is None:
                self._write_pending()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def write(self, path: str, values: NDArray[Any]) -> None:
        """Write one array, compressed unless that gains little or is so much that readers would refuse the ratio.

        ``values`` must not be changed before the block ends.
        """
        is_large = _MIN_COMPRESSED_BYTES < values.nbytes <= MAX_TAKE_BYTES // 4
        if not is_large or path.rpartition("/")[2] not in _MOSTLY_CONSTANT:
            self._group.create_dataset(path, data=values)
            return
        rows = max(1, min(len(values), _CHUNK_BYTES // (values.nbytes // len(values))))
        dataset = self._group.create_dataset(
            path,
            values.shape,
            values.dtype,
            chunks=(rows, *values.shape[1:]),
            compression="gzip",
            compression_opts=_LEVEL,
            shuffle=True,
        )
        for start in range(0, len(values), rows):
            self._write_block(dataset, values, start, rows)

    def _write_block(self, dataset: Any, values: NDArray[Any], start: int, rows: int) -> None:
        """Write one block of a data set, or have it compressed first."""
        if values.nbytes < _MIN_THREAD_BYTES:
            _write_compressed(dataset, start, compress_block(values, start, rows))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "compression")
        self._pending.append((dataset, start, self._pool.submit(compress_block, values, start, rows)))

    def _write_pending(self) -> None:
        for dataset, start, compressed in self._pending:
            _write_compressed(dataset, start, compressed.result())


def compress_block(values: NDArray[Any], start: int, rows: int) -> bytes:
    """Return the rows [start, start + rows) as HDF5's filters shuffle and deflate store them, zeros behind the last."""
    block = np.ascontiguousarray(values[start : start + rows])
    if len(block) < rows:
        padded = np.zeros((rows, *values.shape[1:]), values.dtype)
        padded[: len(block)] = block
        block = padded
    shuffled = block.view(np.uint8).reshape(-1, values.itemsize).T
    return zlib.compress(np.ascontiguousarray(shuffled).data, _LEVEL)


def _write_compressed(dataset: Any, start: int, block: bytes) -> None:
    dataset.id.write_direct_chunk((start, *itertools.repeat(0, dataset.ndim - 1)), block)
