"""Count fingerprints and descriptors of candidates, and similarities to the observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    Whole = NDArray[np.int64]

_DEEPEST = 256  # larger counts are clipped
_DENSE_SHARE = 0.04  # pairs in at least this share of a gallery use the dense product


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
    def of_keys(cls, keys: Sequence[NDArray[np.int32]], width: int) -> Multisets:
        """From the pairs of each candidate."""
        offsets = np.cumsum([0, *map(len, keys)], dtype=np.int64)
        return cls(np.concatenate([np.empty(0, dtype=np.int32), *keys]), offsets, width)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Whole:
        """Sum of the counts of each candidate, `n`."""
        return np.diff(self.offsets)

    def take(self, rows: Sequence[int] | Whole) -> Multisets:
        """Some candidates, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        places = np.arange(int(sizes.sum())) - np.repeat(ends - sizes - self.offsets[chosen], sizes)
        return Multisets(self.keys[places], np.concatenate([[0], ends]).astype(np.int64), self.width)


@dataclass(frozen=True)
class Features:
    """Inputs of a surrogate for `n` candidates: fingerprints by name, and descriptors, `n x p`, with NaN."""

    views: tuple[str, ...]
    multisets: tuple[Multisets, ...]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)

    def view(self, name: str) -> Multisets:
        """The multisets of one fingerprint."""
        return self.multisets[self.views.index(name)]

    def take(self, rows: Sequence[int] | Whole) -> Features:
        """Some candidates, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Features(self.views, tuple(view.take(chosen) for view in self.multisets), self.numbers[chosen])


class MinMaxGallery:
    r"""A gallery of multisets to compare others with.

    .. math:: k(a, b) = \frac{|A \cap B|}{|A| + |B| - |A \cap B|}

    Intersections are a matrix product of indicators, dense for common pairs and sparse for rare ones. Either
    alone is ten times slower on fingerprints, which have a few hundred common features and tens of thousands
    of rare ones.
    """

    def __init__(self, members: Multisets) -> None:
        self.members = members
        n_keys = members.width * _DEEPEST
        share = np.bincount(members.keys, minlength=n_keys)
        is_common = share >= max(2.0, _DENSE_SHARE * len(members))
        common, rare = np.flatnonzero(is_common), np.flatnonzero((share > 0) & ~is_common)
        self._n_common, self._n_rare = len(common), len(rare)
        self._column = np.full(n_keys, -1, dtype=np.int32)  # common ones first, then the rare
        self._column[common] = np.arange(len(common))
        self._column[rare] = len(common) + np.arange(len(rare))
        self._common, rest = self._split(members)
        self._rare = rest.T.tocsr()

    def similarities(self, queries: Multisets) -> NDArray[np.float64]:
        """MinMax similarities of `q` multisets to the members, `q x n`; 1 between empty ones."""
        common, rare = self._split(queries)
        shared = common @ self._common.T  # whole numbers, exact in float32 below 2^24
        if rare.nnz:
            shared += (rare @ self._rare).toarray()
        minima = shared.astype(np.float64)
        maxima = queries.sizes[:, None] + self.members.sizes[None, :] - minima
        return np.divide(minima, maxima, out=np.ones_like(minima), where=maxima > 0)

    def _split(self, sets: Multisets) -> tuple[NDArray[np.float32], sparse.csr_array]:
        """Indicators of the common pairs (`q x c`, dense) and of the rare ones (`q x r`, sparse)."""
        sizes = np.diff(sets.offsets)
        columns, rows = self._column[sets.keys], np.repeat(np.arange(len(sizes)), sizes)
        dense = np.zeros((len(sizes), self._n_common), dtype=np.float32)
        is_common = (columns >= 0) & (columns < self._n_common)
        dense[rows[is_common], columns[is_common]] = 1.0
        is_rare = columns >= self._n_common
        entries = columns[is_rare] - self._n_common
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows[is_rare], minlength=len(sizes)))])
        ones = np.ones(len(entries), dtype=np.float32)
        return dense, sparse.csr_array((ones, entries, offsets), shape=(len(sizes), self._n_rare))


class GramMemory:
    """Cache of similarities among observations: only rows of new ones are computed.

    Similarities are quotients of integers, identical to the last bit whenever they are computed, so the cache
    never changes a result.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, int], NDArray[np.float64]]] = {}

    def gram(self, view: str, names: Sequence[str], gallery: MinMaxGallery) -> NDArray[np.float64]:
        """Similarities by one fingerprint among the members of a gallery, `n x n`, whose names differ."""
        places, table = self._known.get(view, ({}, np.empty((0, 0))))
        old = np.array([places.get(name, -1) for name in names], dtype=np.int64)
        kept, new = np.flatnonzero(old >= 0), np.flatnonzero(old < 0)
        gram = np.empty((len(names), len(names)))
        gram[np.ix_(kept, kept)] = table[np.ix_(old[kept], old[kept])]
        if len(new):
            rows = gallery.similarities(gallery.members.take(new))
            gram[new] = rows
            gram[:, new] = rows.T
        self._known[view] = ({name: place for place, name in enumerate(names)}, gram)
        return gram


