"""A larger network that begins as a smaller one: the weights of layers that have got new units."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


@torch.no_grad()
def take_over(
    parameter: Tensor, known: Tensor, rows: tuple[int, ...] = (), columns: tuple[int, ...] = ()
) -> None:
    """Put the weights of a smaller layer into a larger one, so that its old units compute what they did.

    The rows of old units come first and read nothing of what is new; the rows of new units stay as they are
    (Chen et al., arXiv:1511.05641, but with random new units instead of copies).

    Args:
        parameter: A weight, `out x in`, or a bias, `out`; changed in place.
        known: That of the smaller layer.
        rows: How many equal parts the rows are made of, outermost first, each with units of its own: the
            gates of a GRU, say.
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
    """The same for every weight and bias of a module, whose layers are all made of such parts."""
    for own, known in zip(larger.parameters(), smaller.parameters(), strict=True):
        take_over(own, known, rows, columns)


def _folded(weights: Tensor, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tensor:
    """A view with an axis for each kind of part, then one for units, of the rows and of the columns."""
    sizes = [*rows, len(weights) // prod(rows)]
    if weights.dim() > 1:
        sizes += [*columns, weights.shape[1] // prod(columns)]
    return weights.view(sizes)
