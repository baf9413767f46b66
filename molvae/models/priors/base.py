"""What every prior does: draw latent vectors, and be written as tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import torch

from molvae.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Prior(ABC):
    """A distribution over latent vectors, made of tensors alone."""

    name: ClassVar[str]

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` latent vectors, `n x d`, float32 on the CPU; a function of the generator's state."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What it takes to make this prior again."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """Make the prior `tensors()` came from; `ValueError` if they do not fit together."""


PRIORS: Registry[type[Prior]] = Registry("prior", "molvae.priors")
"""Priors by the name a checkpoint gives them."""


@PRIORS.register("normal")
class StandardNormal(Prior):
    """N(0, I), which the KL term pulls the posterior towards.

    Args:
        latent_size: `d`.
    """

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
        """It needs none."""
        if tensors:
            raise ValueError(f"the normal prior has no tensors, got {', '.join(tensors)}")
        return cls(latent_size)
