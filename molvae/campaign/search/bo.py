"""The default method: Bayesian optimization over molecules.

Surrogates model the scores of molecules by fingerprints and descriptors; latent space is used for proposals
only. For each batch, an inner search maximizes the acquisition function over several generations: the best
offspring become parents of the next moves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.search.base import METHODS, N_PARENTS, Batch, Draft, Parents
from molvae.campaign.search.credit import Ledger, allotted
from molvae.campaign.search.data import training_data
from molvae.campaign.search.design import library, new_drafts
from molvae.campaign.search.mix import Mix
from molvae.campaign.search.pool import Pool, best_rank, varied
from molvae.campaign.search.retreat import Retreat
from molvae.campaign.search.situation import Latents
from molvae.campaign.utility import goals
from molvae.chemistry.substructure import murcko_scaffold
from molvae.optimization.acquisition import ACQUISITIONS
from molvae.optimization.features import Features
from molvae.optimization.problem import Slot
from molvae.optimization.selection import select_batch, select_noisy
from molvae.optimization.similarities import Gallery
from molvae.optimization.surrogates import Portfolio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.search.base import Offspring
    from molvae.campaign.search.data import Data
    from molvae.campaign.search.situation import Situation
    from molvae.optimization.surrogates import Belief


N_JOINT = 256
"""Candidates with the highest acquisition among which the batch is chosen."""
_N_LIBRARY = 100  # unseen start molecules that come into the pool of each batch
_SIMILARITY_CAP = 0.9  # two molecules of one batch are less similar (MinMax), where the pool allows
_ELITE_PER_PARENT = 3
_ENOUGH = 0.2  # share of the offspring that pass all bounds and are new: .2 to .35 without narrow bounds
_MOST_GENERATIONS = 4  # times the number of the settings, while they are not enough
_RESERVES = ("reserve", "reserve_elsewhere")
_LOOKED_AT = 10  # start molecules checked for each that may enter the pool
_BASELINE = 24  # baseline observations of qLogNEI and qLogNEHVI


@METHODS.register("bo")
class BayesianOptimization:
    """Surrogates on molecules, proposals from latent space and graphs, inner search of the acquisition."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules with the highest acquisition."""
        generator = situation.seeds.torch("surrogate", situation.history.n_asks)
        data = training_data(situation, generator, exact=True)
        if data is None or not data.informative:
            return _blind(situation, n)
        search = _InnerSearch(situation, data, n, generator)
        search.climb()
        drafts, state = search.choose(n)
        drafts = new_drafts(situation, n, situation.generator("fill"), drafts)
        search.latents([draft.smiles for draft in drafts])
        wanted = {*(draft.smiles for draft in drafts), *data.smiles} - situation.history.latents.keys()
        fresh = {smiles: z for smiles, z in search.latents.known.items() if smiles in wanted}
        return Batch(tuple(drafts), state, fresh)


