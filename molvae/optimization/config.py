"""Settings of the search: surrogates, acquisition function, effort."""

from __future__ import annotations

from typing import ClassVar, Literal

from molvae.config import Field, Settings


class MemberSettings(Settings):
    """One surrogate of the portfolio."""

    retired: ClassVar = {
        "outputscale": 10.0, "noise": 1e-3, "mean": 0.0, "own_lengthscales": True, "n_fit": 300,
        "refit_growth": 1.3,
    }  # fmt: skip

    name: str = Field(min_length=1)
    """Name of the surrogate in the journal."""

    kind: str = "mixture"
    """Surrogate: mixture (exact Gaussian process with a mixed kernel) or the name of a plug-in."""

    views: tuple[Literal["morgan", "feature_morgan", "atom_pair"], ...] = ("morgan",)
    """Fingerprints compared by MinMax kernels."""

    numbers: bool = False
    """Whether physicochemical descriptors enter through an RBF kernel."""

    hyperparameters: Literal["fixed", "map"] = "fixed"
    """fixed = constants that favor exploration; map = weights, length scales, noise and mean fitted under
    their priors."""


class SurrogateSettings(Settings):
    """Surrogates: models of the scores of unseen molecules."""

    retired: ClassVar = {
        "n_best": 1000, "n_random": 500, "recency": 2000.0,
        "portfolio": {
            "half_life": 60.0, "n_recent": 60, "prior_picks": 4.0, "skill_weight": 1.0, "floor": 0.2,
            "n_elite": 10,
        },
    }  # fmt: skip

    members: tuple[MemberSettings, ...] = Field(
        default=(
            MemberSettings(name="plain"),
            MemberSettings(
                name="mixed",
                views=("morgan", "feature_morgan", "atom_pair"),
                numbers=True,
                hyperparameters="map",
            ),
        ),
        min_length=1,
    )
    """The surrogates; each chooses part of every batch. A fit learns which features matter, which wins where
    scores depend on properties; it follows the data into one basin, which loses where scores are
    similarities."""


class AcquisitionSettings(Settings):
    """Acquisition function and batch selection."""

    retired: ClassVar = {
        "beta_low": -2.0, "beta_high": 0.0, "similarity_cap": 0.9, "n_joint": 256, "batch": "greedy",
    }  # fmt: skip
    renamed: ClassVar = {"name": {"qlogei": "logei"}}

    name: str = "ucb"
    """Acquisition function: ucb, logei or thompson."""

    scaffold_cap: int | None = Field(default=None, ge=1)
    """Maximum molecules of one batch with the same Bemis-Murcko scaffold, where the pool allows; default: no
    limit."""


class SearchSettings(Settings):
    """The inner search for the next batch."""

    retired: ClassVar = {
        "n_parents": 60, "n_scalarizations": 4, "n_generations": 4, "n_offspring": 120, "n_offspring_each": 3,
        "proposal": {
            "pcn": 0.2, "slerp": 0.25, "noise": 0.2, "ascent": 0.3, "prior": 0.05, "step_low": 0.2,
            "step_high": 0.8, "scale_low": 0.5, "scale_high": 2.0, "climb_low": 0.7, "climb_high": 4.0,
            "widen_above": 0.6, "narrow_below": 0.15, "patience": 200, "pressure": 0.1,
        },
        "graph": {"mutation": 0.45, "crossover": 0.4, "decoration": 0.15, "another": 0.25, "most_edits": 4},
        "shares": {"adapt": True, "floor": 0.2, "half_life": 10.0, "hit_weight": 0.5, "prior_batches": 2.0},
        "trust_region": {
            "length": 0.8, "shortest": 2.0**-7, "longest": 1.6, "success_tolerance": 3,
            "n_candidates": 2000,
        },
        "retreat": {"patience": 100, "n_batches": 4, "apart": 0.4, "most": 2},
    }  # fmt: skip

    surrogate: SurrogateSettings = SurrogateSettings()
    """The surrogates."""

    acquisition: AcquisitionSettings = AcquisitionSettings()
    """Acquisition function and batch selection."""
