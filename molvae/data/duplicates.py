"""Find the first row of every group of equal digests, a part of the digests at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.data.arrays import ArrayReader, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

ROWS_AT_ONCE = 1 << 20
"""Digests sorted in memory at once: the bound on the memory of this file."""


def groups_of(
    path: Path, *, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (rows, first row of each row's group), a part of all rows at a time.

    The digests are read several times, and each time those whose last bits say so are sorted.

    Args:
        path: A .npy file of digests, ``n x 2`` or ``n x 1`` of uint64.
        rows_at_once: About how many rows a part may have.
    """
    reader = ArrayReader(path)
    try:
        n_parts = 1
        while n_parts * rows_at_once < reader.n:
            n_parts *= 2
        for part in range(n_parts):
            rows, digests = _rows_of_part(reader, part, n_parts)
            if len(rows):
                yield rows, rows[_first_of_group(digests)]
    finally:
        reader.close()


def _rows_of_part(
    reader: ArrayReader, part: int, n_parts: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    rows, digests = [], []
    for start, stop in blocks(reader.n):
        block = reader.rows(start, stop).reshape(stop - start, -1)
        chosen = np.flatnonzero(block[:, 0] & np.uint64(n_parts - 1) == np.uint64(part))
        rows.append(chosen + start)
        digests.append(block[chosen])
    if not rows:
        return np.empty(0, dtype=np.int64), np.empty((0, 1), dtype=np.uint64)
    return np.concatenate(rows), np.concatenate(digests)


def _first_of_group(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each digest the position of the first equal one; positions count up with the rows."""
    order = np.lexsort(digests.T[::-1])  # stable: equal digests stay in the order of their rows
    ordered = digests[order]
    starts = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return first
