"""The approximate posterior q(z|x): a diagonal Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class Posterior:
    """A diagonal Gaussian over z for each molecule (Kingma & Welling, arXiv:1312.6114).

    Attributes:
        mu: Means, `b x d`.
        logvar: Logarithms of the variances, `b x d`.
    """

    mu: Tensor
    logvar: Tensor

    def rsample(self, generator: Generator | None = None) -> Tensor:
        """A reparameterized sample `mu + sigma * noise`, `b x d`: gradients reach mu and logvar."""
        noise = torch.randn(
            self.mu.shape, generator=generator, dtype=self.mu.dtype, device=_device(generator, self.mu)
        )
        return self.mu + torch.exp(0.5 * self.logvar) * noise.to(self.mu.device)

    def kl(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) = ½ Σ (mu² + sigma² - 1 - log sigma²) in nats per molecule, `b`."""
        return self.kl_by_dimension().sum(-1)

    def kl_by_dimension(self) -> Tensor:
        """The terms of `kl`, `b x d`."""
        return 0.5 * (self.mu.square() + self.logvar.exp() - 1.0 - self.logvar)


def _device(generator: Generator | None, like: Tensor) -> torch.device:
    return like.device if generator is None else generator.device