class Comparison:
    """Similarities of `q` candidates to `n` observations, a gallery; each table is computed on first use."""

    def __init__(self, features: Features, gallery: Gallery) -> None:
        self.features = features
        self.gallery = gallery
        self._cross: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self.features)

    def cross(self, view: str) -> Tensor:
        """Similarities to the observations, `q x n`, float64."""
        if view not in self._cross:
            table = self.gallery.views[view].similarities(self.features.view(view))
            self._cross[view] = torch.from_numpy(table)
        return self._cross[view]

    def own(self, view: str) -> Tensor:
        """Similarities among the candidates, `q x q`, float64."""
        if view not in self._own:
            multisets = self.features.view(view)
            self._own[view] = torch.from_numpy(MinMaxGallery(multisets).similarities(multisets))
        return self._own[view]

    @property
    def numbers(self) -> Tensor:
        """Descriptors of the candidates, scaled like those of the observations, `q x p`."""
        return self.gallery.scaled(self.features.numbers)


class Gallery:
    """Observations of a surrogate, compared with candidates.

    Descriptors are standardized over the observations; a missing one counts as average, a constant one is
    only centered.

    Args:
        features: Of the observations, `n`; at least one.
        names: Identity of each observation, all different, for the cache.
        memory: Cache of similarities.
        n_left_out: Number of observations that are not in the gallery.
    """

    def __init__(
        self,
        features: Features,
        names: Sequence[str] | None = None,
        memory: GramMemory | None = None,
        n_left_out: int = 0,
    ) -> None:
        self.features = features
        self.n_left_out = n_left_out
        self.views = {
            view: MinMaxGallery(sets) for view, sets in zip(features.views, features.multisets, strict=True)
        }
        self._names = names or [str(row) for row in range(len(features))]
        self._memory = memory or GramMemory()
        self._grams: dict[str, Tensor] = {}
        finite = np.where(np.isfinite(features.numbers), features.numbers, np.nan)
        known = np.isfinite(finite).any(axis=0)
        self._center, self._scale = np.zeros(finite.shape[1]), np.ones(finite.shape[1])
        self._center[known] = np.nanmean(finite[:, known], axis=0)
        spread = np.nanstd(finite[:, known], axis=0)
        self._scale[known] = np.where(spread > 1e-9, spread, 1.0)  # noqa: PLR2004
        self.numbers = self.scaled(features.numbers)
        """Scaled descriptors of the observations, `n x p`, float64."""

    def __len__(self) -> int:
        return len(self.features)

    def gram(self, view: str) -> Tensor:
        """Similarities among the observations, `n x n`, float64."""
        if view not in self._grams:
            table = self._memory.gram(view, self._names, self.views[view])
            self._grams[view] = torch.from_numpy(table)
        return self._grams[view]

    def scaled(self, numbers: NDArray[np.float64]) -> Tensor:
        """Descriptors standardized over the observations, `q x p`, clipped to [-10, 10]."""
        scaled = np.nan_to_num((numbers - self._center) / self._scale, nan=0.0, posinf=0.0, neginf=0.0)
        return torch.from_numpy(np.clip(scaled, -10.0, 10.0))

    def compare(self, features: Features) -> Comparison:
        """Comparison of candidates with the observations."""
        return Comparison(features, self)
