"""Several objectives as random augmented Chebyshev scalarizations (ParEGO)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from botorch.utils.multi_objective.scalarization import get_chebyshev_scalarization
from botorch.utils.sampling import sample_simplex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Utility = Callable[[Tensor], Tensor]


def chebyshev_columns(y: Tensor, n_scalarizations: int, generator: torch.Generator) -> Tensor:
    """One column to maximize per random weight vector, `n x s`; one objective is returned as it is.

    Weights are uniform on the simplex; objectives are first scaled to [0, 1] by their observed range.
    (Knowles, IEEE TEC 10, 2006; augmented with alpha = .05.)

    Args:
        y: Observed objectives, all to be maximized, `n x m`; a row with a missing one scalarizes to NaN.
        n_scalarizations: How many weight vectors, `s`.
        generator: Draws them.
    """
    return columns_of(y, chebyshev_functions(y, n_scalarizations, generator))


def chebyshev_functions(y: Tensor, n_scalarizations: int, generator: torch.Generator) -> list[Utility]:
    """The scalarizations of `chebyshev_columns` as functions of objectives, `... x m` to `...`.

    Without a complete row of `y`, the first objective is used.
    """
    complete = torch.isfinite(y).all(-1)
    if y.shape[1] == 1 or not bool(complete.any()):
        return [_first]
    observed = y[complete].double()
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    weights = sample_simplex(d=y.shape[1], n=n_scalarizations, qmc=False, seed=seed, dtype=torch.float64)
    return [get_chebyshev_scalarization(weight, observed) for weight in weights]


def columns_of(y: Tensor, functions: Sequence[Utility]) -> Tensor:
    """Functions of observed objectives `y` (`n x m`), one column each; NaN where one is missing."""
    complete = torch.isfinite(y).all(-1)
    columns = torch.full((len(y), len(functions)), torch.nan, dtype=torch.float64)
    for j, function in enumerate(functions):
        columns[complete, j] = function(y[complete].double())
    return columns


def _first(y: Tensor) -> Tensor:
    return y[..., 0]
