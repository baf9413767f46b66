"""Credit of surrogates, by the hits they chose and by how well they ranked new molecules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FLOOR = 0.2
"""Part of every batch that all surrogates share equally."""
N_RECENT = 60
"""Latest scored candidates that predictions are compared with."""
_HALF_LIFE = 60.0  # in scored candidates, of a hit or a miss
_PRIOR_PICKS = 4.0  # candidates of average success that each surrogate begins with


@dataclass(frozen=True)
class Outcome:
    """One candidate that was scored.

    Attributes:
        member: Index of the surrogate that chose it; -1 if none did.
        hit: Whether it is among the ten best.
        value: Its score.
        predicted: Prediction of each surrogate; empty if unknown.
    """

    member: int
    hit: bool
    value: float
    predicted: tuple[float, ...] = ()


@dataclass(frozen=True)
class Credit:
    """Success of the surrogates, discounted with time.

    Attributes:
        picks: Discounted number of candidates each surrogate chose.
        hits: Discounted number of hits among them.
        recent: Latest outcomes: the value, then the prediction of each surrogate.
    """

    picks: tuple[float, ...]
    hits: tuple[float, ...]
    recent: tuple[tuple[float, ...], ...] = field(default=())

    @classmethod
    def new(cls, n_members: int) -> Credit:
        """Equal credit."""
        return cls((0.0,) * n_members, (0.0,) * n_members)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Credit:
        """The inverse of `to_json`."""
        return cls(tuple(value["picks"]), tuple(value["hits"]), tuple(map(tuple, value["recent"])))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"picks": self.picks, "hits": self.hits, "recent": self.recent}

    def after(self, outcomes: Sequence[Outcome]) -> Credit:
        """The credit after these outcomes, oldest first, with earlier ones discounted."""
        fading = 0.5 ** (1.0 / _HALF_LIFE)
        picks, hits = np.array(self.picks), np.array(self.hits)
        for outcome in outcomes:
            picks, hits = picks * fading, hits * fading
            if outcome.member >= 0:
                picks[outcome.member] += 1.0
                hits[outcome.member] += outcome.hit
        scored = [(o.value, *o.predicted) for o in outcomes if o.predicted]
        recent = (*self.recent, *scored)[-N_RECENT:]
        return replace(self, picks=tuple(picks.tolist()), hits=tuple(hits.tolist()), recent=recent)

    def skills(self) -> NDArray[np.float64]:
        """Rank correlation of predictions with the latest outcomes, per surrogate; shrunk while few."""
        if len(self.recent) < 2:  # noqa: PLR2004
            return np.zeros(len(self.picks))
        ranks = rankdata(np.array(self.recent), axis=0)
        ranks -= ranks.mean(axis=0)
        spread = np.sqrt((ranks**2).sum(axis=0))
        agreement = ranks[:, 0] @ ranks[:, 1:]
        trust = len(self.recent) / (len(self.recent) + 10.0)
        return np.asarray(trust * agreement / np.maximum(spread[0] * spread[1:], 1e-12))

    def weights(self) -> NDArray[np.float64]:
        """Share of the next batch each surrogate chooses; they sum to 1, each is at least `FLOOR` / n.

        Proportional to the hit rate (as if each had begun with `_PRIOR_PICKS` picks of average success) times
        the exponential of the rank correlation.
        """
        picks, hits = np.array(self.picks), np.array(self.hits)
        average = (hits.sum() + 0.5) / (picks.sum() + 1.0)
        rates = (hits + _PRIOR_PICKS * average) / (picks + _PRIOR_PICKS)
        worth = rates * np.exp(self.skills())
        share = worth / worth.sum()
        return np.asarray(FLOOR / len(share) + (1.0 - FLOOR) * share)


def allotted(weights: NDArray[np.float64], n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Member of each of `n` places: in proportion to the weights, rounding at random, in random order.

    >>> allotted(np.array([0.5, 0.5]), 4, np.random.default_rng(0)).tolist().count(0)
    2
    """
    marks = (np.arange(n) + generator.random()) / n
    edges = np.cumsum(weights) / np.sum(weights)
    members = np.minimum(np.searchsorted(edges, marks, side="right"), len(weights) - 1)
    return np.asarray(generator.permutation(members), dtype=np.int64)
