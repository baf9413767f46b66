"""Pareto fronts and their hypervolume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

if TYPE_CHECKING:
    from torch import Tensor


def non_dominated(y: Tensor) -> Tensor:
    """Which rows of `y` (`n x m`, all to be maximized) no other row dominates, `n` booleans.

    A row with a missing score is never on the front; of equal rows all are.
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
