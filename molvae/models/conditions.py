"""What a conditional model sees of the properties, and where it expects z to lie for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from molvae.models.posterior import Posterior
from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.config import ModelSettings

_LOGVAR_RANGE = (-6.0, 3.0)


def condition(properties: Tensor, observed: Tensor) -> Tensor:
    """Properties as a network sees them: values, 0 where unknown, and which are known; `b x 2p`.

    Args:
        properties: Scaled values, `b x p`; anything where not observed.
        observed: Which are known, `b x p`.
    """
    return torch.cat([torch.where(observed, properties, 0.0), observed.to(properties.dtype)], dim=-1)


def forget(observed: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Hide a share of the known properties, `b x p`, so that a model learns to do without each."""
    device = observed.device if generator is None else generator.device
    kept = torch.rand(observed.shape, generator=generator, device=device) >= share
    return observed & kept.to(observed.device)


class ConditionalPrior(nn.Module):
    """p(z | properties): a diagonal Gaussian, from a small perceptron (Sohn et al. 2015).

    Args:
        settings: Sizes.
        n_properties: `p`.
    """

    def __init__(self, settings: ModelSettings, n_properties: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * n_properties, settings.head_hidden),
            nn.SiLU(),
            nn.Linear(settings.head_hidden, 2 * settings.latent_size),
        )

    def forward(self, conditions: Tensor) -> Posterior:
        """Where z lies, from conditions `b x 2p`."""
        mu, logvar = at_least_single(self.layers(conditions)).chunk(2, dim=-1)
        return Posterior(mu, logvar.clamp(*_LOGVAR_RANGE))
