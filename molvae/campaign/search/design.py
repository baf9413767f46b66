"""Molecules chosen without a surrogate: initial design, library, prior, evolution toward known bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.gates import kept_cores
from molvae.campaign.molecules import drawn
from molvae.campaign.search.base import N_PARENTS, Batch, Draft, Parents
from molvae.campaign.search.mix import Mix
from molvae.optimization.similarities import MinMaxGallery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.search.base import Offspring, Situation
    from molvae.chemistry.molecule import Molecule


_PRIOR_ROUNDS = 20
_SMALLEST_DRAW = 16
_GENERATIONS = 20
_LARGEST = 400  # molecules of the first population
_TO_CHOOSE_FROM = 5  # molecules within the bounds per chosen one


def initial_design(situation: Situation, n: int, *, whole: bool) -> tuple[list[Draft], bool]:
    """The next molecules of the initial design, and whether they are a batch without those of the method.

    All are within the known bounds: start molecules in order, or a random choice if there are more than
    `n_initial`; then prior draws. The last batch is shorter than `n`, unless `whole`. Start molecules with
    scores count toward the initial design.
    """
    history = situation.history
    left = history.settings.n_initial - len(history.trials)
    if left <= 0:
        return [], False
    scored = any(trial.complete for trial in history.trials.values())
    size = min(n, left) if scored else n
    start = [molecule.smiles for molecule in history.start]
    if len(start) > history.settings.n_initial:
        order = situation.seeds.numpy("start").permutation(len(start))
        start = [start[row] for row in order]
    drafts = [Draft(smiles, "start") for smiles in situation.within_bounds(situation.unseen(start), size)]
    drafts = new_drafts(situation, size, situation.generator("initial"), drafts)
    return drafts, not scored or len(drafts) == n or bool(drafts and not whole)


def library(
    situation: Situation, n: int | None, generator: np.random.Generator, *, most: int | None = None
) -> list[str]:
    """`n` (or all) new start molecules within the known bounds, in random order.

    Fewer if there are no more among the first `most` that are checked.
    """
    rest = situation.unseen(molecule.smiles for molecule in situation.history.start)
    order = (rest[row] for row in generator.permutation(len(rest))[:most])
    return situation.within_bounds(order, n)


def prior_drafts(
    situation: Situation, n: int, generator: np.random.Generator, drafts: Sequence[Draft] = ()
) -> list[Draft]:
    """`drafts`, filled up to `n` with new molecules decoded from prior draws; fewer if no more are found."""
    found = {draft.smiles: draft for draft in drafts}
    for _ in range(0 if situation.history.settings.library_alone else _PRIOR_ROUNDS):
        missing = n - len(found)
        if missing <= 0:
            break
        molecules = drawn(situation.model, max(_SMALLEST_DRAW, 2 * missing), generator)
        accepted = situation.all_acceptable(molecules)
        for smiles in situation.unseen(m.smiles for m in accepted if m is not None):
            if len(found) < n:
                found.setdefault(smiles, Draft(smiles, "prior"))
    return list(found.values())


def new_drafts(
    situation: Situation, n: int, generator: np.random.Generator, drafts: Sequence[Draft] = ()
) -> list[Draft]:
    """As `prior_drafts`; if few draws satisfy the bounds and gates, also `bred` ones."""
    found = prior_drafts(situation, n, generator, drafts)
    history, settings = situation.history, situation.history.settings
    narrow = bool(history.known.bounds) or settings.near is not None
    if len(found) >= n or not narrow or settings.library_alone:
        return found
    return [*found, *bred(situation, n - len(found), generator, {draft.smiles for draft in found})]


def without_surrogate(situation: Situation, n: int) -> Batch:
    """Half random library molecules, half prior draws; with library as the only source, all from it.

    For a campaign without scores, or with equal ones: acquisition functions would only prefer unusual,
    implausible molecules.
    """
    settings = situation.history.settings
    n_library = n if settings.library_alone else (n + 1) // 2 if "library" in settings.sources else 0
    drawn = library(situation, n_library, situation.generator("blind library"))
    drafts = [Draft(smiles, "library") for smiles in drawn]
    drafts = new_drafts(situation, n, situation.generator("blind prior"), drafts)
    return Batch(tuple(drafts), situation.history.state)


def bred(situation: Situation, n: int, generator: np.random.Generator, taken: set[str]) -> list[Draft]:
    """At most `n` new molecules within the known bounds, bred from those with the smallest violation.

    The violation is exact and costs no call, so it is minimized over generations.
    """
    known, n_each = situation.history.known, situation.history.settings.n_offspring()
    latents = situation.latents()
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
        attempts: list[Offspring] = []
        for source, counts in mix.plan(n_each, generator):
            attempts += source.offspring(parents, counts, generator)
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
    """`n` drafts, each least similar to the previous ones and to the molecules of the campaign."""
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
    """The first population: required cores, molecules of the campaign, of its start, and of the prior."""
    history, features = situation.history, situation.features
    cores = [m for core in kept_cores(history.settings.objectives) if (m := situation.acceptable(core))]
    start = [molecule.smiles for molecule in history.start]
    chosen = [start[row] for row in generator.permutation(len(start))[:_LARGEST]]
    names: Sequence[str] = list(dict.fromkeys([*list(history.trials)[-_LARGEST:], *chosen]))
    brought = [m for text in names if (m := features.molecules[text]) is not None]
    of_prior = drawn(situation.model, _LARGEST // 2, generator)
    return cores + brought + [m for d in of_prior if (m := situation.acceptable(d)) is not None]
