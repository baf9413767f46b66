"""Several objectives: Pareto fronts, their hypervolume, random scalarizations (ParEGO)."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated
from botorch.utils.multi_objective.scalarization import get_chebyshev_scalarization
from botorch.utils.sampling import sample_simplex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Utility = Callable[[Tensor], Tensor]


def non_dominated(y: Tensor) -> Tensor:
    """Which rows of `y` (`n x m`, all to be maximized) no other row dominates, `n` booleans.

    Rows with a missing score are never on the front; equal rows all are.
    """
    complete = torch.isfinite(y).all(-1)
    front = torch.zeros(len(y), dtype=torch.bool)
    if bool(complete.any()):
        front[complete] = is_non_dominated(y[complete].double(), deduplicate=False)
    return front


def hypervolume(y: Tensor, reference: Tensor) -> float:
    """Volume dominated by the rows of `y` (`n x m`, to be maximized) and above `reference` (`m`).

    >>> hypervolume(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.zeros(2))
    3.0
    """
    front = y[non_dominated(y)].double()
    front = torch.unique(front[(front > reference).all(-1)], dim=0)
    return float(Hypervolume(reference.double()).compute(front)) if len(front) else 0.0


def chebyshev_functions(y: Tensor, n_scalarizations: int, generator: torch.Generator) -> list[Utility]:
    """Functions of objectives to maximize, `... x m` to `...`: augmented Chebyshev scalarizations.

    Weights are uniform on the simplex; objectives are first scaled to [0, 1] by their observed range.
    (Knowles, IEEE TEC 10, 2006; augmented with alpha = .05.) With one objective, or without a complete row of
    `y` (observed objectives, all to be maximized, `n x m`, NaN where missing), the only function is the first
    objective.
    """
    complete = torch.isfinite(y).all(-1)
    if y.shape[1] == 1 or not bool(complete.any()):
        return [itemgetter((..., 0))]
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
