"""Enlarge trained networks: wider layers, joined heads."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from molvae.models.network import GRUEncoder, PropertyHead
    from molvae.models.vae import SequenceVAE

_DIRECTIONS, _GATES = 2, 3  # of the encoder's GRU


@torch.no_grad()
def take_over(
    parameter: Tensor, known: Tensor, rows: tuple[int, ...] = (), columns: tuple[int, ...] = ()
) -> None:
    """Copy the weights of a smaller layer into a larger one, so that its old units compute the same.

    The rows of old units come first, with zero weights for new inputs; the rows of new units are unchanged
    (Chen et al., arXiv:1511.05641, but with random new units instead of copies).

    Args:
        parameter: A weight, `out x in`, or a bias, `out`; changed in place.
        known: The same parameter of the smaller layer.
        rows: Numbers of equal parts the rows are divided into, outermost first, such as the gates of a GRU.
        columns: Likewise for the inputs.

    >>> weight = torch.ones(3, 3)
    >>> take_over(weight, torch.full((2, 2), 7.0))
    >>> weight.tolist()
    [[7.0, 7.0, 0.0], [7.0, 7.0, 0.0], [1.0, 1.0, 1.0]]
    """
    larger, smaller = _folded(parameter, rows, columns), _folded(known, rows, columns)
    old_rows = larger[tuple(map(slice, smaller.shape[: len(rows) + 1]))]
    old_rows.zero_()
    larger[tuple(map(slice, smaller.shape))] = smaller


def take_over_layers(
    larger: nn.Module, smaller: nn.Module, rows: tuple[int, ...] = (), columns: tuple[int, ...] = ()
) -> None:
    """Apply `take_over` to every weight and bias of a module, with the same parts."""
    for own, known in zip(larger.parameters(), smaller.parameters(), strict=True):
        take_over(own, known, rows, columns)


def take_over_network(larger: SequenceVAE, smaller: SequenceVAE, *, with_head: bool) -> None:
    """Initialize a model from another, whose encoder and head may have fewer hidden units.

    If only the larger decoder has noise levels, it ignores them at first.

    Args:
        larger: The model to initialize; its weights are replaced.
        smaller: The model to copy; apart from hidden units, its sizes are the same.
        with_head: Copy the property head too.
    """
    _take_over_encoder(larger.encoder, smaller.encoder)
    take_over_layers(larger.decoder, smaller.decoder)
    if with_head and larger.head is not None and smaller.head is not None:
        take_over_layers(larger.head, smaller.head)


def _take_over_encoder(larger: GRUEncoder, smaller: GRUEncoder) -> None:
    """Initialize an encoder to give the same posteriors with at least as many hidden units."""
    take_over_layers(larger.embedding, smaller.embedding)
    take_over_layers(larger.inputs, smaller.inputs, (_DIRECTIONS, _GATES))
    take_over_layers(larger.forwards, smaller.forwards, (_GATES,))
    take_over_layers(larger.backwards, smaller.backwards, (_GATES,))
    take_over_layers(larger.posterior, smaller.posterior, columns=(_DIRECTIONS,))


@torch.no_grad()
def joined(members: Sequence[PropertyHead], into: PropertyHead, widened: Tensor) -> PropertyHead:
    """One head that predicts the mean of several heads; its variance is their geometric mean times a factor.

    Args:
        members: Heads of one size, for the same `p` properties.
        into: A head with as many hidden units as all of them together; its weights are replaced.
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


def _folded(weights: Tensor, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tensor:
    """A view with an axis for each kind of part, then one for units, of the rows and of the columns."""
    sizes = [*rows, len(weights) // prod(rows)]
    if weights.dim() > 1:
        sizes += [*columns, weights.shape[1] // prod(columns)]
    return weights.view(sizes)
