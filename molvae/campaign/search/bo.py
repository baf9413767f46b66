"""The default method: Bayesian optimization over molecules.

Surrogates model the scores of molecules by fingerprints and descriptors; latent space is used for proposals
only. For each batch, an inner search maximizes the acquisition function over several generations: the best
offspring become parents of the next moves. The batch is chosen from the pool of all offspring.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.search.base import METHODS, N_GENERATIONS, N_PARENTS, Batch, Draft, Parents
from molvae.campaign.search.credit import Ledger, allotted
from molvae.campaign.search.data import fitted, training_data
from molvae.campaign.search.design import library, new_drafts, without_surrogate
from molvae.campaign.search.mix import Mix
from molvae.campaign.search.retreat import Retreat
from molvae.chemistry.substructure import murcko_scaffold
from molvae.optimization.acquisition import ACQUISITIONS, Slot, select_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.campaign.search.base import Offspring, Situation
    from molvae.campaign.search.data import Data
    from molvae.chemistry.molecule import Molecule
    from molvae.optimization.similarities import Features
    from molvae.optimization.surrogates import Belief, Portfolio


N_JOINT = 256
"""Number of candidates with the highest acquisition to choose the batch from."""
_SIMILARITY_CAP = 0.9  # maximum similarity (MinMax) within a batch, if the pool allows
_BLOCK = 4096  # molecules evaluated at a time, to bound memory
_N_LIBRARY = 100  # unseen start molecules in the pool of each batch
_ELITE_PER_PARENT = 3
_ENOUGH = 0.2  # share of the offspring that pass all bounds and are new: .2 to .35 without narrow bounds
_MOST_GENERATIONS = 4  # times `N_GENERATIONS`, while too few offspring pass
_RESERVES = ("reserve", "reserve_elsewhere")
_LOOKED_AT = 10  # start molecules checked per place in the pool


@METHODS.register("bo")
def bayesian_optimization(situation: Situation, n: int) -> Batch:
    """Surrogates on molecules, proposals from latent space and graphs, inner search of the acquisition."""
    generator = situation.seeds.torch("surrogate", situation.history.n_asks)
    data = training_data(situation, generator, exact=True)
    if data is None or not data.informative:
        return without_surrogate(situation, n)
    latents = situation.latents()
    latents(data.smiles)
    search = _InnerSearch(situation, data, n, Mix(situation, latents), generator)
    search.begin()
    for number in search.generations():
        numbers, parents = situation.generator("offspring", number), search.parents()
        attempts: list[Offspring] = []
        for source, counts in search.mix.plan(search.n_offspring, numbers):
            attempts += source.offspring(parents, counts, numbers)
        search.take(attempts, situation.all_acceptable(attempt.molecule for attempt in attempts))
    drafts, state = search.choose(n)
    drafts = new_drafts(situation, n, situation.generator("fill"), drafts)
    latents([draft.smiles for draft in drafts])
    wanted = {*(draft.smiles for draft in drafts), *data.smiles} - situation.history.latents.keys()
    fresh = {smiles: z for smiles, z in latents.known.items() if smiles in wanted}
    return Batch(tuple(drafts), state, fresh)


class _InnerSearch:
    """One batch: generations of offspring that maximize the acquisition."""

    def __init__(
        self, situation: Situation, data: Data, n: int, mix: Mix, generator: torch.Generator
    ) -> None:
        self.situation, self.data, self.mix = situation, data, mix
        self.settings = situation.history.settings
        self.n_offspring = self.settings.n_offspring(n)
        self.ledger = Ledger.settled(situation)
        self.retreat = Retreat.settle(situation, n)
        away = bool(self.retreat.centers) and situation.history.n_asks % 2 == 1
        avoided = self.retreat if away else Retreat()
        self._reserve = _RESERVES[away]  # of batches of this kind
        members = self.settings.search.surrogate.members
        portfolio = fitted(situation, data, members, situation.history.state.get("fits"), data.pending)
        self.pool = Pool(situation, data, portfolio, self._slots(n, generator), avoided)
        rows = _elite(data, _ELITE_PER_PARENT * N_PARENTS, ~avoided.near(situation.features, data.smiles))
        self.elite = [data.smiles[row] for row in rows]
        self.elite_values = self.pool.judge(self.elite, portfolio.gallery.features.take(rows))
        self.elite_values[:, ~data.admitted[rows]] = -np.inf  # parents only as a last resort

    def begin(self) -> None:
        """Fill the pool with the reserve of the last batch and unseen library molecules (all if alone)."""
        kept = [Draft(*row) for row in self.situation.history.state.get(self._reserve, ())]
        self.pool.add([draft for draft in kept if not self.situation.history.is_redrawn(draft.smiles)])
        if "library" in self.settings.sources:
            alone = self.settings.library_alone
            n, most = (None, None) if alone else (_N_LIBRARY, _LOOKED_AT * _N_LIBRARY)
            drawn = library(self.situation, n, self.situation.generator("library"), most=most)
            self.pool.add([Draft(smiles, "library") for smiles in drawn])

    def generations(self) -> Iterator[int]:
        """Numbers of the generations; more if bounds reject most offspring."""
        enough = len(self.pool.drafts) + round(_ENOUGH * N_GENERATIONS * self.n_offspring)
        for number in range(0 if self.settings.library_alone else _MOST_GENERATIONS * N_GENERATIONS):
            if number >= N_GENERATIONS and len(self.pool.drafts) >= enough:
                break
            yield number

    def parents(self) -> Parents:
        """The best observations and pool members, as parents."""
        values = np.concatenate([self.elite_values, self.pool.values], axis=1)
        smiles = [*self.elite, *(draft.smiles for draft in self.pool.drafts)]
        fitness = best_rank(values)
        top = np.argsort(-fitness, kind="stable")[:N_PARENTS]
        return Parents([smiles[row] for row in top], fitness[top])

    def take(self, attempts: Sequence[Offspring], accepted: Sequence[Molecule | None]) -> None:
        """Add the acceptable molecules of some attempts to the pool."""
        drafts: list[Draft] = []
        for attempt, molecule in zip(attempts, accepted, strict=True):
            if molecule is not None:
                self.situation.features.molecules.keep(molecule)
                ancestor = self.pool.ancestors.get(attempt.parent or "")
                drafts.append(Draft(molecule.smiles, attempt.move, attempt.parent, ancestor=ancestor))
        self.mix.took(attempts, drafts, self.pool.add(drafts))

    def choose(self, n: int) -> tuple[list[Draft], dict[str, Any]]:
        """The batch and the state for the next one."""
        pool, before = self.pool, self.situation.history.state
        if not pool.drafts:
            return [], {**before, "sources": self.mix.to_json(()), "retreat": asdict(self.retreat)}
        order = np.argsort(-best_rank(pool.values), kind="stable")
        batch = pool.select(order, n)
        taken = {draft.smiles for draft, _, _ in batch}
        left = [pool.drafts[row] for row in order if pool.drafts[row].smiles not in taken]
        state = {
            **{name: before.get(name, []) for name in _RESERVES},
            self._reserve: [[d.smiles, d.source, d.parent, None, d.ancestor] for d in left[:N_PARENTS]],
            "retreat": asdict(self.retreat),
            "sources": self.mix.to_json({pool.drafts[row].smiles for row in order[:N_PARENTS]}),
            "fits": pool.portfolio.remembered(),
            "ledger": self.ledger.to_json([(d.smiles, member, predicted) for d, member, predicted in batch]),
        }
        return [replace(draft, surrogate=pool.portfolio.names[m]) for draft, m, _ in batch], state

    def _slots(self, n: int, generator: torch.Generator) -> list[Slot]:
        """Goal, acquisition function and surrogate of each slot of the batch."""
        members = allotted(self.ledger.credit.weights(), n, self.situation.generator("members"))
        settings = self.settings.search.acquisition
        acquisition, n_goals = ACQUISITIONS.get(settings.name), len(self.data.problem.standings)
        return [
            Slot(j % n_goals, acquisition(settings, generator), int(member))
            for j, member in enumerate(members)
        ]


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
        top, features, data = self._top(order, n), self.situation.features, self.data
        names = [self.drafts[row].smiles for row in top]
        comparison, view = self.portfolio.gallery.compare(features(names)), features.views[0]
        awaited = comparison.cross(view)[:, len(data.smiles) :]
        taken = awaited.amax(1) if awaited.shape[1] else torch.zeros(len(top), dtype=torch.float64)
        computed = self._computed(names)
        beliefs = [b.beside(computed) for b in self.portfolio.beliefs(comparison, joint=True)]
        similarity = comparison.own(view)
        rows = select_batch(data.problem, self.slots[:n], beliefs, similarity, taken, _SIMILARITY_CAP)
        goal, single = data.problem.goal, not self.situation.history.settings.has_several_goals
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


def _elite(data: Data, n: int, open_rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the `n` best observations, of any goal, among `open_rows`, as parents."""
    scores = np.nan_to_num(data.worth.numpy(), nan=-np.inf)
    fitness = best_rank(np.where(data.allowed.numpy(), scores.T, scores.T - 1e6))
    order = np.argsort(-fitness, kind="stable")
    return order[open_rows[order]][:n]
