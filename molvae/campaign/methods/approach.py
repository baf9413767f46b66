"""Evolution toward the known bounds where prior draws violate them; it uses no calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.gates import kept_cores
from molvae.campaign.methods.base import Draft
from molvae.campaign.model import drawn
from molvae.campaign.sources.base import N_PARENTS, Latents, Parents
from molvae.campaign.sources.mix import Mix
from molvae.optimization.baselines import random_rows
from molvae.optimization.similarities import MinMaxGallery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.methods.base import Situation
    from molvae.chemistry.molecule import Molecule

_GENERATIONS = 20
_LARGEST = 400  # molecules of the first population
_TO_CHOOSE_FROM = 5  # molecules within the bounds for each that is chosen


def bred(situation: Situation, n: int, generator: np.random.Generator, taken: set[str]) -> list[Draft]:
    """At most `n` new molecules within the known bounds, bred from those with the smallest violation.

    The violation is exact and costs no call, so it is minimized over generations.
    """
    known, n_offspring = situation.history.known, situation.history.settings.search.n_offspring
    latents = Latents(situation)
    mix = Mix(situation, latents)
    population = _first(situation, generator)
    found: dict[str, Draft] = {}
    for _ in range(_GENERATIONS):
        if len(found) >= _TO_CHOOSE_FROM * n or not population:
            break
        fitness = -known.excess(population)
        best = np.argsort(-fitness, kind="stable")[:N_PARENTS]
        population = [population[row] for row in best if np.isfinite(fitness[row])]
        parents = Parents([m.smiles for m in population], fitness[best][: len(population)])
        attempts = mix.breed(parents, n_offspring, generator)
        passed = [(a, m) for a in attempts if (m := situation.acceptable(a.molecule)) is not None]
        here = {molecule.smiles for molecule in population}
        population += list({m.smiles: m for _, m in passed if m.smiles not in here}.values())
        inside = situation.all_acceptable(molecule for _, molecule in passed)
        for attempt, molecule in ((a, m) for (a, _), m in zip(passed, inside) if m is not None):
            latents.molecules.keep(molecule)
            if molecule.smiles not in taken and situation.unseen([molecule.smiles]):
                found.setdefault(molecule.smiles, Draft(molecule.smiles, attempt.move, attempt.parent))
    return _varied(situation, list(found.values()), n)


def _varied(situation: Situation, drafts: list[Draft], n: int) -> list[Draft]:
    """`n` drafts, each the least similar to those before it and to the molecules of the campaign."""
    trials = list(situation.history.trials)[-_LARGEST:]
    features = situation.features([*trials, *(draft.smiles for draft in drafts)]).multisets[0]
    similarity = MinMaxGallery(features).similarities(features.take(range(len(trials), len(features))))
    nearest = similarity[:, : len(trials)].max(axis=1, initial=0.0)
    chosen: list[int] = []
    while len(chosen) < min(n, len(drafts)):
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, similarity[:, len(trials) + chosen[-1]])
        nearest[chosen] = np.inf
    return [drafts[row] for row in chosen]


def _first(situation: Situation, generator: np.random.Generator) -> list[Molecule]:
    """The first population: cores to keep, molecules of the campaign, of its start, and of the prior."""
    history, features = situation.history, situation.features
    cores = [m for core in kept_cores(history.settings.objectives) if (m := situation.acceptable(core))]
    start = [molecule.smiles for molecule in history.start]
    chosen = [start[row] for row in random_rows(len(start), _LARGEST, generator)]
    names: Sequence[str] = list(dict.fromkeys([*list(history.trials)[-_LARGEST:], *chosen]))
    brought = [m for text in names if (m := features.molecules[text]) is not None]
    of_prior = drawn(situation.model, _LARGEST // 2, generator)
    return cores + brought + [m for d in of_prior if (m := situation.acceptable(d)) is not None]
