"""Inference beyond the encoder: latent vectors moved until the decoder writes the molecule surely."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from molvae.models.network import Posterior

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_REACH = 1 / 3  # of the length of a posterior sample's noise: no step goes farther
_NOTHING = 1e-12


def infer(posterior: Posterior, nll: Callable[[Tensor], Tensor], n_steps: int) -> Posterior:
    """The posterior with its mean moved by gradient steps to where what was encoded is more likely.

    An encoder finds all means by one pass over the tokens, and falls short of the best mean of each molecule
    (the amortization gap: Cremer et al., arXiv:1801.03558), which gradient steps from its answer close
    (Kim et al., arXiv:1802.02550). Lengths are counted in posterior standard deviations, and a step is as
    long as would take a linear -log p(x|z) to 0 (Polyak), so that there is no rate to choose.

    Args:
        posterior: The encoder's, `b x d`.
        nll: -log p(x|z) of what was encoded, `b`, from latent vectors `b x d`.
        n_steps: How many; 0 leaves the posterior as it is.

    Returns:
        A posterior with the same variances.
    """
    start, logvar = posterior.mu.detach(), posterior.logvar
    deviation = torch.ones_like(start) if posterior.is_dirac else logvar.detach().mul(0.5).exp()
    longest = _REACH * math.sqrt(start.shape[-1])
    moved = torch.zeros_like(start)
    for _ in range(n_steps):
        moved.requires_grad_()
        with torch.enable_grad():
            loss = nll(start + deviation * moved)
            (slope,) = torch.autograd.grad(loss.sum(), moved)
        steepness = slope.square().sum(-1).clamp_min(_NOTHING).sqrt()
        length = (loss.detach() / steepness).clamp(0.0, longest)
        moved = (moved.detach() - (length / steepness)[:, None] * slope).nan_to_num(0.0, 0.0, 0.0)
    return Posterior(start + deviation * moved, logvar)
