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

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number from 1, cells)."""
        from pyarrow import ArrowException

        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, ["" if cell is None else str(cell).strip() for cell in row]
        except (ArrowException, OSError) as error:
            raise InputError(f"{self.path} cannot be read after row {number}: {error}") from error
        finally:
            self._file.close()
