"""Rank hits by one goal or several, and keep those that can still be among the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """Lowest and highest value of each goal over all hits, `m` each; empty without hits."""

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def of(cls, goals: Array) -> Range:
        """The range of the rows of `goals` (`n x m`)."""
        if not goals.size:
            return cls()
        return cls(tuple(goals.min(axis=0).tolist()), tuple(goals.max(axis=0).tolist()))

    def __or__(self, other: Range) -> Range:
        if not self.low or not other.low:
            return self if self.low else other
        return Range(tuple(map(min, self.low, other.low)), tuple(map(max, self.high, other.high)))


def order(goals: Array) -> NDArray[np.int64]:
    """Rows sorted by the first goal, then the second and so on, highest first; stable."""
    keys = [-goals[:, j] for j in reversed(range(goals.shape[1]))]
    return np.lexsort(keys) if keys else np.arange(len(goals))


def leaders(goals: Array, k: int) -> NDArray[np.int64]:
    """The rows dominated by fewer than `k` others, in order: all that can be among the `k` best.

    A row dominates another if it is at least as good in every goal (of equal rows, the first one). With one
    goal these are the `k` best. With several, the utility depends on the range of each goal over all hits,
    unknown before the last part; but it is monotone in every goal, so the `k` best are always among these
    rows (a k-skyband; Papadias 2005). Goals, `n x m`, are maximized.

    >>> leaders(np.array([[1.0, 3.0], [2.0, 2.0], [1.5, 1.0], [3.0, 1.0]]), 1).tolist()
    [0, 1, 3]
    """
    ranked = order(goals)
    if goals.shape[1] < 2 or len(goals) <= k:  # noqa: PLR2004 - one goal, or none
        return np.sort(ranked[:k])
    band = np.empty((len(goals), goals.shape[1] - 1))
    kept: list[int] = []
    for row in ranked.tolist():  # rows that dominate a row precede it, and only leaders matter
        others = goals[row, 1:]
        if (band[: len(kept)] >= others).all(axis=1).sum() < k:
            band[len(kept)] = others
            kept.append(row)
    return np.sort(np.array(kept, dtype=np.int64))


def utilities(goals: Array, over: Range) -> Array:
    """Utility of each row, `n`.

    One goal: the score, negated if minimized. Several goals: each is scaled to [0, 1] by its range over all
    hits (a constant goal counts 1), and the utility is their geometric mean, as in a search. Goals, `n x m`,
    are maximized.
    """
    if goals.shape[1] == 1:
        return goals[:, 0]
    low, high = np.array(over.low), np.array(over.high)
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (goals - low) / span, 1.0)
    utility: Array = np.prod(scaled, axis=1) ** (1.0 / max(1, goals.shape[1]))
    return utility


def best(goals: Array, over: Range, k: int) -> tuple[NDArray[np.int64], Array]:
    """The `k` best rows, best first, and the utility of every row; goals are `n x m`, with `m` not 0.

    Rows of equal utility are ranked by their goals; equal rows keep their order.
    """
    utility = utilities(goals, over)
    by_goals = order(goals)
    ranked = by_goals[np.argsort(-utility[by_goals], kind="stable")]
    return ranked[:k], utility


def first_of_each(keys: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the first occurrence of each key, in order."""
    first: dict[str, int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    return np.array(list(first.values()), dtype=np.int64)
