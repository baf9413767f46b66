"""Inputs of surrogates: count fingerprints as multisets, one per view, and descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

_DEEPEST = 256  # larger counts are clipped


@dataclass(frozen=True)
class Multisets:
    """Count vectors of `n` candidates as sets of (feature, level) pairs: a count of 3 is levels 1, 2 and 3.

    The sum of minima of two count vectors is the size of the intersection of their sets, which makes MinMax
    similarity of counts the Tanimoto similarity of sets.

    Attributes:
        keys: Numbers of the pairs, candidate by candidate: level * width + feature.
        offsets: Where each candidate begins in `keys`, and the end, `n + 1`.
        width: Number of features, `f`.
    """

    keys: NDArray[np.int32]
    offsets: Whole
    width: int

    @classmethod
    def of_entries(cls, lengths: Whole, features: Whole, counts: Whole, width: int) -> Multisets:
        """From the nonzero counts.

        Args:
            lengths: Number of features of each candidate, `n`.
            features: Their columns, candidate by candidate.
            counts: Their counts, clipped at 256.
            width: Number of columns.

        >>> one = np.array([2]), np.array([5, 0]), np.array([1, 2])
        >>> Multisets.of_entries(*one, width=10).keys.tolist()
        [5, 0, 10]
        """
        depth = np.minimum(counts, _DEEPEST)
        first = np.cumsum(depth) - depth
        levels = np.arange(int(depth.sum())) - np.repeat(first, depth)
        keys = (levels * width + np.repeat(features, depth)).astype(np.int32)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        return cls(keys, np.concatenate([[0], np.cumsum(depth)])[ends].astype(np.int64), width)

    @classmethod
    def of_counts(cls, counts: NDArray[np.float32]) -> Multisets:
        """From a dense matrix of counts, `n x f`."""
        rows, columns = np.nonzero(counts)
        lengths = np.bincount(rows, minlength=len(counts)).astype(np.int64)
        return cls.of_entries(lengths, columns, counts[rows, columns].astype(np.int64), counts.shape[1])

    @classmethod
    def joined(cls, parts: Sequence[Multisets], width: int) -> Multisets:
        """Concatenation of several."""
        keys = [part.keys for part in parts] or [np.zeros(0, dtype=np.int32)]
        sizes = np.concatenate([np.zeros(1, dtype=np.int64), *(part.sizes for part in parts)])
        return cls(np.concatenate(keys), np.cumsum(sizes), width)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Whole:
        """Sum of the counts of each candidate, `n`."""
        return np.diff(self.offsets)

    @property
    def n_keys(self) -> int:
        """Upper end of the keys."""
        return self.width * _DEEPEST

    def take(self, rows: Sequence[int] | Whole) -> Multisets:
        """Some candidates, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        places = np.arange(int(sizes.sum())) - np.repeat(ends - sizes - self.offsets[chosen], sizes)
        return Multisets(self.keys[places], np.concatenate([[0], ends]).astype(np.int64), self.width)


@dataclass(frozen=True)
class Features:
    """Inputs of a surrogate for `n` candidates.

    Attributes:
        views: Names of the multisets.
        multisets: One per view.
        numbers: `n x p`; NaN where a number is missing.
    """

    views: tuple[str, ...]
    multisets: tuple[Multisets, ...]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)

    def view(self, name: str) -> Multisets:
        """The multisets of one view."""
        return self.multisets[self.views.index(name)]

    @classmethod
    def joined(cls, parts: Sequence[Features]) -> Features:
        """Concatenation of several; at least one."""
        views = [
            Multisets.joined([part.multisets[j] for part in parts], first.width)
            for j, first in enumerate(parts[0].multisets)
        ]
        return cls(parts[0].views, tuple(views), np.concatenate([part.numbers for part in parts]))

    def take(self, rows: Sequence[int] | Whole) -> Features:
        """Some candidates, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Features(self.views, tuple(view.take(chosen) for view in self.multisets), self.numbers[chosen])
