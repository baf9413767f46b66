"""Posterior means that are moved, after encoding, to where the molecule is more likely."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.func import functional_call

from molvae.models.network import Posterior
from molvae.models.vae import reconstruction_nll, shifted

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from molvae.models.vae import SequenceVAE

_REACH = 1 / 3  # of the length of a posterior sample's noise: no step goes farther
_NOTHING = 1e-12


def infer(network: SequenceVAE, tokens: Tensor, lengths: Tensor, *, n_steps: int) -> Posterior:
    """The posterior of token rows `b x t` of lengths `b`, its mean moved by so many gradient steps."""
    with torch.inference_mode(mode=False):  # where a caller is in it, tensors would have no gradients
        tokens, lengths = tokens.clone(), lengths.clone()
        with torch.no_grad():
            posterior = network.encode(tokens, lengths)
        return moved(posterior, partial(negative_log_likelihood, network, tokens, lengths), n_steps)


def negative_log_likelihood(
    network: SequenceVAE, tokens: Tensor, lengths: Tensor, z: Tensor, noise: Tensor | None = None
) -> Tensor:
    """-log p(x|z) of token rows `b x t` of lengths `b` given latent vectors `b x d`, in nats, `b`.

    It has a gradient by z, and none by the weights. `noise` are the levels `b` at which the vectors were
    blurred; 0 if not given.
    """
    given = (shifted(tokens), network.decoder_input(z, noise=noise))
    logits = functional_call(network.decoder, network.decoder.state_dict(), given)
    return reconstruction_nll(logits, tokens, lengths)


def moved(posterior: Posterior, nll: Callable[[Tensor], Tensor], n_steps: int) -> Posterior:
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
    shift = torch.zeros_like(start)
    for _ in range(n_steps):
        shift.requires_grad_()
        with torch.enable_grad():
            loss = nll(start + deviation * shift)
            (slope,) = torch.autograd.grad(loss.sum(), shift)
        steepness = slope.square().sum(-1).clamp_min(_NOTHING).sqrt()
        length = (loss.detach() / steepness).clamp(0.0, longest)
        shift = (shift.detach() - (length / steepness)[:, None] * slope).nan_to_num(0.0, 0.0, 0.0)
    return Posterior(start + deviation * shift, logvar)
