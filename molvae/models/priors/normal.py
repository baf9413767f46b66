"""N(0, I): the prior a VAE is trained towards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from molvae.errors import UsageError
from molvae.models.fit_states import NOT_KEPT
from molvae.models.priors.base import PRIORS, MappedNormal
from molvae.progress import SILENT

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.fit_states import FitStates
    from molvae.models.network import Posterior
    from molvae.models.priors.base import Prior
    from molvae.models.priors.config import FitSettings
    from molvae.progress import Progress


@PRIORS.register("normal")
class StandardNormal(MappedNormal):
    """N(0, I), which the KL term pulls the posterior towards.

    Args:
        latent_size: `d`.
    """

    name = "normal"

    def __init__(self, latent_size: int) -> None:
        self._latent_size = latent_size

    @property
    def latent_size(self) -> int:
        """Dimensions `d`."""
        return self._latent_size

    @classmethod
    def fit(
        cls,
        posterior: Posterior,
        settings: FitSettings,
        *,
        generator: Generator,
        progress: Progress = SILENT,
        states: FitStates = NOT_KEPT,
    ) -> Self:
        """There is nothing to fit."""
        del settings, generator, progress, states
        return cls(posterior.mu.shape[1])

    def from_normal(self, noise: Tensor) -> Tensor:
        """The same vectors."""
        return noise

    def tensors(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """It needs none."""
        if tensors:
            raise ValueError(f"the normal prior has no tensors, got {', '.join(tensors)}")
        return cls(latent_size)


def named_prior(own: Prior, name: str | None, latent_size: int) -> Prior:
    """A model's own prior, or N(0, I) if that is the name.

    Raises:
        UsageError: The name is neither.
    """
    if name in (None, own.name):
        return own
    if name == StandardNormal.name:
        return StandardNormal(latent_size)
    held = " or ".join(sorted({StandardNormal.name, own.name}))
    raise UsageError(f"this model draws from {held}, not from '{name}'", hint="Fit one: molvae fit-prior.")
