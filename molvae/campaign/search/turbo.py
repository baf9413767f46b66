"""Baseline: TuRBO-1 on latent points."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.search.base import METHODS, Batch, Draft
from molvae.campaign.search.data import Data, training_data
from molvae.campaign.search.design import prior_drafts
from molvae.optimization.acquisition import draws
from molvae.optimization.problem import Slot
from molvae.optimization.turbo import Drawn, LatentSurrogate, TrustRegion, from_cube, to_cube

if TYPE_CHECKING:
    from molvae.campaign.model import Latents
    from molvae.campaign.search.base import Situation


N_CANDIDATES = 2000
"""Points Thompson sampling looks at; TuRBO has up to 5000, which is slow."""
_DECODED_PER_SLOT = 16
_LEAST_IMPROVEMENT = 1e-3  # of the incumbent, as in TuRBO


@dataclass(frozen=True)
class _State:
    """State between batches.

    Attributes:
        region: The trust region.
        best: Best utility at the last update; `None` before the first batch of a region.
        since: First trial of this region.
        n_scored: Scored trials of this region at the last update.
    """

    region: TrustRegion
    best: float | None = None
    since: int = 0
    n_scored: int = 0

    @classmethod
    def of(cls, situation: Situation) -> _State:
        """The state at the last batch, or a fresh one."""
        state, settings = situation.history.state, situation.history.settings
        if "region" in state:
            return cls(
                TrustRegion.from_json(state["region"]), state["best"], state["since"], state["n_scored"]
            )
        return cls(TrustRegion.new(dimension=situation.model.latent_size, q=settings.q))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@METHODS.register("turbo")
class Turbo:
    """GP with an ARD Matern kernel on z = encode(molecule), Thompson sampling in a trust region.

    A region that restarts begins with prior draws and ignores earlier trials.
    """

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules decoded from Thompson samples around the incumbent."""
        generator = situation.seeds.torch("turbo", situation.history.n_asks)
        state = _updated(situation, _State.of(situation))
        data = training_data(situation, generator, since=state.since)
        latents = situation.latents()
        drafts: list[Draft] = []
        if data is not None and len(data.smiles) >= min(n, situation.history.settings.n_initial):
            drafts = _drafts(situation, data, latents, state.region, generator)[:n]
        drafts = prior_drafts(situation, n, situation.generator("fill"), drafts)
        latents([draft.smiles for draft in drafts])
        fresh = {s: z for s, z in latents.known.items() if s not in situation.history.latents}
        return Batch(tuple(drafts), state.to_json(), fresh)


def _updated(situation: Situation, state: _State) -> _State:
    """The state after the scores since the last batch."""
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
        return _State(region, since=len(trials))
    return replace(state, region=region, best=max(best, state.best), n_scored=n_scored)


def _drafts(
    situation: Situation, data: Data, latents: Latents, region: TrustRegion, generator: torch.Generator
) -> list[Draft]:
    points = latents(data.smiles)
    encoded = np.flatnonzero(np.isfinite(points).all(axis=1))
    goal = torch.where(data.allowed, data.y[:, 0], torch.nan)[encoded]
    if not bool(torch.isfinite(goal).any()):
        return []
    z = torch.from_numpy(points[encoded])
    surrogate = LatentSurrogate()
    surrogate.fit(z, data.y[encoded])
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
