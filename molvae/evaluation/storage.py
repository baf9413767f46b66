"""Arrays kept between runs: written atomically, read without pickle, and made again if damaged."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as one `.npz` file.

    Raises:
        StorageError: The disk refuses.
    """
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile, KeyError):
        return None


def texts_to_bytes(texts: list[str]) -> NDArray[np.uint8]:
    """Texts without line breaks as one array of bytes.

    >>> bytes_to_texts(texts_to_bytes(["CC", ""])), bytes_to_texts(texts_to_bytes([]))
    (['CC', ''], [])
    """
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode(), dtype=np.uint8)


def bytes_to_texts(data: NDArray[np.uint8]) -> list[str]:
    """The texts again."""
    return data.tobytes().decode().split("\n")[:-1]
