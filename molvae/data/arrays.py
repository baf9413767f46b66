"""Columns of a corpus as .npy files: appended to, and read in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.persistence.files import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

BLOCK = 16_384
"""Rows handled at once when a whole column is passed over."""


class ArrayWriter(Closing):
    """A .npy file that grows by appending.

    Args:
        path: The file to make.
        dtype: Of the numbers.
        width: Shape of one row; empty for a plain column.
    """

    def __init__(self, path: Path, dtype: DTypeLike, width: tuple[int, ...] = ()) -> None:
        self.path = path
        self.dtype = np.dtype(dtype)
        self.width = width
        self.n = 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: NDArray[Any] | Sequence[Any]) -> None:
        """Write more rows at the end."""
        array = np.ascontiguousarray(rows, dtype=self.dtype).reshape(len(rows), *self.width)
        self._file.write(array.tobytes())
        self.n += len(array)

    def close(self) -> None:
        """Write the final number of rows into the header, for which numpy leaves room."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        description = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self.n, *self.width)}
        np.lib.format.write_array_header_1_0(self._file, header)


class RaggedWriter:
    """Rows of different lengths: their values one after the other, and where each starts.

    Args:
        directory: Where ``NAME.npy`` and ``NAME_offsets.npy`` are made.
        name: Of the column.
        dtype: Of the values.
    """

    def __init__(self, directory: Path, name: str, dtype: DTypeLike) -> None:
        self.values = ArrayWriter(directory / f"{name}.npy", dtype)
        self.offsets = ArrayWriter(directory / f"{name}_offsets.npy", np.int64)
        self.offsets.append([0])

    def append(self, values: NDArray[Any], lengths: NDArray[np.integer]) -> None:
        """Write more rows: all their values, and the length of each."""
        self.offsets.append(self.values.n + np.cumsum(lengths, dtype=np.int64))
        self.values.append(values)

    def append_texts(self, texts: Sequence[str]) -> None:
        """Write more rows of text, as UTF-8."""
        encoded = [text.encode("utf-8", "replace") for text in texts]
        lengths = np.array([len(text) for text in encoded], dtype=np.int64)
        self.append(np.frombuffer(b"".join(encoded), dtype=np.uint8), lengths)

    def close(self) -> None:
        """Close both files."""
        self.values.close()
        self.offsets.close()


class ArrayReader:
    """Reads slices of a .npy file with plain reads, so that nothing stays in memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        np.lib.format.read_magic(self._file)
        shape, _, self.dtype = np.lib.format.read_array_header_1_0(self._file)
        self.n = int(shape[0])
        self.width = tuple(shape[1:])
        self._start = self._file.tell()
        self._row_items = int(np.prod(self.width, dtype=np.int64))

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start`` to ``stop`` (not included)."""
        stop = min(stop, self.n)
        count = max(stop - start, 0) * self._row_items
        self._file.seek(self._start + start * self._row_items * self.dtype.itemsize)
        values = np.fromfile(self._file, dtype=self.dtype, count=count)
        return (
            values.reshape(-1, *self.width)
            if self._row_items
            else np.empty((max(stop - start, 0), *self.width))
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RaggedReader(Closing):
    """Reads slices of what a `RaggedWriter` wrote."""

    def __init__(self, directory: Path, name: str) -> None:
        self._values = ArrayReader(directory / f"{name}.npy")
        self._offsets = ArrayReader(directory / f"{name}_offsets.npy")
        self.n = self._offsets.n - 1

    def rows(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the values of rows ``start`` to ``stop``, and the length of each row."""
        offsets = self._offsets.rows(start, min(stop, self.n) + 1)
        return self._values.rows(int(offsets[0]), int(offsets[-1])), np.diff(offsets)

    def texts(self, start: int, stop: int) -> list[str]:
        """Return the texts of rows ``start`` to ``stop``."""
        values, lengths = self.rows(start, stop)
        return cut_texts(values.tobytes(), lengths)

    def close(self) -> None:
        """Close both files."""
        self._values.close()
        self._offsets.close()


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as a .npy file, as an `ArrayWriter` does."""
    with ArrayWriter(path, array.dtype, array.shape[1:]) as writer:
        writer.append(array)


def blocks(n: int, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of n rows."""
    for start in range(0, n, size):
        yield start, min(start + size, n)


def cut_texts(data: bytes, lengths: NDArray[np.integer]) -> list[str]:
    """Cut consecutive UTF-8 texts of the given lengths in bytes."""
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]] if ends else []
    return [data[a:b].decode("utf-8") for a, b in zip(starts, ends, strict=True)]


def open_array(path: Path) -> NDArray[Any]:
    """Memory-map a .npy file; an empty one, which cannot be mapped, is read."""
    array = np.load(
        path, mmap_mode=None if path.stat().st_size <= _empty_size(path) else "r", allow_pickle=False
    )
    return np.asarray(array)


def _empty_size(path: Path) -> int:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()
