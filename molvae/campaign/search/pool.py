"""Pool of candidates of one batch: acquisition values, and selection of the batch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.substructure import murcko_scaffold
from molvae.optimization.acquisition import select_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.campaign.search.base import Draft, Situation
    from molvae.campaign.search.data import Data
    from molvae.campaign.search.retreat import Retreat
    from molvae.optimization.acquisition import Slot
    from molvae.optimization.similarities import Features
    from molvae.optimization.surrogates import Belief, Portfolio

N_JOINT = 256
"""Number of candidates with the highest acquisition to choose the batch from."""
_SIMILARITY_CAP = 0.9  # maximum similarity (MinMax) within a batch, if the pool allows
_BLOCK = 4096  # molecules evaluated at a time, to bound memory


class Pool:
    """Candidates of one batch, growing generation by generation, outside the `avoided` basins.

    Attributes:
        slots: Acquisition functions of the batch, `s`.
        drafts: The candidates, `n`.
        ancestors: Measured molecule each candidate and observation descends from, if any.
    """

    def __init__(
        self, situation: Situation, data: Data, portfolio: Portfolio, slots: Sequence[Slot], avoided: Retreat
    ) -> None:
        self.situation, self.data, self.portfolio, self.slots = situation, data, portfolio, slots
        self.avoided = avoided
        self.drafts: list[Draft] = []
        self.ancestors: dict[str, str | None] = {smiles: smiles for smiles in data.smiles}
        self._values: list[NDArray[np.float64]] = []

    @property
    def values(self) -> NDArray[np.float64]:
        """Acquisition values of all candidates, `s x n`."""
        return np.concatenate([np.empty((len(self.slots), 0)), *self._values], axis=1)

    def add(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Add and return those that are new to the campaign and the pool, and not avoided."""
        here = {draft.smiles for draft in self.drafts}
        first = {draft.smiles: draft for draft in reversed(drafts)}
        fresh = [first[text] for text in self.situation.unseen(d.smiles for d in drafts) if text not in here]
        near = self.avoided.near(self.situation.features, [draft.smiles for draft in fresh])
        fresh = [draft for draft, close in zip(fresh, near) if not close]
        if fresh:
            self.drafts += fresh
            self.ancestors.update({draft.smiles: draft.ancestor for draft in fresh})
            names = [draft.smiles for draft in fresh]
            self._values.append(self.judge(names, self.situation.features(names)))
        return fresh

    def _computed(self, smiles: Sequence[str]) -> Tensor:
        """Computed scores of molecules, `n x k`; no columns if goals are modeled directly."""
        if self.data.problem.composition is None:
            return torch.empty(len(smiles), 0, dtype=torch.float64)
        molecules = [m for text in smiles if (m := self.situation.features.molecules[text]) is not None]
        return torch.from_numpy(self.situation.history.known.values(molecules))

    def judge(self, smiles: Sequence[str], features: Features) -> NDArray[np.float64]:
        """Acquisition values of molecules with these features, `s x n`."""
        blocks, computed = [np.empty((len(self.slots), 0))], self._computed(smiles)
        for first in range(0, len(features), _BLOCK):
            rows = np.arange(first, min(first + _BLOCK, len(features)))
            comparison = self.portfolio.gallery.compare(features.take(rows))
            beliefs: list[Belief] = []
            for surrogate in self.portfolio.surrogates:
                belief = surrogate.posterior(comparison)
                beliefs.append(belief.beside(computed[torch.from_numpy(rows)]))
            blocks.append(self.data.problem.values(self.slots, beliefs).numpy())
        return np.concatenate(blocks, axis=1)

    def select(self, order: NDArray[np.int64], n: int) -> list[tuple[Draft, int, tuple[float, ...]]]:
        """The batch: for each slot a draft, its surrogate, and the predictions of all surrogates.

        `order` has rows of the pool, best first. Predictions are empty with several goals.
        """
        top = self._top(order, n)
        rows, beliefs = self._chosen(top, n)
        goal, single = self.data.problem.goal, not self.situation.history.settings.has_several_goals
        return [
            (
                self.drafts[top[row]],
                slot.member,
                tuple(float(goal(belief.take(row), 0).mean) for belief in beliefs) if single else (),
            )
            for row, slot in zip(rows, self.slots)
        ]

    def _top(self, order: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """The first rows of `order`, at most `scaffold_cap` per scaffold."""
        most = self.situation.history.settings.search.acquisition.scaffold_cap
        if most is None:
            return order[:N_JOINT]

        def scaffold(row: int) -> str:
            molecule = self.situation.features.molecules[self.drafts[row].smiles]
            return "" if molecule is None else murcko_scaffold(molecule)

        rows = varied(order.tolist(), scaffold, most=most, least=n, n=max(n, N_JOINT))
        return np.array(rows, dtype=np.int64)

    def _chosen(self, top: NDArray[np.int64], n: int) -> tuple[list[int], tuple[Belief, ...]]:
        """The batch as positions in `top`, and the beliefs about `top`."""
        features, data = self.situation.features, self.data
        names = [self.drafts[row].smiles for row in top]
        comparison, view = self.portfolio.gallery.compare(features(names)), features.views[0]
        similarity, awaited = comparison.own(view), comparison.cross(view)[:, len(data.smiles) :]
        taken = awaited.amax(1) if awaited.shape[1] else torch.zeros(len(top), dtype=torch.float64)
        computed = self._computed(names)
        beliefs = tuple(b.beside(computed) for b in self.portfolio.beliefs(comparison, joint=True))
        chosen = select_batch(data.problem, self.slots[:n], beliefs, similarity, taken, _SIMILARITY_CAP)
        return chosen, beliefs


def best_rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fitness for several slots: minus the best rank in any slot, `n`.

    >>> best_rank(np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])).tolist()
    [0.0, -1.0, 0.0]
    """
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values.shape[1])[None, :].repeat(len(values), axis=0), axis=1)
    return np.asarray(-ranks.min(axis=0), dtype=np.float64)  # negated as integers to avoid -0.0


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
