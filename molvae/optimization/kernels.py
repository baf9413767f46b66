r"""MinMax (count Tanimoto) kernel, and a kernel that looks similarities up in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from gpytorch.kernels import Kernel

if TYPE_CHECKING:
    from torch import Tensor


def minmax_similarity(a: Tensor, b: Tensor) -> Tensor:
    r"""Exact MinMax similarity of count vectors.

    .. math:: k(a, b) = \frac{\sum_i \min(a_i, b_i)}{\sum_i \max(a_i, b_i)}

    The sum of minima is the scalar product of unary expansions,
    :math:`\min(a, b) = \sum_{l \ge 1} [a \ge l][b \ge l]`, so it is one matrix product per count level over
    the columns that reach that level. Two empty vectors have
    similarity 1. (Ralaivola et al., Neural Networks 18, 2005.)

    Args:
        a: Non-negative whole numbers, `n x f`.
        b: Non-negative whole numbers, `m x f`.

    Returns:
        `n x m`, float64, in [0, 1].

    >>> minmax_similarity(torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[1.0, 1.0, 1.0]])).tolist()
    [[0.5]]
    """
    low_a, low_b = a.to(torch.float32), b.to(torch.float32)
    ceiling = torch.minimum(_column_maximum(low_a), _column_maximum(low_b))
    shared = torch.zeros(len(a), len(b), dtype=torch.float32, device=a.device)
    columns = torch.nonzero(ceiling >= 1)[:, 0]
    level = 1
    while len(columns):
        low_a, low_b, ceiling = low_a[:, columns], low_b[:, columns], ceiling[columns]
        shared += (low_a >= level).float() @ (low_b >= level).float().T  # exact below 2^24
        level += 1
        columns = torch.nonzero(ceiling >= level)[:, 0]
    minima = shared.double()
    maxima = a.double().sum(-1)[:, None] + b.double().sum(-1)[None, :] - minima
    return torch.where(maxima > 0, minima / maxima.clamp_min(1.0), torch.ones_like(minima))


def _column_maximum(counts: Tensor) -> Tensor:
    return counts.amax(0) if len(counts) else torch.zeros(counts.shape[-1], device=counts.device)


class MinMaxKernel(Kernel):  # type: ignore[misc]
    """`minmax_similarity` as a GPyTorch kernel without parameters; wrap it in a `ScaleKernel`."""

    has_lengthscale = False
    is_stationary = False

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:  # noqa: FBT001, FBT002
        """Similarities of `... x n x f` and `... x m x f`: `... x n x m`, or `... x n` when `diag`."""
        if diag:
            total = torch.maximum(x1, x2).double().sum(-1)
            return torch.where(total > 0, torch.minimum(x1, x2).double().sum(-1) / total.clamp_min(1.0), 1.0)
        if x1.dim() == 2:  # noqa: PLR2004
            return minmax_similarity(x1, x2)
        batch = (x1[..., 0, 0] + x2[..., 0, 0]).shape
        left = x1.expand(*batch, *x1.shape[-2:]).flatten(0, -3)
        right = x2.expand(*batch, *x2.shape[-2:]).flatten(0, -3)
        blocks = torch.stack([minmax_similarity(a, b) for a, b in zip(left, right, strict=True)])
        return blocks.reshape(*batch, x1.shape[-2], x2.shape[-2])


class TableKernel(Kernel):  # type: ignore[misc]
    """Looks covariances up in a table: inputs are row numbers, so a Gram matrix is computed once and shared.

    Several outputs, many steps of a hyperparameter fit and every later posterior read the same table.

    Attributes:
        table: Similarities, `n x n`, float64.
    """

    has_lengthscale = False
    is_stationary = False

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:  # noqa: FBT001, FBT002
        """Entries of the table at rows `x1` (`... x n x 1`) and columns `x2` (`... x m x 1`)."""
        rows, columns = x1[..., 0].long(), x2[..., 0].long()
        if diag:
            return self.table[rows, columns]
        return self.table[rows[..., :, None], columns[..., None, :]]