class _InnerSearch:
    """One batch: generations of offspring that maximize the acquisition."""

    def __init__(self, situation: Situation, data: Data, n: int, generator: torch.Generator) -> None:
        self.situation = situation
        self.settings = situation.history.settings
        self.data = data
        self.latents = Latents(situation)
        self.latents(data.smiles)
        self._ancestors: dict[str, str | None] = {smiles: smiles for smiles in data.smiles}
        search = self.settings.search
        self.ledger = Ledger.settled(situation)
        names = [*data.smiles, *data.pending]
        gallery = Gallery(situation.features(names), names, situation.features.grams, data.n_left_out)
        portfolio = Portfolio(
            search.surrogate.members,
            gallery,
            data.y,
            n_pending=len(data.pending),
            remembered=situation.history.state.get("fits"),
            evidence=data.evidence,
        )
        weights = self.ledger.credit.weights()
        members = allotted(weights, n, situation.generator("members"))
        acquisition = ACQUISITIONS.get(search.acquisition.name)
        slots = [
            Slot(j % len(data.problem.standings), acquisition(search.acquisition, generator), int(member))
            for j, member in enumerate(members)
        ]
        self.pool = Pool(portfolio, data.problem, slots)
        self.retreat = Retreat.settle(situation, n)
        self.away = bool(self.retreat.centers) and situation.history.n_asks % 2 == 1
        near = self._near(gallery.features.take(range(len(data.smiles))))
        self.elite = _elite(data, _ELITE_PER_PARENT * N_PARENTS, ~near)
        names = [data.smiles[row] for row in self.elite]
        self.elite_values = self.pool.judge(gallery.features.take(self.elite), self._known(names))
        self.elite_values[:, ~data.admitted[self.elite]] = -np.inf  # parents only if there are no others
        self.mix = Mix(situation, self.latents)
        self.n_offspring = max(search.n_offspring, search.n_offspring_each * n)

    def climb(self) -> None:
        """Fill the pool: the reserve of the last batch, unseen library molecules, then the generations."""
        kept = [Draft(*row) for row in self.situation.history.state.get(self._reserve, ())]
        self._add([draft for draft in kept if not self.situation.history.is_redrawn(draft.smiles)])
        if "library" in self.settings.sources:
            alone = self.settings.library_alone
            drawn = library(
                self.situation,
                None if alone else _N_LIBRARY,
                self.situation.generator("library"),
                most=None if alone else _LOOKED_AT * _N_LIBRARY,
            )
            self._add([Draft(smiles, "library") for smiles in drawn])
            if alone:
                return
        fewest, enough = self.settings.search.n_generations, len(self.pool.drafts) + self._n_enough
        for generation in range(_MOST_GENERATIONS * fewest):
            if generation >= fewest and len(self.pool.drafts) >= enough:
                break
            generator = self.situation.generator("offspring", generation)
            self._take(self.mix.breed(self._parents(), self.n_offspring, generator))

    def choose(self, n: int) -> tuple[list[Draft], dict[str, Any]]:
        """The batch and the state for the next one."""
        if not self.pool.drafts:
            before = self.situation.history.state
            return [], {**before, "sources": self.mix.to_json(()), "retreat": self.retreat.to_json()}
        fitness = best_rank(self.pool.all_values)
        order = np.argsort(-fitness, kind="stable")
        top = self._top(order, n)
        portfolio = self.pool.portfolio
        rows, beliefs = self._selected(top, n)
        chosen = [
            replace(self.pool.drafts[top[row]], surrogate=portfolio.names[slot.member])
            for row, slot in zip(rows, self.pool.slots)
        ]
        taken = {draft.smiles for draft in chosen}
        left = [self.pool.drafts[row] for row in order if self.pool.drafts[row].smiles not in taken]
        kept = left[:N_PARENTS]
        reserve = [[d.smiles, d.source, d.parent, None, d.ancestor] for d in kept]
        return chosen, {
            **{name: self.situation.history.state.get(name, []) for name in _RESERVES},
            self._reserve: reserve,
            "retreat": self.retreat.to_json(),
            "sources": self.mix.to_json({self.pool.drafts[row].smiles for row in order[:N_PARENTS]}),
            "fits": portfolio.remembered(),
            "ledger": self.ledger.to_json(self._pending(chosen, rows, beliefs)),
        }

    @property
    def _n_enough(self) -> int:
        """New offspring that are enough; where bounds refuse most, more generations follow."""
        return round(_ENOUGH * self.settings.search.n_generations * self.n_offspring)

    def _known(self, smiles: Sequence[str]) -> torch.Tensor:
        """Computed scores of molecules, `n x k`; no columns if goals are modeled directly."""
        if self.data.problem.composition is None:
            return torch.empty(len(smiles), 0, dtype=torch.float64)
        molecules = [m for text in smiles if (m := self.latents.molecule(text)) is not None]
        return torch.from_numpy(self.situation.history.known.values(molecules))

    @property
    def _reserve(self) -> str:
        """Key of the reserve of batches like this one."""
        return _RESERVES[self.away]

    def _near(self, features: Features) -> NDArray[np.bool_]:
        """Which molecules this batch avoids."""
        if not self.away:
            return np.zeros(len(features), dtype=bool)
        return self.retreat.close(features, self.situation.features)

    def _top(self, order: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Rows of the pool for batch selection, best first."""
        most = self.settings.search.acquisition.scaffold_cap
        if most is None:
            return order[:N_JOINT]

        def scaffold(row: int) -> str:
            molecule = self.latents.molecule(self.pool.drafts[row].smiles)
            return "" if molecule is None else murcko_scaffold(molecule)

        rows = varied(order.tolist(), scaffold, most=most, least=n, n=max(n, N_JOINT))
        return np.array(rows, dtype=np.int64)

    def _selected(self, top: NDArray[np.int64], n: int) -> tuple[list[int], tuple[Belief, ...]]:
        """The batch as positions in `top`, and the beliefs about `top`."""
        portfolio, view = self.pool.portfolio, self.situation.features.views[0]
        candidates = self.pool.all_features.take(top)
        comparison = portfolio.gallery.compare(candidates)
        similarity, awaited = comparison.own(view), comparison.cross(view)[:, len(self.data.smiles) :]
        taken = awaited.amax(1) if awaited.shape[1] else torch.zeros(len(top), dtype=torch.float64)
        settings, slots = self.settings.search.acquisition, self.pool.slots[:n]
        noisy = settings.batch == "noisy" and self.pool.problem.composition is None
        best = self.data.best(_BASELINE) if noisy else np.empty(0, dtype=np.int64)
        if len(best) == 0:
            known = torch.cat(self.pool.known)[torch.from_numpy(top)]
            beliefs = tuple(b.beside(known) for b in portfolio.beliefs(comparison, joint=True))
            chosen = select_batch(self.pool.problem, slots, beliefs, similarity, taken, _SIMILARITY_CAP)
            return chosen, beliefs
        baseline = portfolio.gallery.features.take(best)
        both = portfolio.gallery.compare(Features.joined([candidates, baseline]))
        beliefs = portfolio.beliefs(both, joint=True)
        members = [slot.member for slot in slots]
        seed = self.situation.seeds.integer("noisy", self.situation.history.n_asks) % 2**31
        targets = self.data.targets
        return select_noisy(targets, members, beliefs, similarity, taken, _SIMILARITY_CAP, seed), beliefs

    def _pending(
        self, chosen: Sequence[Draft], rows: Sequence[int], beliefs: Sequence[Belief]
    ) -> list[tuple[str, int, tuple[float, ...]]]:
        """SMILES, member and predictions of the batch; no predictions of the utility of several goals."""
        single = len(goals(np.zeros((1, len(self.settings.objectives))), self.settings.objectives)[0]) == 1
        return [
            (
                draft.smiles,
                slot.member,
                tuple(float(self.pool.problem.goal(b.take(row), 0).mean) for b in beliefs) if single else (),
            )
            for draft, row, slot in zip(chosen, rows, self.pool.slots)
        ]

    def _parents(self) -> Parents:
        values = np.concatenate([self.elite_values, self.pool.all_values], axis=1)
        smiles = [self.data.smiles[row] for row in self.elite] + [draft.smiles for draft in self.pool.drafts]
        fitness = best_rank(values)
        top = np.argsort(-fitness, kind="stable")[:N_PARENTS]
        return Parents([smiles[row] for row in top], fitness[top])

    def _take(self, attempts: Sequence[Offspring]) -> None:
        drafts: list[Draft] = []
        accepted = self.situation.all_acceptable(attempt.molecule for attempt in attempts)
        for attempt, molecule in zip(attempts, accepted):
            if molecule is not None:
                self.latents.molecules.keep(molecule)
                ancestor = self._ancestors.get(attempt.parent or "")
                drafts.append(Draft(molecule.smiles, attempt.move, attempt.parent, ancestor=ancestor))
        self.mix.took(attempts, drafts, self._add(drafts))

    def _add(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Add new molecules to the pool and return them."""
        here = {draft.smiles for draft in self.pool.drafts}
        first = {draft.smiles: draft for draft in reversed(drafts)}
        fresh = [first[text] for text in self.situation.unseen(d.smiles for d in drafts) if text not in here]
        features = self.situation.features([draft.smiles for draft in fresh])
        rows = np.flatnonzero(~self._near(features))
        fresh = [fresh[row] for row in rows]
        self.pool.add(fresh, features.take(rows), self._known([draft.smiles for draft in fresh]))
        self._ancestors.update({draft.smiles: draft.ancestor for draft in fresh})
        return fresh


def _blind(situation: Situation, n: int) -> Batch:
    """Half random library molecules, half prior draws; with library as the only source, all from it.

    If all scores are equal, an acquisition function only prefers unfamiliar, absurd molecules.
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
