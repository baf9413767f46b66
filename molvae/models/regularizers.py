"""Regularization in training: noise on the inputs, and penalties on the latent space beside the KL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from molvae.models.network import chosen, normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    from molvae.models.config import PenaltySettings
    from molvae.models.network import GRUEncoder, Posterior


def swap(tokens: Tensor, lengths: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Exchange neighboring tokens of rows `b x t`; the end mark, the last of the `lengths` (`b`), stays.

    Each position is exchanged with probability `share`; a token moves by at most one position.
    """
    if tokens.shape[1] < 3:  # noqa: PLR2004 - two tokens and an end mark
        return tokens
    places = torch.arange(tokens.shape[1], device=tokens.device)
    begins = chosen(tokens, share, generator) & (places + 1 < (lengths - 1)[:, None])
    for place in range(1, tokens.shape[1]):
        begins[:, place] &= ~begins[:, place - 1]
    moved = torch.roll(begins, 1, dims=1)
    source = places + begins.long() - moved.long()
    return tokens.gather(1, source)


def forget(observed: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Hide a share of the known properties, `b x p`, so that the model learns to do without any of them."""
    return observed & ~chosen(observed, share, generator)


_STEP = 1e-3  # of the finite difference, in units of the embeddings
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the inverse multiquadratic kernels, times 2 d


def penalty(
    weights: PenaltySettings,
    encoder: GRUEncoder,
    source: Tensor,
    lengths: Tensor,
    posterior: Posterior,
    z: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    """Weighted sum of the penalties, `b`; a weight of 0 leaves one out.

    `posterior`, `b x d`, is the encoder's output for `source`, `b x s`, of lengths `b`, and `z` a sample of
    it. The generator draws random directions and samples of N(0, I).
    """
    total = z.new_zeros(z.shape[0])
    if weights.sparse:
        total = total + weights.sparse * sparsity(posterior.mu)
    if weights.contractive:
        embedded = encoder.embedding(source.t()).detach()
        slope = contraction(lambda e: encoder.from_embedded(e, lengths).mu, embedded, generator)
        total = total + weights.contractive * slope
    if weights.mmd:
        total = total + weights.mmd * mean_discrepancy(z, generator)
    return total


def sparsity(mu: Tensor) -> Tensor:
    """Sum of absolute means, `b` (a sparse autoencoder's L1 penalty)."""
    return mu.abs().sum(-1)


def contraction(
    encode: Callable[[Tensor], Tensor], inputs: Tensor, generator: Generator | None = None
) -> Tensor:
    r"""Squared Frobenius norm of an encoder's Jacobian, estimated along one random direction, `b`.

    Rifai et al. 2011 penalize `||J||_F^2`. For u ~ N(0, I), `E ||J u||^2 = ||J||_F^2`, and `J u` is the
    central difference of the encoder along u: two more passes, and first-order gradients only.

    `encode` takes inputs `t x b x e` to means `b x d`; a row's means depend on its own inputs alone.
    """
    step = _STEP * normal(inputs, generator)
    along = (encode(inputs + step) - encode(inputs - step)) / (2 * _STEP)
    return along.square().sum(-1)


def mean_discrepancy(z: Tensor, generator: Generator | None = None) -> Tensor:
    """Squared maximum mean discrepancy between a batch of z, `b x d`, and N(0, I); one number `b` times.

    Unbiased, with inverse multiquadratic kernels `C / (C + |x - y|^2)` of several scales (Tolstikhin et
    al., arXiv:1711.01558); 0 for a single row.
    """
    n, d = z.shape
    if n < 2:  # noqa: PLR2004 - no pairs
        return z.new_zeros(n)
    drawn = normal(z, generator)
    within_z, within_drawn, between = _squares(z, z), _squares(drawn, drawn), _squares(z, drawn)
    total = z.new_zeros(())
    for scale in _SCALES:
        width = 2.0 * d * scale
        same = sum((width / (width + s)).sum() - n for s in (within_z, within_drawn)) / (n * (n - 1))
        total = total + same - 2.0 * (width / (width + between)).mean()
    return total.expand(n)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances, `n x m`, with finite gradients at 0."""
    product = a @ b.t()
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * product).clamp_min(0.0)
