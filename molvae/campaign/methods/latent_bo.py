"""The default method: Bayesian optimization over molecules, with proposals from latent space.

The surrogate models molecules by their fingerprints; latent space only proposes. For each batch an inner
search climbs the acquisition for several generations: the best offspring become parents of the next moves,
their latent points from the encoder. Only then are calls spent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.initialization import library, prior_drafts
from molvae.campaign.methods.base import METHODS, Batch, Draft
from molvae.campaign.methods.data import training_data
from molvae.campaign.methods.pool import Pool, best_rank
from molvae.campaign.sources import SOURCES, Latents, Parents, breed
from molvae.optimization.acquisition import ACQUISITIONS
from molvae.optimization.baselines import random_rows
from molvae.optimization.kernels import minmax_similarity
from molvae.optimization.selection import Slot, select_batch
from molvae.optimization.surrogates.base import make_surrogate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.methods.base import Situation
    from molvae.campaign.methods.data import Data
    from molvae.chemistry.molecule import Invalid, Molecule

_NARROWEST, _WIDEST = 0.25, 2.5
_WIDER, _NARROWER = 1.3, 1 / 1.15


@METHODS.register("latent-bo")
class LatentBO:
    """Surrogate on fingerprints, proposals from latent space, inner search of the acquisition."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules that the acquisition functions of the batch like best."""
        generator = situation.seeds.torch("surrogate", situation.history.n_asks)
        data = training_data(situation, generator)
        if data is None:
            return Batch(tuple(prior_drafts(situation, n, situation.generator("fallback"))))
        search = _InnerSearch(situation, data, n, generator)
        search.climb()
        drafts, state = search.choose(n)
        if len(drafts) < n:
            taken = {draft.smiles for draft in drafts}
            drafts += prior_drafts(situation, n - len(drafts), situation.generator("fill"), taken)
        search.latents([draft.smiles for draft in drafts])
        wanted = {draft.smiles for draft in drafts} | set(data.smiles)
        fresh = {
            s: z for s, z in search.latents.known.items() if s in wanted - situation.history.latents.keys()
        }
        return Batch(tuple(drafts), state, fresh)


class _InnerSearch:
    """One batch: generations of offspring that climb the acquisition."""

    def __init__(self, situation: Situation, data: Data, n: int, generator: torch.Generator) -> None:
        self.situation = situation
        self.settings = situation.history.settings
        self.data = data
        self.latents = Latents(situation)
        self.latents(data.smiles)
        self.widening = float(situation.history.state.get("widening", 1.0))
        self.n_valid = 0
        self.n_repeated = 0
        search = self.settings.search
        surrogate = make_surrogate(search.surrogate)
        self.observed = situation.fingerprints(data.smiles)
        self.awaited = situation.fingerprints(data.pending)
        surrogate.fit(torch.from_numpy(self.observed), data.y, pending=torch.from_numpy(self.awaited))
        acquisition = ACQUISITIONS.get(search.acquisition.name)
        slots = [Slot(j % data.problem.n_goals, acquisition(search.acquisition, generator)) for j in range(n)]
        self.pool = Pool(surrogate, data.problem, slots)
        self.observed_values = self.pool.judge(self.observed)
        self.sources = {
            name: SOURCES.get(name)(situation, self.latents, self.widening) for name in self.settings.sources
        }

    def climb(self) -> None:
        """Fill the pool: leftovers of the last batch, unseen library molecules, then the generations."""
        reserve = [Draft(*row) for row in self.situation.history.state.get("reserve", ())]
        self._add(reserve, {})
        rest = library(self.situation)
        chosen = random_rows(len(rest), self.settings.n_library, self.situation.generator("library"))
        self._add([Draft(rest[row], "library") for row in chosen], {})
        for generation in range(self.settings.search.n_generations):
            attempts = breed(
                self.sources,
                self.settings.sources,
                self._parents(),
                self.settings.search.n_offspring,
                self.situation.generator("offspring", generation),
            )
            self._take(attempts)

    def choose(self, n: int) -> tuple[list[Draft], dict[str, Any]]:
        """The batch, and the state for the next one."""
        if not self.pool.drafts:
            return [], {"widening": self._next_widening()}
        fitness = best_rank(self.pool.all_values)
        order = np.argsort(-fitness, kind="stable")
        top = order[: self.settings.search.acquisition.n_joint]
        features = torch.from_numpy(self.pool.all_features[top])
        awaited = minmax_similarity(features, torch.from_numpy(self.awaited))
        rows = select_batch(
            self.pool.problem,
            self.pool.slots[:n],
            self.pool.surrogate.posterior(features, joint=True),
            minmax_similarity(features, features),
            awaited.amax(1) if awaited.shape[1] else torch.zeros(len(top), dtype=torch.float64),
            self.settings.search.acquisition.similarity_cap,
        )
        chosen = [self.pool.drafts[top[row]] for row in rows]
        taken = {draft.smiles for draft in chosen}
        left = [self.pool.drafts[row] for row in order if self.pool.drafts[row].smiles not in taken]
        kept = left[: self.settings.search.n_parents]
        reserve = [[draft.smiles, draft.source, draft.parent] for draft in kept]
        return chosen, {"widening": self._next_widening(), "reserve": reserve}

    def _parents(self) -> Parents:
        values = np.concatenate([self.observed_values, self.pool.all_values], axis=1)
        smiles = [*self.data.smiles, *(draft.smiles for draft in self.pool.drafts)]
        fitness = best_rank(values)
        top = np.argsort(-fitness, kind="stable")[: self.settings.search.n_parents]
        return Parents([smiles[row] for row in top], fitness[top])

    def _take(self, attempts: Sequence[tuple[Molecule | Invalid, Draft]]) -> None:
        molecules: dict[str, Molecule] = {}
        drafts: list[Draft] = []
        for attempt, draft in attempts:
            molecule = self.situation.acceptable(attempt)
            if molecule is None:
                continue
            self.n_valid += 1
            molecules[molecule.smiles] = molecule
            self.latents.molecules.setdefault(molecule.smiles, molecule)
            drafts.append(draft)
        self.n_repeated += len(drafts) - self._add(drafts, molecules)

    def _add(self, drafts: Sequence[Draft], molecules: dict[str, Molecule]) -> int:
        here = {draft.smiles for draft in self.pool.drafts}
        first = {draft.smiles: draft for draft in reversed(drafts)}
        fresh = [first[text] for text in self.situation.unseen(d.smiles for d in drafts) if text not in here]
        self.pool.add(fresh, self.situation.fingerprints([draft.smiles for draft in fresh], molecules))
        return len(fresh)

    def _next_widening(self) -> float:
        proposal = self.settings.search.proposal
        if not self.n_valid:
            return self.widening
        repeated = self.n_repeated / self.n_valid
        factor = 1.0
        if repeated > proposal.widen_above:
            factor = _WIDER
        elif repeated < proposal.narrow_below:
            factor = _NARROWER
        return min(max(self.widening * factor, _NARROWEST), _WIDEST)
