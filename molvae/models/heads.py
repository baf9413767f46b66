"""Property heads: z to the mean and variance of each property."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.models.config import ModelSettings

_LOGVAR_RANGE = (-8.0, 4.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Gaussian predictions of properties.

    Attributes:
        mean: `b x p`.
        variance: `b x p`, same units squared.
    """

    mean: Tensor
    variance: Tensor


class PropertyHead(nn.Module):
    """A two-layer perceptron from z to a Gaussian per property, in scaled units.

    Args:
        settings: Sizes.
        n_properties: `p`.
    """

    def __init__(self, settings: ModelSettings, n_properties: int) -> None:
        super().__init__()
        self.layers: Any = nn.Sequential(
            nn.Linear(settings.latent_size, settings.head_hidden),
            nn.SiLU(),
            nn.Linear(settings.head_hidden, settings.head_hidden),
            nn.SiLU(),
            nn.Linear(settings.head_hidden, 2 * n_properties),
        )

    def forward(self, z: Tensor) -> Prediction:
        """Predictions from latent vectors `b x d`."""
        mean, logvar = at_least_single(self.layers(z)).chunk(2, dim=-1)
        return Prediction(mean, logvar.clamp(*_LOGVAR_RANGE).exp())


@torch.no_grad()
def joined(members: Sequence[PropertyHead], into: PropertyHead, widened: Tensor) -> PropertyHead:
    """One head that predicts the mean of several, its variance that of their mean logarithm times a factor.

    Args:
        members: Heads of one size, for the same `p` properties.
        into: A head with as many hidden units as all of them have; its weights are replaced.
        widened: Factors of the variances, `p`.
    """
    first, second, last = ([member.layers[n] for member in members] for n in (0, 2, 4))
    into.layers[0].weight.copy_(torch.cat([layer.weight for layer in first]))
    into.layers[0].bias.copy_(torch.cat([layer.bias for layer in first]))
    apart = torch.block_diag(*(layer.weight for layer in second))  # type: ignore[no-untyped-call]
    into.layers[2].weight.copy_(apart)
    into.layers[2].bias.copy_(torch.cat([layer.bias for layer in second]))
    into.layers[4].weight.copy_(torch.cat([layer.weight for layer in last], dim=1) / len(members))
    wider = torch.cat([torch.zeros_like(widened), widened.log()])
    into.layers[4].bias.copy_(torch.stack([layer.bias for layer in last]).mean(0) + wider)
    return into


def gaussian_nll(prediction: Prediction, target: Tensor, observed: Tensor) -> Tensor:
    """Negative log-likelihood of the observed properties, in nats per molecule, `b`.

    Its gradient is that of the beta-NLL with beta = 1/2 (Seitzer et al., ICLR 2022, arXiv:2203.09168): each
    term's, times the predicted standard deviation. Without it, a head that is sure of itself has gradients as
    large as its variance is small, and drowns what the encoder learns of everything else.

    Args:
        prediction: Means and variances, `b x p`.
        target: True values, `b x p`; anything where not observed.
        observed: Which values exist, `b x p`.
    """
    error = torch.where(observed, target - prediction.mean, 0.0)
    terms = 0.5 * (error.square() / prediction.variance + prediction.variance.log() + math.log(2 * math.pi))
    damped = terms.detach() + prediction.variance.detach().sqrt() * (terms - terms.detach())
    return torch.where(observed, damped, 0.0).sum(-1)
