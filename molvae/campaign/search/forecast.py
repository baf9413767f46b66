"""Forecasts of molecules, from surrogates fitted to all measurements, and candidates with forecasts."""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.observations import Candidate, Forecast
from molvae.campaign.records import known_to_json, latent_to_text
from molvae.campaign.search.data import composition_of, fitted, training_data
from molvae.optimization.acquisition import log_feasibility
from molvae.optimization.surrogates import Belief, Portfolio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.search.base import Batch, Situation
    from molvae.chemistry.molecule import Molecule


class Forecaster:
    """Surrogates fitted to all measurements of a campaign, each objective in its own units.

    Surrogates with fitted hyperparameters are preferred: fixed ones favor exploration, and
    their deviations are not calibrated. With one goal, the `fits` of the search are reused.
    """

    def __init__(self, situation: Situation, fits: Mapping[str, Any] | None = None) -> None:
        self.history, self.features = situation.history, situation.features
        generator = situation.seeds.torch("forecast", self.history.n_asks)
        self.data = training_data(situation, generator, scalarized=False)
        self.portfolio: Portfolio | None = None
        self.fits: dict[str, Any] = {}
        if self.data is None:
            return
        everyone = self.history.settings.search.surrogate.members
        members = [member for member in everyone if member.hyperparameters == "map"] or everyone
        several = self.history.settings.has_several_goals
        kept = self.history.state.get("forecast") if several else fits
        self.portfolio = fitted(situation, self.data, members, kept)
        self.fits = {"forecast": self.portfolio.remembered()} if several else {}

    def __call__(self, molecules: Sequence[Molecule]) -> list[Forecast]:
        """The forecast of each molecule."""
        if not molecules:
            return []
        objectives, known = self.history.settings.objectives, self.history.known
        mean = np.full((len(molecules), len(objectives)), np.nan)
        deviation = np.full_like(mean, np.nan)
        exact = known.values(molecules)
        mean[:, known.columns] = exact
        deviation[:, known.columns] = 0.0
        probability = np.array(known.admits(molecules), dtype=np.float64)
        if known.lacks_model and known.bounds:
            probability[:] = np.nan
        nearest: list[str | None] = [None] * len(molecules)
        similarity = np.full(len(molecules), np.nan)
        if self.portfolio is None or self.data is None:
            if any(objectives[j].is_constraint for j in known.modeled):
                probability[:] = np.nan
        else:
            comparison = self.portfolio.gallery.compare(self.features([m.smiles for m in molecules]))
            belief = together(self.portfolio.beliefs(comparison))
            learned = list(known.modeled)
            signs = np.array([objective.sign for objective in objectives])
            mean[:, learned] = belief.mean.numpy() * signs[learned]
            deviation[:, learned] = belief.variance.sqrt().numpy()
            for j, goal in self._together(belief.beside(torch.from_numpy(exact))).items():
                mean[:, j] = goal.mean[:, 0].numpy() * signs[j]
                deviation[:, j] = goal.variance[:, 0].sqrt().numpy()
            probability *= self._within(belief)
            cross = comparison.cross(self.features.views[0])
            similarity, rows = (part.numpy() for part in cross.max(dim=1))
            nearest = [self.data.smiles[row] for row in rows]
        return [
            Forecast(
                molecule.smiles,
                tuple(map(_number, mean[row])),
                tuple(map(_number, deviation[row])),
                _number(probability[row]),
                nearest[row],
                _number(similarity[row]),
            )
            for row, molecule in enumerate(molecules)
        ]

    def _together(self, belief: Belief) -> dict[int, Belief]:
        """Beliefs about composite goals, by position."""
        known = self.history.known
        own = [j for j, objective in enumerate(known.objectives) if objective.is_goal]
        mixed = [j for j in own if j in known.wholes]
        composition = composition_of(known, [itemgetter((..., own.index(j))) for j in mixed])
        return {j: composition.belief(belief, place) for place, j in enumerate(mixed)}

    def _within(self, belief: Belief) -> NDArray[np.float64]:
        assert self.data is not None  # noqa: S101 - checked by the caller
        problem = self.data.problem
        bounded = slice(problem.n_goals, None)
        constraints = Belief(belief.mean[:, bounded], belief.variance[:, bounded])
        return np.asarray(log_feasibility(constraints, problem.bounds).exp().numpy())


def candidates_of(situation: Situation, batch: Batch, n: int) -> tuple[list[Candidate], dict[str, Any]]:
    """The first `n` drafts of a batch as candidates, and their event.

    Those chosen by a surrogate have a forecast.
    """
    history, drafts, state = situation.history, batch.drafts[:n], batch.state
    chosen = [draft.smiles for draft in drafts if draft.surrogate is not None]
    forecasts: dict[str, Forecast] = {}
    if chosen:
        forecaster = Forecaster(situation, state.get("fits"))
        molecules = [m for text in chosen if (m := situation.features.molecules[text]) is not None]
        forecasts = dict(zip(chosen, forecaster(molecules), strict=True))
        state = state | forecaster.fits
    candidates = [
        Candidate(f"c{number:05d}", **asdict(draft), forecast=forecasts.get(draft.smiles))
        for number, draft in enumerate(drafts, start=history.n_candidates)
    ]
    return candidates, {
        "candidates": [asdict(candidate) for candidate in candidates],
        "state": state,
        "known": known_to_json(history.known, [candidate.smiles for candidate in candidates]),
        "latents": {smiles: latent_to_text(z) for smiles, z in batch.latents.items()},
    }


def together(beliefs: Sequence[Belief]) -> Belief:
    """The equal mixture of several beliefs: mean, and variance within and between them."""
    mean = torch.stack([belief.mean for belief in beliefs]).mean(0)
    square = torch.stack([belief.variance + (belief.mean - mean) ** 2 for belief in beliefs]).mean(0)
    return Belief(mean, square)


def _number(value: float) -> float | None:
    """Rounded to six digits, which do not depend on caches or threads."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
