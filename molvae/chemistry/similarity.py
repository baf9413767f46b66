"""Tanimoto similarity of count fingerprints (MinMax): exact on unfolded counts, in bulk on matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rdkit import DataStructs
from scipy import sparse

from molvae.chemistry.fingerprints import FingerprintKind, sparse_counts, sparse_counts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule


def tanimoto(
    query: Molecule,
    molecules: Sequence[Molecule],
    kind: FingerprintKind = "morgan",
    radius: int | None = None,
) -> np.ndarray:
    """Similarity of one molecule to each of many: sum of minima over sum of maxima of unfolded counts.

    Returns:
        `n`, float64, in [0, 1]; 0 where both molecules have no feature at all.

    >>> from molvae.chemistry.molecule import parse
    >>> tanimoto(parse("CCO"), [parse("CCO"), parse("CCN")], radius=1).round(3).tolist()
    [1.0, 0.333]
    """
    vectors = sparse_counts_of(molecules, kind, radius)
    return np.array(DataStructs.BulkTanimotoSimilarity(sparse_counts(query, kind, radius), vectors))


def similarity_matrix(
    a: Sequence[Molecule],
    b: Sequence[Molecule] | None = None,
    kind: FingerprintKind = "morgan",
    radius: int | None = None,
) -> np.ndarray:
    """Similarity of every molecule of `a` to every molecule of `b` (of `a` itself where `b` is not given).

    Returns:
        `n x m`, float64.
    """
    rows = sparse_counts_of(a, kind, radius)
    columns = rows if b is None else sparse_counts_of(b, kind, radius)
    similarity = np.empty((len(rows), len(columns)), dtype=np.float64)
    if columns:
        for index, row in enumerate(rows):
            similarity[index] = DataStructs.BulkTanimotoSimilarity(row, columns)
    return similarity


def minmax(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """MinMax similarity of two count matrices: sum of minima over sum of maxima, for all pairs of rows.

    The sum of minima is a sparse product: min(x, y) is the number of levels l = 1, 2, ... that both reach, so
    the product of unary-expanded counts (one 0/1 column for each feature and level) adds it up.

    Args:
        a: `n x f`, whole numbers, none negative.
        b: `m x f`, likewise.

    Returns:
        `n x m`, float64, in [0, 1]; 0 where both rows are empty.

    Raises:
        ValueError: The widths differ, or an entry is no count.

    >>> minmax(np.array([[2, 1, 0]]), np.array([[1, 1, 2]])).tolist()
    [[0.4]]
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:  # noqa: PLR2004
        raise ValueError(f"expected n x f and m x f counts, got {a.shape} and {b.shape}")
    left, right = _counts(a), _counts(b)
    levels = int(min(left.max(), right.max())) if left.nnz and right.nnz else 0
    shared = (_unary(left, levels) @ _unary(right, levels).T).toarray()
    total = left.sum(axis=1).reshape(-1, 1) + right.sum(axis=1).reshape(1, -1) - shared
    similarity: np.ndarray = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return similarity


def _counts(matrix: np.ndarray) -> sparse.csr_array:
    counts = sparse.csr_array(matrix, dtype=np.float64)
    if counts.nnz and (counts.data.min() < 0 or not np.array_equal(counts.data, np.floor(counts.data))):
        raise ValueError("counts are whole numbers, none negative")
    return counts


def _unary(counts: sparse.csr_array, levels: int) -> sparse.csr_array:
    """`n x (f levels)` of ones: a count c becomes ones at its feature's first min(c, levels) columns."""
    repeats = np.minimum(counts.data, levels).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(repeats)])
    level = np.arange(ends[-1]) - np.repeat(ends[:-1], repeats)
    columns = np.repeat(counts.indices.astype(np.int64) * max(levels, 1), repeats) + level
    shape = (counts.shape[0], counts.shape[1] * max(levels, 1))
    return sparse.csr_array((np.ones(len(columns)), columns, ends[counts.indptr]), shape=shape)
