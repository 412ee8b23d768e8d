"""Parquet files: the only module that uses pyarrow. Sizes are checked before anything is allocated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metagui.demonstrations.formats.exchange import ExchangeError
from metagui.demonstrations.formats.named_file import check_kind
from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_COLUMN_BYTES = 64 << 20
"""Maximum size of one column that is read."""
MAX_TABLE_ROWS = 50_000_000
"""Maximum number of rows of one file."""
_MAX_INTEGER = 1 << 53
_MAX_EXPANSION = 1000
"""Maximum size of a file's columns in memory as a multiple of its size; constant columns pack well."""
INSTALL_HINT = "pip install 'metagui[formats]'"


def import_pyarrow() -> Any:
    """Return the module pyarrow.parquet. Raises ExchangeError if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ExchangeError(
            f"LeRobot data sets need the package pyarrow, which is not installed. Nothing was written or imported; "
            f"install it: {INSTALL_HINT}"
        ) from error
    return pyarrow.parquet


class ParquetWriter:
    """Writes rows to one file, a row group at a time; use it as a context manager."""

    def __init__(self, path: Path, features: dict[str, dict[str, Any]]) -> None:
        """Create the file with one column per feature of ``meta/info.json`` that is no video."""
        self._parquet = import_pyarrow()
        import pyarrow as pa

        self._types = {name: _to_arrow_type(pa, each) for name, each in features.items() if each["dtype"] != "video"}
        self._schema = pa.schema(list(self._types.items()))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._parquet.ParquetWriter(path, self._schema, compression="snappy")
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Write rows; every array has the shape (N,) or (N, D) of its feature."""
        import pyarrow as pa

        columns = []
        for name, kind in self._types.items():
            values = np.ascontiguousarray(arrays[name])
            flat = pa.array(values.ravel(), type=kind.value_type if pa.types.is_fixed_size_list(kind) else kind)
            columns.append(
                pa.FixedSizeListArray.from_arrays(flat, kind.list_size) if pa.types.is_fixed_size_list(kind) else flat
            )
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table)
        self.row_count += table.num_rows

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()


def _to_arrow_type(pa: Any, feature: dict[str, Any]) -> Any:
    (size,) = feature["shape"]
    scalar = pa.type_for_alias({"float32": "float", "float64": "double"}.get(feature["dtype"], feature["dtype"]))
    return scalar if size == 1 else pa.list_(scalar, size)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a file with one row per dictionary; all have the same keys."""
    parquet = import_pyarrow()
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows)), path, compression="snappy")


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write ``meta/tasks.parquet``: the tasks are the index of a pandas table, as LeRobot reads it."""
    parquet = import_pyarrow()
    import pyarrow as pa

    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    column = {"field_name": "task_index", "name": "task_index", "pandas_type": "int64", "numpy_type": "int64"}
    index = {"field_name": "task", "name": "task", "pandas_type": "unicode", "numpy_type": "object"}
    names = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object"}
    metadata = {
        "index_columns": ["task"],
        "column_indexes": [names | {"metadata": {"encoding": "UTF-8"}}],
        "columns": [column | {"metadata": None}, index | {"metadata": None}],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.3",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(metadata)}), path)


class ParquetFile:
    """Reads columns of one file. Raises ContentError for everything that is not as expected."""

    def __init__(self, path: Path) -> None:
        check_kind(path, "Parquet")
        parquet = import_pyarrow()
        import pyarrow as pa

        self._errors = (pa.ArrowException, OSError, ValueError, KeyError)
        try:
            self._file = parquet.ParquetFile(path, memory_map=True)
            self.row_count = int(self._file.metadata.num_rows)
            self.names = list(self._file.schema_arrow.names)
        except self._errors as error:
            raise ContentError("it is damaged or cut off") from error
        self._size = path.stat().st_size
        if not 0 <= self.row_count <= MAX_TABLE_ROWS:
            raise ContentError(f"it declares {self.row_count} rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read_numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers (N,), or of lists of D numbers (N, D)."""
        import pyarrow as pa

        column = self._read(name)
        if column.null_count:
            raise ContentError(f"its column {name!r} has empty cells")
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
        if not _is_list(pa, array.type):
            numbers = np.asarray(array.to_numpy(zero_copy_only=False))
            if numbers.dtype.kind not in "fiub":
                raise ContentError(f"its column {name!r} does not hold numbers")
            return numbers
        values = np.asarray(array.flatten().to_numpy(zero_copy_only=False))
        if not len(array) or values.size % len(array) or values.dtype.kind not in "fiub":
            raise ContentError(f"the lists of its column {name!r} are not equally long")
        if not pa.types.is_fixed_size_list(array.type):
            lengths = np.diff(np.asarray(array.offsets))
            if len(set(lengths.tolist())) > 1:
                raise ContentError(f"the lists of its column {name!r} are not equally long")
        return values.reshape(len(array), -1)

    def read_integers(self, name: str) -> list[int]:
        """Return a column of whole numbers from 0."""
        values = self.read_numbers(name)
        if values.ndim != 1 or not np.isfinite(values).all() or not ((values >= 0) & (values < _MAX_INTEGER)).all():
            raise ContentError(f"its column {name!r} does not hold whole numbers from 0")
        if not (values == np.floor(values)).all():
            raise ContentError(f"its column {name!r} does not hold whole numbers from 0")
        return [int(value) for value in values]

    def read_values(self, name: str) -> list[Any]:
        """Return a column as Python values."""
        values: list[Any] = self._read(name).to_pylist()
        return values

    def _read(self, name: str) -> Any:
        if name not in self.names:
            raise ContentError(f"its column {name!r} is missing")
        try:
            self._check_size(name)
            return self._file.read(columns=[name]).column(name)
        except self._errors as error:
            raise ContentError(f"its column {name!r} is damaged") from error

    def _check_size(self, name: str) -> None:
        """Raise ContentError if a column would need too much memory, by what the file declares."""
        metadata, size = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            for index in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(index)
                if chunk.path_in_schema.split(".")[0] == name or chunk.path_in_schema == name:
                    size += max(chunk.total_uncompressed_size, chunk.num_values * 8)
        if size > MAX_COLUMN_BYTES or size > max(_MAX_EXPANSION * self._size, 1 << 20):
            raise ContentError(f"its column {name!r} needs {size >> 20} MiB of memory, more than takes may have")


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))
