"""Refine posterior means by gradient steps on the likelihood of the molecule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.func import functional_call

from molvae.models.network import Posterior
from molvae.models.vae import reconstruction_nll, shifted

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from molvae.models.vae import SequenceVAE

_REACH = 1 / 3  # longest step, relative to the length of a posterior sample's noise
_MOMENTUM = 0.5
_ENOUGH = math.log(2.0)  # nats: a molecule with probability above 1/2 is also the greedy decode
_NOTHING = 1e-12


def infer(network: SequenceVAE, tokens: Tensor, lengths: Tensor, *, n_steps: int) -> Posterior:
    """The posterior of token rows `b x t` of lengths `b`, its mean moved by at most `n_steps`."""
    with torch.inference_mode(mode=False):  # gradients are needed even if the caller is in inference mode
        tokens, lengths = tokens.clone(), lengths.clone()
        with torch.no_grad():
            posterior = network.encoder(tokens, lengths)

        def nll(z: Tensor, rows: Tensor) -> Tensor:
            longest = int(lengths[rows].max())
            return negative_log_likelihood(network, tokens[rows, :longest], lengths[rows], z)

        return moved(posterior, nll, n_steps)


def negative_log_likelihood(
    network: SequenceVAE, tokens: Tensor, lengths: Tensor, z: Tensor, noise: Tensor | None = None
) -> Tensor:
    """-log p(x|z) of token rows `b x t` of lengths `b` given latent vectors `b x d`, in nats, `b`.

    Differentiable with respect to z, not the weights. `noise` are the noise levels `b` of the vectors; 0 if
    not given.
    """
    given = (shifted(tokens), network.decoder_input(z, noise=noise))
    logits = functional_call(network.decoder, network.decoder.state_dict(), given)
    return reconstruction_nll(logits, tokens, lengths)


def moved(posterior: Posterior, nll: Callable[[Tensor, Tensor], Tensor], n_steps: int) -> Posterior:
    """The posterior, `b x d`, with its mean refined by gradient steps on -log p(x|z).

    Gradient steps from the encoder's mean (Kim et al., arXiv:1802.02550) close the amortization gap (Cremer
    et al., arXiv:1801.03558). Steps are measured in posterior standard deviations. The Polyak step size,
    which would take a linear -log p(x|z) to 0, needs no learning rate; the momentum is 1/2. A row stops once
    p(x|z) exceeds 1/2, or after `n_steps`, and keeps the best mean visited. Variances are unchanged.

    `nll` gives -log p(x|z) of rows `r` from latent vectors `r x d` and the indices of the rows, `r`.
    """
    if n_steps == 0:
        return posterior
    start, logvar = posterior.mu.detach(), posterior.logvar
    deviation = torch.ones_like(start) if posterior.is_dirac else logvar.detach().mul(0.5).exp()
    longest = _REACH * math.sqrt(start.shape[-1])
    best, lowest = torch.zeros_like(start), torch.full_like(start[:, 0], torch.inf)
    rows = torch.arange(len(start), device=start.device)
    shift, before = torch.zeros_like(start), torch.zeros_like(start)
    for step in range(n_steps + 1):
        shift.requires_grad_(step < n_steps)
        with torch.set_grad_enabled(step < n_steps):
            loss = nll(start[rows] + deviation[rows] * shift, rows)
        reached, here = loss.detach(), shift.detach()
        improved = reached < lowest[rows]
        best[rows[improved]], lowest[rows[improved]] = here[improved], reached[improved]
        unsure = ~(reached < _ENOUGH)
        if step == n_steps or not unsure.any():
            break
        (slope,) = torch.autograd.grad(loss.sum(), shift)
        steepness = slope.square().sum(-1).clamp_min(_NOTHING).sqrt()
        step_length = (reached / steepness).clamp(0.0, longest)
        moves = _within(_MOMENTUM * before - (step_length / steepness)[:, None] * slope, longest)
        rows, before, shift = rows[unsure], moves[unsure], (here + moves)[unsure]
    return Posterior(start + deviation * best, logvar)


def _within(vectors: Tensor, longest: float) -> Tensor:
    """The vectors `r x d`, shortened to `longest` where they are longer; 0 where they are not finite."""
    finite = vectors.nan_to_num(0.0, 0.0, 0.0)
    factors = (longest / finite.norm(dim=-1, keepdim=True).clamp_min(_NOTHING)).clamp_max(1.0)
    return finite.mul(factors)
