"""Baseline: CMA-ES in latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.methods.base import METHODS, Batch, Draft
from molvae.campaign.methods.draws import prior_drafts
from molvae.campaign.records import latent_from_text, latent_to_text
from molvae.campaign.sources.base import Latents
from molvae.optimization.baselines import Evolution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.campaign.methods.base import Situation

_START_SIGMA = 0.5  # of the prior's deviation
_ROUNDS = 20


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
        found = list(drafts.values())
        if len(found) < n:
            found += prior_drafts(situation, n - len(found), situation.generator("fill"), set(drafts))
        return Batch(tuple(found), {"evolution": evolution.to_json(), "open": open_points})


def _start(situation: Situation, worth: dict[str, float]) -> Evolution | None:
    scored = sorted((smiles for smiles, u in worth.items() if np.isfinite(u)), key=lambda s: -worth[s])
    z: NDArray[np.float32] = Latents(situation)(scored)
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
