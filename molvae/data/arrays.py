"""Columns of a corpus as .npy files: appended to, and read in blocks."""

from __future__ import annotations

from dataclasses import dataclass
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

    def append(self, rows: Sequence[NDArray[Any] | Sequence[int]]) -> None:
        """Write more rows."""
        self.offsets.append(self.values.n + np.cumsum(list(map(len, rows)), dtype=np.int64))
        self.values.append(np.concatenate(rows) if rows else [])

    def append_texts(self, texts: Sequence[str]) -> None:
        """Write more rows of text, as UTF-8."""
        self.append([np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8) for text in texts])

    def close(self) -> None:
        """Close both files."""
        self.values.close()
        self.offsets.close()


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array.

    Attributes:
        values: All rows, one after the other.
        offsets: Where each row starts, and the end; ``n + 1``.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def open(cls, directory: Path, name: str) -> Ragged:
        """Map the files of a `RaggedWriter` into memory."""
        return cls(mapped(directory / f"{name}.npy"), mapped(directory / f"{name}_offsets.npy"))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def text(self, row: int) -> str:
        """A row of text."""
        return self[row].tobytes().decode("utf-8")


def mapped(path: Path) -> NDArray[Any]:
    """The array of a .npy file, mapped into memory."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def blocks(n: int, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of n rows."""
    for start in range(0, n, size):
        yield start, min(start + size, n)
