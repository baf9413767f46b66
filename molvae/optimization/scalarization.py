"""Several objectives as random augmented Chebyshev scalarizations (ParEGO)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from botorch.utils.multi_objective.scalarization import get_chebyshev_scalarization
from botorch.utils.sampling import sample_simplex

if TYPE_CHECKING:
    from torch import Tensor


def chebyshev_columns(y: Tensor, n_scalarizations: int, generator: torch.Generator) -> Tensor:
    """One column to maximize per random weight vector, `n x s`; one objective is returned as it is.

    Weights are uniform on the simplex; objectives are put to the unit interval by their observed range first.
    (Knowles, IEEE TEC 10, 2006; augmented with alpha = .05.)

    Args:
        y: Observed objectives, all to be maximized, `n x m`; a row with a missing one scalarizes to NaN.
        n_scalarizations: How many weight vectors, `s`.
        generator: Draws them.
    """
    if y.shape[1] == 1:
        return y.double()
    complete = torch.isfinite(y).all(-1)
    columns = torch.full((len(y), n_scalarizations), torch.nan, dtype=torch.float64)
    if not bool(complete.any()):
        return columns
    observed = y[complete].double()
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    weights = sample_simplex(d=y.shape[1], n=n_scalarizations, qmc=False, seed=seed, dtype=torch.float64)
    for j, weight in enumerate(weights):
        columns[complete, j] = get_chebyshev_scalarization(weight, observed)(observed)
    return columns
