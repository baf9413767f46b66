"""Utility of molecules: goals, constraints and how several goals are combined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.oracles.config import Objective

    Array = NDArray[np.float64]


def goals(values: Array, objectives: Sequence[Objective]) -> Array:
    """The goals among scores `values` (`n x k`), signed for maximization, `n x m`."""
    columns = [o.sign * values[:, j] for j, o in enumerate(objectives) if o.is_goal]
    return np.stack(columns, axis=1) if columns else np.empty((len(values), 0))


def constrained_scores(values: Array, objectives: Sequence[Objective]) -> tuple[Array, Array, Array]:
    """Constrained scores (`n x c`) with their lower and upper bounds (`c` each)."""
    columns = [j for j, objective in enumerate(objectives) if objective.is_constraint]
    bounds = [objectives[j].bound or 0.0 for j in columns]
    lower = [b if objectives[j].direction == "at_least" else -np.inf for j, b in zip(columns, bounds)]
    upper = [b if objectives[j].direction == "at_most" else np.inf for j, b in zip(columns, bounds)]
    return values[:, columns], np.array(lower), np.array(upper)


def within(values: Array, objectives: Sequence[Objective], columns: Sequence[int]) -> NDArray[np.bool_]:
    """Which rows of scores satisfy the bounds in `columns`, `n`."""
    scores, lower, upper = constrained_scores(values[:, list(columns)], [objectives[j] for j in columns])
    return np.asarray(((scores >= lower) & (scores <= upper)).all(axis=1))


def feasible(values: Array, objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Which rows have every score and satisfy every constraint, `n`."""
    return np.isfinite(values).all(axis=1) & within(values, objectives, range(len(objectives)))


def utilities(values: Array, objectives: Sequence[Objective]) -> Array:
    """Utility of each row, `n`; NaN if a score is missing or a constraint is violated.

    With one goal, the score, negated if minimized. With several, each is scaled to [0, 1] by its range over
    the feasible rows (a constant goal counts 1), and the utility is their geometric mean. It compares
    molecules within a campaign, not between campaigns.

    Args:
        values: Scores, `n x k`, in the order of the objectives; NaN where missing.
        objectives: Goals and constraints.
    """
    allowed = feasible(values, objectives)
    found = goals(values, objectives)
    worth = np.full(len(values), np.nan)
    if found.shape[1] == 1 or not allowed.any():
        worth[allowed] = found[allowed, 0]
        return worth
    low, high = found[allowed].min(axis=0), found[allowed].max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (found[allowed] - low) / span, 1.0)
    worth[allowed] = np.prod(scaled, axis=1) ** (1.0 / found.shape[1])
    return worth


def front(values: NDArray[np.float64], objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Which feasible molecules no other feasible one dominates, `n`.

    Args:
        values: Scores, `n x m`, NaN where there is none.
        objectives: `m`.
    """
    import torch

    from molvae.optimization.multiobjective import non_dominated

    allowed = feasible(values, objectives)
    on_it: NDArray[np.bool_] = np.zeros(len(values), dtype=np.bool_)
    on_it[allowed] = non_dominated(torch.from_numpy(goals(values[allowed], objectives))).numpy()
    return on_it
