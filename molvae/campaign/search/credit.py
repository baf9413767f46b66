"""Credit of the surrogates: hits among their picks, and rank correlation on new molecules."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from molvae.campaign.utility import is_hit, tenth_best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.search.base import Situation


FLOOR = 0.2
"""Share of every batch divided equally among the surrogates."""
N_RECENT = 60
"""Latest scored candidates that predictions are compared with."""
_HALF_LIFE = 60.0  # in scored candidates, of a hit or a miss
_PRIOR_PICKS = 4.0  # prior candidates of average success per surrogate
_MOST_PENDING = 1000  # pending candidates to remember


@dataclass(frozen=True)
class Outcome:
    """One scored candidate: the surrogate that chose it (-1: none), and whether it is among the ten best.

    Predictions are those of each surrogate; empty if unknown.
    """

    member: int
    hit: bool
    value: float
    predicted: tuple[float, ...] = ()


@dataclass(frozen=True)
class Credit:
    """Discounted success of the surrogates.

    Attributes:
        picks: Discounted number of candidates each surrogate chose.
        hits: Discounted number of hits among them.
        recent: Latest outcomes: the value, then the prediction of each surrogate.
    """

    picks: tuple[float, ...]
    hits: tuple[float, ...]
    recent: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def new(cls, n_members: int) -> Credit:
        """Equal credit."""
        return cls((0.0,) * n_members, (0.0,) * n_members)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Credit:
        """From JSON values of its fields."""
        return cls(tuple(value["picks"]), tuple(value["hits"]), tuple(map(tuple, value["recent"])))

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
    """Member of each of `n` slots: in proportion to the weights, rounded at random, in random order.

    >>> allotted(np.array([0.5, 0.5]), 4, np.random.default_rng(0)).tolist().count(0)
    2
    """
    marks = (np.arange(n) + generator.random()) / n
    edges = np.cumsum(weights) / np.sum(weights)
    members = np.minimum(np.searchsorted(edges, marks, side="right"), len(weights) - 1)
    return np.asarray(generator.permutation(members), dtype=np.int64)


@dataclass(frozen=True)
class Ledger:
    """Credit of the surrogates, and pending candidates.

    Attributes:
        credit: Current credit.
        open: Pending candidates by canonical SMILES, oldest first: index of the surrogate that chose it, the
            utility that a hit exceeds, and the utility predicted by each surrogate, if there is one goal.
        bar: Utility that a hit exceeds now; `None`: any.
    """

    credit: Credit
    open: dict[str, Sequence[Any]]
    bar: float | None

    @classmethod
    def settled(cls, situation: Situation) -> Ledger:
        """The ledger of the last batch, updated with the scores since."""
        history = situation.history
        kept = history.state.get("ledger") or {"open": ()}
        n_members = len(history.settings.search.surrogate.members)
        credit = Credit.from_json(kept["credit"]) if "credit" in kept else Credit.new(n_members)
        waiting, worth = dict(kept["open"]), history.utilities()
        by_name = dict(zip(history.trials, worth.tolist()))
        outcomes = []
        for smiles in [s for s in waiting if s in history.trials and history.trials[s].complete]:
            (member, bar, predicted), utility = waiting.pop(smiles), by_name[smiles]
            seen = tuple(predicted) if np.isfinite(utility) else ()
            outcomes.append(Outcome(member, is_hit(utility, bar), utility, seen))
        return cls(credit.after(outcomes), waiting, tenth_best(worth))

    def to_json(self, new: Sequence[tuple[str, int, tuple[float, ...]]]) -> dict[str, Any]:
        """As JSON values, with new candidates: SMILES, member and predictions of each."""
        rows = [[smiles, row] for smiles, row in self.open.items()]
        rows += [[smiles, [member, self.bar, predicted]] for smiles, member, predicted in new]
        return {"credit": asdict(self.credit), "open": rows[-_MOST_PENDING:]}
