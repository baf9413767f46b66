"""Pool of candidates of one batch, with their acquisition values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.optimization.features import Features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.campaign.search.base import Draft
    from molvae.optimization.problem import Problem, Slot
    from molvae.optimization.surrogates import Portfolio


_BLOCK = 4096  # molecules judged at a time, which bounds memory


@dataclass
class Pool:
    """Candidates of one batch, growing generation by generation.

    Attributes:
        portfolio: The surrogates.
        problem: Goals and constraints.
        slots: Acquisition functions of the batch, `s`.
        drafts: The candidates, `n`.
        features: Their features, in blocks.
        known: Their computed scores, in blocks.
        values: Acquisition values, blocks of `s x n` in all.
    """

    portfolio: Portfolio
    problem: Problem
    slots: Sequence[Slot]
    drafts: list[Draft] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    known: list[Tensor] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)

    def judge(self, features: Features, known: Tensor) -> NDArray[np.float64]:
        """Acquisition values of molecules, given features and computed scores, `s x n`."""
        rows = np.arange(len(features))
        parts = [rows[first : first + _BLOCK] for first in range(0, len(rows), _BLOCK)]
        blocks = [self._judged(features.take(part), known[torch.from_numpy(part)]) for part in parts]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(self.slots), 0))

    def _judged(self, features: Features, known: Tensor) -> NDArray[np.float64]:
        beliefs = self.portfolio.beliefs(self.portfolio.gallery.compare(features))
        beliefs = tuple(belief.beside(known) for belief in beliefs)
        return np.asarray(self.problem.values(self.slots, beliefs).numpy())

    def add(self, drafts: Sequence[Draft], features: Features, known: Tensor) -> None:
        """Add candidates with their features and computed scores."""
        if drafts:
            self.drafts.extend(drafts)
            self.features.append(features)
            self.known.append(known)
            self.values.append(self.judge(features, known))

    @property
    def all_values(self) -> NDArray[np.float64]:
        """Acquisition values of all candidates, `s x n`."""
        return np.concatenate(self.values, axis=1) if self.values else np.empty((len(self.slots), 0))

    @property
    def all_features(self) -> Features:
        """Features of all candidates; there must be one."""
        return Features.joined(self.features)


def best_rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fitness for several slots: minus the best rank in any slot, `n`.

    >>> best_rank(np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])).tolist()
    [0.0, -1.0, 0.0]
    """
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values.shape[1])[None, :].repeat(len(values), axis=0), axis=1)
    return np.asarray(-ranks.min(axis=0), dtype=np.float64)  # negated as integers: no minus zero


def varied(order: Iterable[int], family: Callable[[int], str], most: int, least: int, n: int) -> list[int]:
    """The first `n` rows of `order` with at most `most` per family.

    If these are fewer than `least`, the first of the others are appended.

    >>> varied([0, 1, 2, 3], "aaab".__getitem__, most=2, least=2, n=4)
    [0, 1, 3]
    >>> varied([0, 1, 2], "aaa".__getitem__, most=1, least=2, n=3)
    [0, 1]
    """
    members: Counter[str] = Counter()
    kept: list[int] = []
    surplus: list[int] = []
    for row in order:
        if len(kept) == n:
            break
        name = family(row)
        members[name] += 1
        (kept if members[name] <= most else surplus).append(row)
    return kept + surplus[: max(0, least - len(kept))]
