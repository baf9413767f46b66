"""Tanimoto similarity of packed fingerprints in bulk: nearest neighbors and diversity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from molvae.progress import Progress

_ROWS, _COLUMNS = 1024, 2048  # of one block of similarities: as much as a cache holds


def nearest_similarity(
    bits: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    progress: Progress = SILENT,
    task: str = "nearest neighbors",
) -> NDArray[np.float64]:
    """The largest similarity of each molecule to any of a reference.

    Args:
        bits: Packed fingerprints, `n x f/8`.
        reference: Packed fingerprints, `m x f/8`, m > 0.
        progress: Where progress is reported.
        task: Under which name.

    Returns:
        `n`, in [0, 1]; two fingerprints without a bit are the same.
    """
    nearest = np.zeros(len(bits), dtype=np.float32)
    progress.start(task, len(reference))
    for start in range(0, len(reference), _COLUMNS):
        part = reference[start : start + _COLUMNS]
        for rows, similarity in _similarities(bits, part):
            np.maximum(nearest[rows], similarity.max(axis=1), out=nearest[rows])
        progress.advance(task, len(part))
    progress.finish(task)
    return nearest.astype(np.float64)


def nearest_other(bits: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The largest similarity of each molecule to any other of the same set, `n`; 0 for one alone."""
    nearest = np.zeros(len(bits), dtype=np.float32)
    for start in range(0, len(bits), _COLUMNS):
        part = bits[start : start + _COLUMNS]
        for rows, similarity in _similarities(bits, part):
            own = np.arange(max(rows.start, start), min(rows.stop, start + len(part)))
            similarity[own - rows.start, own - start] = 0.0
            np.maximum(nearest[rows], similarity.max(axis=1), out=nearest[rows])
    return nearest.astype(np.float64)


def internal_diversity(bits: NDArray[np.uint8]) -> tuple[float, float]:
    """IntDiv and IntDiv2 of MOSES: 1 - mean over molecules of (mean over all of T^p)^(1/p), p = 1 and 2.

    A molecule is compared with itself too, as MOSES does.

    Args:
        bits: Packed fingerprints, `n x f/8`, n > 0.

    >>> internal_diversity(np.array([[1], [1], [2]], dtype=np.uint8))[0].__round__(3)
    0.444
    """
    sums = np.zeros((2, len(bits)))
    for start in range(0, len(bits), _COLUMNS):
        for rows, similarity in _similarities(bits, bits[start : start + _COLUMNS]):
            sums[0, rows] += similarity.sum(axis=1, dtype=np.float64)
            sums[1, rows] += np.einsum("ij,ij->i", similarity, similarity)
    means = sums / len(bits)
    return 1.0 - float(means[0].mean()), 1.0 - float(np.sqrt(means[1]).mean())


def _similarities(
    bits: NDArray[np.uint8], part: NDArray[np.uint8]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Blocks of rows and their similarities to all of `part`, `rows x m`; the array is used again."""
    right = np.unpackbits(part, axis=1).astype(np.float32)
    right_counts = right.sum(axis=1)
    transposed = np.ascontiguousarray(right.T)
    for start in range(0, len(bits), _ROWS):
        left = np.unpackbits(bits[start : start + _ROWS], axis=1).astype(np.float32)
        shared = left @ transposed
        union = left.sum(axis=1)[:, None] + right_counts
        union -= shared
        if not union.all():  # two fingerprints without a bit
            shared[union == 0] = union[union == 0] = 1.0
        shared /= union
        yield slice(start, start + len(left)), shared
