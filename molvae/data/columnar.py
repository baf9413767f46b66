"""Read Parquet tables in small batches of rows: the door to pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH = 4096  # rows in memory at once


class ParquetRows:
    """The rows of a Parquet file as text cells.

    Args:
        path: A local file.

    Raises:
        InputError: If the file is not a complete Parquet file.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        self.path = path
        try:
            self._file = ParquetFile(path)
        except (ArrowException, OSError) as error:
            raise InputError(f"{path} is not a complete Parquet file: {error}") from error
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
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield number, ["" if cell is None else str(cell).strip() for cell in row]
                    number += 1
        except (ArrowException, OSError) as error:
            raise InputError(f"{self.path} cannot be read after row {number - 1}: {error}") from error
        finally:
            self._file.close()
