"""Columns of a corpus as .npy files: appended to, and read in blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.persistence.files import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

BLOCK = 16_384
"""Rows per block when a whole column is read."""


class ArrayWriter(Closing):
    """A .npy file that grows by appending rows of the shape `width`; empty for a plain column."""

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
        """Write the final number of rows into the header, which numpy pads for this."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        description = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self.n, *self.width)}
        np.lib.format.write_array_header_1_0(self._file, header)


class RaggedWriter(Closing):
    """Rows of different lengths: ``NAME.npy`` has all values, ``NAME_offsets.npy`` where each row starts."""

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


class RaggedReader(Closing):
    """Reads slices of the files of a `RaggedWriter`, without memory mapping."""

    def __init__(self, directory: Path, name: str) -> None:
        self._values = _Column(directory / f"{name}.npy")
        self._offsets = _Column(directory / f"{name}_offsets.npy")
        self.n = self._offsets.n - 1

    def rows(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the values of rows ``start`` to ``stop`` (not included), and the length of each row."""
        offsets = self._offsets.items(start, min(stop, self.n) + 1)
        return self._values.items(int(offsets[0]), int(offsets[-1])), np.diff(offsets)

    def texts(self, start: int, stop: int) -> list[str]:
        """Return the texts of rows ``start`` to ``stop``."""
        values, lengths = self.rows(start, stop)
        data, ends = values.tobytes(), np.cumsum(lengths).tolist()
        return [data[a:b].decode("utf-8") for a, b in pairwise([0, *ends])]

    def close(self) -> None:
        """Close both files."""
        self._values.file.close()
        self._offsets.file.close()


class _Column:
    """A .npy file of `n` numbers in a row."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        np.lib.format.read_magic(self.file)
        (self.n,), _, self._dtype = np.lib.format.read_array_header_1_0(self.file)
        self._start = self.file.tell()

    def items(self, start: int, stop: int) -> NDArray[Any]:
        self.file.seek(self._start + start * self._dtype.itemsize)
        return np.fromfile(self.file, dtype=self._dtype, count=stop - start)


def blocks(n: int, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of n rows."""
    for start in range(0, n, size):
        yield start, min(start + size, n)
