"""The default method: Bayesian optimization over molecules.

Surrogates model the scores of molecules by fingerprints and descriptors; latent space is used for proposals
only. For each batch, an inner search maximizes the acquisition function over several generations: the best
offspring become parents of the next moves.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.search.base import METHODS, N_GENERATIONS, N_PARENTS, Batch, Draft, Parents
from molvae.campaign.search.credit import Ledger, allotted
from molvae.campaign.search.data import fitted, training_data
from molvae.campaign.search.design import library, new_drafts
from molvae.campaign.search.mix import Mix
from molvae.campaign.search.pool import Pool, best_rank
from molvae.campaign.search.retreat import Retreat
from molvae.optimization.acquisition import ACQUISITIONS, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray

    from molvae.campaign.search.base import Offspring, Situation
    from molvae.campaign.search.data import Data
    from molvae.chemistry.molecule import Molecule


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
        return _blind(situation, n)
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
        """Fill the pool with the reserve of the last batch and with unseen library molecules.

        With the library as the only source, there are no others.
        """
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


def _blind(situation: Situation, n: int) -> Batch:
    """Half random library molecules, half prior draws; with library as the only source, all from it.

    If all scores are equal, acquisition functions only prefer unusual, implausible molecules.
    """
    settings = situation.history.settings
    n_library = n if settings.library_alone else (n + 1) // 2 if "library" in settings.sources else 0
    drawn = library(situation, n_library, situation.generator("blind library"))
    drafts = [Draft(smiles, "library") for smiles in drawn]
    drafts = new_drafts(situation, n, situation.generator("blind prior"), drafts)
    return Batch(tuple(drafts), situation.history.state)


def _elite(data: Data, n: int, open_rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the `n` best observations, of any goal, among `open_rows`, as parents."""
    scores = np.nan_to_num(data.worth.numpy(), nan=-np.inf)
    fitness = best_rank(np.where(data.allowed.numpy(), scores.T, scores.T - 1e6))
    order = np.argsort(-fitness, kind="stable")
    return order[open_rows[order]][:n]
