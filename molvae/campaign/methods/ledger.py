"""What each surrogate has earned: candidates whose scores came in since the last batch, settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.trace import is_hit, tenth_best
from molvae.optimization.credit import Credit, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.methods.base import Situation

_LONGEST = 1000  # candidates whose predictions wait for a score


@dataclass(frozen=True)
class Foretold:
    """A candidate on its way.

    Attributes:
        member: Surrogate that chose it.
        bar: What its utility must exceed to count as a hit; absent: any number does.
        predicted: Each surrogate's mean, if utilities are what surrogates predict.
    """

    member: int
    bar: float | None
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class Ledger:
    """Credit of the surrogates, and predictions that are still to be judged.

    Attributes:
        credit: Up to the scores known now.
        open: By canonical SMILES, oldest first.
        bar: Utility a new candidate must exceed to count as a hit.
    """

    credit: Credit
    open: dict[str, Foretold]
    bar: float | None

    @classmethod
    def settled(cls, situation: Situation) -> Ledger:
        """The ledger of the last batch, with all that has been scored since taken into account."""
        n_members = len(situation.history.settings.search.surrogate.members)
        kept = situation.history.state.get("ledger")
        credit = Credit.from_json(kept["credit"]) if kept else Credit.new(n_members)
        waiting = {s: Foretold(r[0], r[1], tuple(r[2])) for s, r in kept["open"]} if kept else {}
        trials = situation.history.trials
        worth = situation.history.utilities()
        by_name = dict(zip(trials, worth.tolist()))
        told = [smiles for smiles in waiting if smiles in trials and trials[smiles].complete]
        credit = credit.after([_outcome(waiting[s], by_name[s]) for s in told])
        return cls(credit, {s: f for s, f in waiting.items() if s not in set(told)}, tenth_best(worth))

    def to_json(self, new: Sequence[tuple[str, int, tuple[float, ...]]]) -> dict[str, Any]:
        """As JSON values, with new candidates: SMILES, member and predictions of each."""
        rows = [[s, [f.member, f.bar, f.predicted]] for s, f in self.open.items()]
        rows += [[smiles, [member, self.bar, predicted]] for smiles, member, predicted in new]
        return {"credit": self.credit.to_json(), "open": rows[-_LONGEST:]}


def _outcome(foretold: Foretold, utility: float) -> Outcome:
    scored = bool(np.isfinite(utility))
    return Outcome(
        foretold.member, is_hit(utility, foretold.bar), utility, foretold.predicted if scored else ()
    )
