"""The approximate posterior q(z|x): a diagonal Gaussian, or a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class Posterior:
    """A diagonal Gaussian over z for each molecule (Kingma & Welling, arXiv:1312.6114).

    A plain autoencoder's posterior is a point (Dirac): `logvar` is minus infinity everywhere. Its samples are
    mu, and its KL, infinite for any continuous prior, is left out of the loss as 0.

    Attributes:
        mu: Means, `b x d`.
        logvar: Logarithms of the variances, `b x d`.
    """

    mu: Tensor
    logvar: Tensor

    @classmethod
    def dirac(cls, mu: Tensor) -> Posterior:
        """All mass at `mu`, `b x d`."""
        return cls(mu, torch.full_like(mu, -torch.inf))

    @property
    def is_dirac(self) -> bool:
        """Whether this is a point, without noise."""
        return bool(torch.isneginf(self.logvar).all())

    def rsample(self, generator: Generator | None = None) -> Tensor:
        """A reparameterized sample `mu + sigma * noise`, `b x d`: gradients reach mu and logvar."""
        noise = torch.randn(
            self.mu.shape, generator=generator, dtype=self.mu.dtype, device=_device(generator, self.mu)
        )
        return self.mu + torch.exp(0.5 * self.logvar) * noise.to(self.mu.device)

    def scaled(self, scale: float) -> Posterior:
        """The same with its standard deviations times `scale`, from 0 (a point) on."""
        shift = 2.0 * math.log(scale) if scale > 0.0 else -math.inf
        return Posterior(self.mu, self.logvar + shift)

    def kl(self, prior: Posterior | None = None) -> Tensor:
        """KL(q(z|x) || p(z)) in nats per molecule, `b`.

        With p = N(0, I) this is ½ Σ (mu² + sigma² - 1 - log sigma²).

        Args:
            prior: A diagonal Gaussian for each molecule; N(0, I) if not given.
        """
        return self.kl_by_dimension(prior).sum(-1)

    def kl_by_dimension(self, prior: Posterior | None = None) -> Tensor:
        """The terms of `kl`, `b x d`."""
        if self.is_dirac:
            return torch.zeros_like(self.mu)
        if prior is None:
            return 0.5 * (self.mu.square() + self.logvar.exp() - 1.0 - self.logvar)
        distance = (self.mu - prior.mu).square() + self.logvar.exp()
        return 0.5 * (distance / prior.logvar.exp() - 1.0 - self.logvar + prior.logvar)


def _device(generator: Generator | None, like: Tensor) -> torch.device:
    return like.device if generator is None else generator.device
