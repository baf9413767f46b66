"""Parquet tables in small batches of rows, and tables in memory, with pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.records import Column, absent, plain
from molvae.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_BATCH = 4096  # rows in memory at once
_CHUNK = 8192  # rows written at once
_LARGEST_CELL = 1_000_000  # characters
_AT_ONCE = 64 << 20  # bytes of a column converted to Python objects at once
_LARGEST_CHUNK = 1 << 28  # values of a column, or its uncompressed bytes, in one row group
_LARGEST_LISTS = 1 << 25  # likewise where a row may have any number of values
_NUMBER = 8  # characters, about
_TOO_LARGE = (
    "Rewrite it with smaller row groups, or check its origin: a small file can decompress to gigabytes."
)


class ParquetRows:
    """The rows of a Parquet file as text cells.

    Raises:
        InputError: If the file is not a complete Parquet file.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        self.path = path
        try:
            self._file = ParquetFile(path)
            self._file = ParquetFile(path, read_dictionary=self._texts())
        except (ArrowException, OSError) as error:
            raise InputError(f"{path} is not a complete Parquet file: {error}") from error
        self._check_sizes()
        self.columns: list[str] = [str(name) for name in self._file.schema_arrow.names]

    @property
    def groups(self) -> tuple[int, ...]:
        """Rows in each row group."""
        metadata = self._file.metadata
        return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number from 1, cells)."""
        return self._rows(1, {})

    def of_group(self, group: int, first: int) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number, cells) of one row group whose first row has the number `first`."""
        return self._rows(first, {"row_groups": [group]})

    def _rows(self, number: int, which: dict[str, list[int]]) -> Iterator[tuple[int, list[str]]]:
        from pyarrow import ArrowException

        try:
            for batch in self._file.iter_batches(batch_size=_BATCH, **which):
                step = max(1, min(self._rows_at_once(column) for column in batch.columns))
                for start in range(0, len(batch), step):
                    columns = [column.slice(start, step).to_pylist() for column in batch.columns]
                    for row in zip(*columns, strict=True):
                        yield number, [_text(cell) for cell in row]
                        number += 1
        except (ArrowException, OSError) as error:
            raise InputError(f"{self.path} cannot be read after row {number - 1}: {error}") from error
        finally:
            self._file.close()

    def _texts(self) -> list[str]:
        """Text columns, including nested ones: read as dictionaries, which store repeated texts once."""
        columns = map(self._file.schema.column, range(len(self._file.schema)))
        return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]

    def _check_sizes(self) -> None:
        """Reject a file whose metadata says it would not fit in memory."""
        metadata = self._file.metadata
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                size = max(column.total_uncompressed_size, column.num_values)
                most = _LARGEST_LISTS if column.num_values > group.num_rows else _LARGEST_CHUNK
                if size > most:
                    raise InputError(
                        f"{self.path}: '{column.path_in_schema}' has {size:,} bytes or values in one group, "
                        f"at most {most:,} are read",
                        hint=_TOO_LARGE,
                    )

    def _rows_at_once(self, column: Any) -> int:
        """Number of rows of a column to convert to Python objects at once."""
        longest = _longest(column)
        if longest > _LARGEST_CELL:
            raise InputError(
                f"{self.path}: a cell has {longest:,.0f} characters, at most {_LARGEST_CELL:,} are read",
                hint=_TOO_LARGE,
            )
        return int(_AT_ONCE / max(1, longest))


def _longest(column: Any) -> float:
    """An upper estimate of the characters in the longest cell."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        return _characters(column.slice(0, 1))
    whole = _characters(column)
    if not types.is_nested(column.type):
        return whole / max(1, len(column))
    if whole <= _LARGEST_CELL:
        return whole
    return max(_characters(column.slice(row, 1)) for row in range(len(column)))


def _characters(column: Any) -> float:
    """An upper estimate of the characters of a column as text; text columns are dictionaries."""
    from pyarrow import compute, types

    if types.is_dictionary(column.type):
        return len(column) * float(compute.max(compute.binary_length(column.dictionary)).as_py() or 1)
    if types.is_struct(column.type):
        return sum(map(_characters, column.flatten()))
    if types.is_map(column.type):
        first, last = (column.offsets[end].as_py() for end in (0, -1))
        return sum(_characters(part.slice(first, last - first)) for part in (column.keys, column.items))
    if types.is_nested(column.type):
        return len(column) + _characters(column.flatten())
    return float(max(column.nbytes, _NUMBER * len(column)))


def _text(cell: Any) -> str:
    """A cell as text; bytes that are not UTF-8 are kept, for `parse` to diagnose."""
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8").strip()
        except UnicodeDecodeError:
            return cell.decode("latin-1")
    return str(cell).strip()


class ParquetWriter:
    """Typed columns, written in chunks so that memory does not grow."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.skipped = 0
        self._schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
        self._file = pq.ParquetWriter(path, self._schema)
        self._rows: list[Sequence[Any]] = []

    def write(self, row: Sequence[Any]) -> None:
        """Keep the row until a chunk is full."""
        self._rows.append(row)
        if len(self._rows) >= _CHUNK:
            self._flush()

    def close(self) -> None:
        """Write what is left and the file's footer."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        columns = [
            _vectors(values, field.type.list_size)
            if pa.types.is_fixed_size_list(field.type)
            else pa.array([None if absent(value) else plain(value) for value in values], type=field.type)
            for field, values in zip(self._schema, zip(*self._rows, strict=True), strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    if column.kind == "vector":
        return pa.list_(pa.float32(), column.size)
    return {"number": pa.float64(), "integer": pa.int64()}.get(column.kind, pa.string())


def _vectors(values: Sequence[Any], size: int) -> Any:
    """A column of vectors; null where one is not finite."""
    import pyarrow as pa

    rows = np.array(values, dtype=np.float32).reshape(len(values), size)
    missing = ~np.isfinite(rows).all(axis=1)
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), size, mask=pa.array(missing))


def arrow_stream(columns: Mapping[str, Sequence[Any]], requested_schema: object = None) -> object:
    """Columns of one length as a stream of the Arrow PyCapsule protocol, for `__arrow_c_stream__`.

    (arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html); `None` is an absent value.
    """
    import pyarrow as pa

    return pa.table({name: pa.array(values) for name, values in columns.items()}).__arrow_c_stream__(
        requested_schema
    )


def to_pandas(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Columns of one length as a `pandas.DataFrame`.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError(
            "pandas is not installed", hint="pip install pandas, or take the result as an Arrow table."
        ) from None
    return pd.DataFrame(dict(columns))


def is_frame(thing: object) -> bool:
    """Whether it is a table that supports the protocol: pandas, polars, pyarrow, DuckDB, ..."""
    return hasattr(thing, "__arrow_c_stream__") and not hasattr(thing, "dtype")  # a series has one type


def columns_of(frame: Any) -> dict[str, list[Any]]:
    """The columns of such a table as Python values; NaN and null become `None`.

    >>> import pyarrow as pa
    >>> columns_of(pa.table({"smiles": ["C", None], "x": [1.0, float("nan")]}))
    {'smiles': ['C', None], 'x': [1.0, None]}
    """
    import pyarrow as pa

    table = pa.table(frame)
    return {
        name: [None if value != value else value for value in table.column(name).to_pylist()]  # noqa: PLR0124
        for name in table.column_names
    }
