"""Noise on what is read while training: tokens hidden, neighbors swapped, properties hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def hide(tokens: Tensor, share: float, unknown: int, generator: Generator | None = None) -> Tensor:
    """Replace a share of the tokens by the unknown one (Vincent et al. 2008).

    Args:
        tokens: Token ids, `b x t`.
        share: Chance of each token to be hidden.
        unknown: What stands in its place.
        generator: Source of the choice.
    """
    if share == 0.0:
        return tokens
    return tokens.masked_fill(_chosen(tokens, share, generator), unknown)


def swap(tokens: Tensor, lengths: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Exchange neighboring tokens; the last token of a row, its end mark, stays.

    Args:
        tokens: Token ids, `b x t`.
        lengths: Tokens in each row, the end mark included, `b`.
        share: Chance of each place to begin an exchange; a token moves by one place at most.
        generator: Source of the choice.
    """
    if share == 0.0 or tokens.shape[1] < 3:  # noqa: PLR2004 - two tokens and an end mark
        return tokens
    places = torch.arange(tokens.shape[1], device=tokens.device)
    begins = _chosen(tokens, share, generator) & (places + 1 < (lengths - 1)[:, None])
    for place in range(1, tokens.shape[1]):
        begins[:, place] &= ~begins[:, place - 1]
    moved = torch.roll(begins, 1, dims=1)
    source = places + begins.long() - moved.long()
    return tokens.gather(1, source)


def forget(observed: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Hide a share of the known properties, `b x p`, so that a model learns to do without each."""
    device = observed.device if generator is None else generator.device
    kept = torch.rand(observed.shape, generator=generator, device=device) >= share
    return observed & kept.to(observed.device)


def _chosen(tokens: Tensor, share: float, generator: Generator | None) -> Tensor:
    device = tokens.device if generator is None else generator.device
    return (torch.rand(tokens.shape, generator=generator, device=device) < share).to(tokens.device)
