"""What every prior does: draw latent vectors and be written as tensors; most are fitted to posteriors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Self, final

import torch

from molvae.models.fit_states import NOT_KEPT
from molvae.progress import SILENT
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Generator, Tensor

    from molvae.models.fit_states import FitStates
    from molvae.models.network import Posterior
    from molvae.models.priors.config import FitSettings
    from molvae.models.vae import SequenceVAE
    from molvae.progress import Progress


class Prior(ABC):
    """A distribution over latent vectors, made of tensors alone."""

    name: ClassVar[str]

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` latent vectors, `n x d`, float32 on the CPU; a function of the generator's state."""

    def through(self, network: SequenceVAE) -> Prior:
        """The same prior beside the network of its model, through whose encoder some draw.

        Args:
            network: What z is decoded with.

        Raises:
            ValueError: It does not fit that network.
        """
        del network  # most need none
        return self

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What it takes to make this prior again: it then draws the same vectors, bit for bit."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """Make the prior `tensors()` came from; `ValueError` if they do not fit together."""


class LatentDensity(Prior):
    """A prior that is a density of z and learns from latent vectors alone."""

    @classmethod
    @abstractmethod
    def fit(
        cls,
        posterior: Posterior,
        settings: FitSettings,
        *,
        generator: Generator,
        progress: Progress = SILENT,
        states: FitStates = NOT_KEPT,
    ) -> Self:
        """Fit to the aggregated posterior: the mixture, with equal weights, of the posteriors of molecules.

        Args:
            posterior: Of the training molecules, `n x d` each; a log variance of minus infinity means that
                only the mean counts.
            settings: Of all priors; each reads its own part.
            generator: Source of everything random, on the CPU: the same state gives the same prior.
            progress: Told of a fit that takes long.
            states: Where a fit that takes many steps keeps how far it is.
        """


class MappedNormal(LatentDensity):
    """A prior that is N(0, I) seen through a map."""

    @property
    @abstractmethod
    def latent_size(self) -> int:
        """Dimensions `d`."""

    @abstractmethod
    def from_normal(self, noise: Tensor) -> Tensor:
        """Latent vectors of the standard normal vectors `n x d` they are made from, `n x d`."""

    @final
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`from_normal` of standard normal draws, `n x d`."""
        return self.from_normal(torch.randn(n, self.latent_size, generator=generator))


class _Priors(Registry[type[Prior]]):
    """The registry, which finds the built-in priors by itself the first time it is asked."""

    def get(self, name: str) -> type[Prior]:
        _load_built_in()
        return super().get(name)

    def names(self) -> list[str]:
        _load_built_in()
        return super().names()


def _load_built_in() -> None:
    for module in ("normal", "gaussian", "mixture", "flow", "gan", "language"):
        import_module(f"molvae.models.priors.{module}")  # each registers itself


PRIORS: Registry[type[Prior]] = _Priors("prior", "molvae.priors")
"""Priors by the name a checkpoint gives them."""


def check_tensors(prior: str, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the names, shapes and values of the tensors of a prior.

    Args:
        prior: What it is called in an error ("a mixture").
        tensors: What was read.
        shapes: What was expected.

    Raises:
        ValueError: Names or shapes differ, or numbers are not floating point or not finite.
    """
    if tensors.keys() != shapes.keys():
        different = ", ".join(sorted(tensors.keys() ^ shapes.keys()))
        raise ValueError(f"{prior} is made of other tensors; missing or not expected: {different}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise ValueError(
                f"'{name}' must hold floating-point numbers of shape {shape}, got {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"'{name}' is not finite")
