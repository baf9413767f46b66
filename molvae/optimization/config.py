"""Settings of the search: surrogates, acquisition function, effort."""

from __future__ import annotations

from typing import Literal

from molvae.config import Field, Settings


class MemberSettings(Settings):
    """One surrogate of the portfolio."""

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

    name: str = "ucb"
    """Acquisition function: ucb, logei or thompson."""

    scaffold_cap: int | None = Field(default=None, ge=1)
    """Maximum molecules of one batch with the same Bemis-Murcko scaffold, where the pool allows; default: no
    limit."""


class SearchSettings(Settings):
    """The inner search for the next batch."""

    surrogate: SurrogateSettings = SurrogateSettings()
    """The surrogates."""

    acquisition: AcquisitionSettings = AcquisitionSettings()
    """Acquisition function and batch selection."""
