"""The evidence lower bound and its companions, all in nats per molecule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from torch import Tensor

    from molvae.models.posterior import Posterior


@dataclass(frozen=True, slots=True)
class Elbo:
    """Terms of the training loss, each `b` if not said otherwise, in nats per molecule.

    Attributes:
        reconstruction: -log p(x|z), summed over tokens; where there is noise, -log p(x|z_s, s).
        kl: KL(q(z|x) || p(z)); p is N(0, I) unless the model has a conditional prior.
        property: -log p(properties|z), summed over observed properties.
        penalty: Weighted sum of the regularizers.
        posterior: What the terms were computed from.
        kl_by_dimension: The terms of `kl`, `b x d`.
        noise: Level s at which the decoder read z; 0 but in the training of a model with noise levels, whose
            ELBO is made of the rows at 0.
    """

    reconstruction: Tensor
    kl: Tensor
    property: Tensor
    penalty: Tensor
    posterior: Posterior
    kl_by_dimension: Tensor
    noise: Tensor

    def reconstruction_at(self, level: float) -> Tensor:
        """Mean of `reconstruction` over the rows at a noise level, a scalar; 0 if there are none."""
        chosen = self.noise == level
        return torch.where(chosen, self.reconstruction, 0.0).sum() / chosen.sum().clamp_min(1)

    def loss(self, beta: float, property_weight: float = 1.0, free_bits: float = 0.0) -> Tensor:
        """Mean of reconstruction + beta * KL + property_weight * property + penalty, a scalar.

        Args:
            beta: Weight of the KL.
            property_weight: Weight of the property term.
            free_bits: KL of a dimension in nats, averaged over the batch, below which it costs no less, so
                that nothing is gained by emptying it (Kingma et al., arXiv:1606.04934).
        """
        kl = self.kl_by_dimension.mean(0)
        if free_bits > 0.0:
            kl = kl.clamp_min(free_bits)
        others = self.reconstruction + property_weight * self.property + self.penalty
        return others.mean() + beta * kl.sum()


def reconstruction_nll(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """-log p(x|z) of each row, summed over its tokens, in nats, `b`.

    Args:
        logits: `t x b x v`.
        tokens: Targets, `b x t`.
        lengths: Tokens in each row, `b`; what comes after is not counted.
    """
    n_steps, n_rows, n_tokens = logits.shape
    nll = functional.cross_entropy(
        at_least_single(logits).reshape(-1, n_tokens), tokens.t().reshape(-1), reduction="none"
    ).view(n_steps, n_rows)
    counted = lengths.new_tensor(range(n_steps))[:, None] < lengths
    return (nll * counted).sum(0)
