"""Credit of the surrogates, updated with the scores since the last batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.trace import is_hit, tenth_best
from molvae.optimization.credit import Credit, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.methods.base import Situation

_LONGEST = 1000  # pending candidates


@dataclass(frozen=True)
class Pending:
    """A pending candidate.

    Attributes:
        member: Index of the surrogate that chose it.
        bar: Utility that a hit exceeds; `None`: any.
        predicted: Utility predicted by each surrogate, if there is one goal.
    """

    member: int
    bar: float | None
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class Ledger:
    """Credit of the surrogates, and pending candidates.

    Attributes:
        credit: Current credit.
        open: Pending candidates by canonical SMILES, oldest first.
        bar: Utility that a hit exceeds.
    """

    credit: Credit
    open: dict[str, Pending]
    bar: float | None

    @classmethod
    def settled(cls, situation: Situation) -> Ledger:
        """The ledger of the last batch, updated with the scores since."""
        n_members = len(situation.history.settings.search.surrogate.members)
        kept = situation.history.state.get("ledger")
        credit = Credit.from_json(kept["credit"]) if kept else Credit.new(n_members)
        waiting = {s: Pending(r[0], r[1], tuple(r[2])) for s, r in kept["open"]} if kept else {}
        trials = situation.history.trials
        worth = situation.history.utilities()
        by_name = dict(zip(trials, worth.tolist()))
        scored = [smiles for smiles in waiting if smiles in trials and trials[smiles].complete]
        credit = credit.after([_outcome(waiting[s], by_name[s]) for s in scored])
        return cls(credit, {s: f for s, f in waiting.items() if s not in set(scored)}, tenth_best(worth))

    def to_json(self, new: Sequence[tuple[str, int, tuple[float, ...]]]) -> dict[str, Any]:
        """As JSON values, with new candidates: SMILES, member and predictions of each."""
        rows = [[s, [f.member, f.bar, f.predicted]] for s, f in self.open.items()]
        rows += [[smiles, [member, self.bar, predicted]] for smiles, member, predicted in new]
        return {"credit": self.credit.to_json(), "open": rows[-_LONGEST:]}


def _outcome(pending: Pending, utility: float) -> Outcome:
    finite = bool(np.isfinite(utility))
    return Outcome(pending.member, is_hit(utility, pending.bar), utility, pending.predicted if finite else ())
