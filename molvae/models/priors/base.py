"""Base class of the priors, their registry, and the standard normal prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import torch

from molvae.errors import UsageError
from molvae.models.tensors import check_tensors
from molvae.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.config import FitSettings
    from molvae.models.fitting import FitContext
    from molvae.models.network import Posterior
    from molvae.models.vae import SequenceVAE


class Prior(ABC):
    """A distribution over latent vectors, stored as tensors."""

    name: ClassVar[str]

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` latent vectors, `n x d`, float32 on the CPU; a function of the generator's state."""

    def through(self, network: SequenceVAE) -> Prior:
        """The same prior bound to the network of its model, whose encoder some priors need.

        Raises:
            ValueError: It does not fit that network.
        """
        del network  # not needed by most priors
        return self

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Tensors from which this prior can be restored; its samples are then the same, bit for bit."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """Restore a prior from `tensors()`; `ValueError` if they are inconsistent."""


class LatentDensity(Prior):
    """A prior that is fitted to latent vectors alone."""

    @classmethod
    @abstractmethod
    def fit(
        cls, posterior: Posterior, settings: FitSettings, context: FitContext, initial: Self | None = None
    ) -> Self:
        """Fit to the aggregated posterior: the mixture, with equal weights, of the posteriors of molecules.

        Args:
            posterior: Posteriors of the training molecules, `n x d`; a log-variance of minus infinity makes
                one a point.
            settings: Settings of all priors; each reads its own part.
            context: Its generator, on the CPU, determines the prior.
            initial: A prior of this kind to continue from, if the kind allows that.
        """


class StandardNormal(Prior):
    """N(0, I), the prior of the KL term."""

    name = "normal"

    def __init__(self, latent_size: int) -> None:
        self.latent_size = latent_size

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Standard normal draws, `n x d`."""
        return torch.randn(n, self.latent_size, generator=generator)

    def tensors(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """The normal prior has no tensors."""
        check_tensors(tensors, {})
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


PRIORS: Registry[type[Prior]] = Registry(
    "prior", "molvae.priors", tuple(f"molvae.models.priors.{name}" for name in ("flow", "gan", "language"))
)
"""Priors by the name a checkpoint gives them."""
PRIORS.add(StandardNormal.name, StandardNormal)
