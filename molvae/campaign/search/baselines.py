"""Baselines: random molecules of the library, prior draws, CMA-ES on latent points, a graph GA."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.records import latent_from_text, latent_to_text
from molvae.campaign.search.base import METHODS, Batch, Draft
from molvae.campaign.search.design import library, prior_drafts
from molvae.chemistry.graph_moves import offspring
from molvae.chemistry.molecule import parse
from molvae.optimization.baselines import Evolution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.campaign.search.base import Situation


_START_SIGMA = 0.5  # of the prior's deviation
_ROUNDS = 20


@METHODS.register("random")
class RandomDraws:
    """Random unseen molecules of the start library, then prior draws."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules; their source says `library` or `prior`."""
        generator = situation.generator("random")
        drafts = [Draft(smiles, "library") for smiles in library(situation, n, generator)]
        return Batch(tuple(prior_drafts(situation, n, generator, drafts)))


@METHODS.register("prior")
class PriorDraws:
    """Draws from the model's prior."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` decoded draws."""
        return Batch(tuple(prior_drafts(situation, n, situation.generator("prior"))))


@METHODS.register("cma-es")
class CmaEs:
    """CMA-ES in latent space, started at the best molecule of the initial design.

    A point without a valid decode is redrawn; one that decodes to a known molecule gets its score at no cost.
    """

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` new molecules decoded from the distribution."""
        state = situation.history.state
        worth = dict(zip(situation.history.trials, situation.history.utilities().tolist()))
        evolution = (
            Evolution.from_json(state["evolution"]) if "evolution" in state else _start(situation, worth)
        )
        if evolution is None:
            return Batch(tuple(prior_drafts(situation, n, situation.generator("fallback"))))
        open_points: list[list[str]] = [list(pair) for pair in state.get("open", [])]
        evolution, open_points = _caught_up(evolution, open_points, situation, worth)
        drafts: dict[str, Draft] = {}
        for number in range(_ROUNDS):
            generator = situation.generator("cma-es", number)
            z = evolution.candidates(2 * (n - len(drafts)), generator).astype(np.float32)
            for point, molecule in zip(z, situation.all_acceptable(situation.model.decode(z))):
                if molecule is None or molecule.smiles in drafts or len(drafts) == n:
                    continue
                open_points.append([molecule.smiles, latent_to_text(point)])
                if molecule.smiles not in situation.history.trials:
                    drafts[molecule.smiles] = Draft(molecule.smiles, "cma-es")
            evolution, open_points = _caught_up(evolution, open_points, situation, worth)
            if len(drafts) == n:
                break
        found = prior_drafts(situation, n, situation.generator("fill"), list(drafts.values()))
        return Batch(tuple(found), {"evolution": evolution.to_json(), "open": open_points})


def _start(situation: Situation, worth: dict[str, float]) -> Evolution | None:
    scored = sorted((smiles for smiles, u in worth.items() if np.isfinite(u)), key=lambda s: -worth[s])
    z: NDArray[np.float32] = situation.latents()(scored)
    encoded = np.flatnonzero(np.isfinite(z).all(axis=1))
    return Evolution.start(z[encoded[0]], _START_SIGMA) if len(encoded) else None


def _caught_up(
    evolution: Evolution, points: list[list[str]], situation: Situation, worth: dict[str, float]
) -> tuple[Evolution, list[list[str]]]:
    """The distribution after all complete generations, and the pending points.

    A molecule that failed or violates a constraint ranks last.
    """
    trials = situation.history.trials
    size = evolution.n_population
    settled = [p for p in points if p[0] in trials and trials[p[0]].complete]
    waiting = [p for p in points if not (p[0] in trials and trials[p[0]].complete)]
    while len(settled) >= size:
        generation, settled = settled[:size], settled[size:]
        values = np.array([worth[smiles] for smiles, _ in generation])
        z = np.stack([latent_from_text(text) for _, text in generation]).astype(np.float64)
        evolution = evolution.after(z, np.where(np.isfinite(values), values, -np.finfo(float).max))
    return evolution, settled + waiting


@METHODS.register("mol-ga")
class GraphGA:
    """Crossovers and mutations of the scored molecules, the better ones more often; no surrogate."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` new children; prior draws while there is no score or no child is new."""
        worth = situation.history.utilities().tolist()
        population = [(u, smiles) for u, smiles in zip(worth, situation.history.trials) if np.isfinite(u)]
        generator = situation.generator("mol-ga")
        rng = Random(int(generator.integers(2**63)))
        drafts: dict[str, Draft] = {}
        for _ in range(_ROUNDS if population else 0):
            if len(drafts) >= n:
                break
            children = offspring(population, n - len(drafts), rng)
            accepted = situation.all_acceptable(parse(text) for text in children)
            for smiles in situation.unseen(m.smiles for m in accepted if m is not None):
                drafts.setdefault(smiles, Draft(smiles, "mol-ga"))
        return Batch(tuple(prior_drafts(situation, n, generator, list(drafts.values())[:n])))
