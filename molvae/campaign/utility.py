"""Utility of molecules, and the progress of a campaign by it: hits, top 10 call by call, its area."""

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
    inside: NDArray[np.bool_] = np.ones(len(values), dtype=np.bool_)
    for j in columns:
        bound, direction = objectives[j].bound, objectives[j].direction
        if bound is not None:
            inside &= values[:, j] >= bound if direction == "at_least" else values[:, j] <= bound
    return inside


def feasible(values: Array, objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Which rows have every score and satisfy every constraint, `n`."""
    return np.isfinite(values).all(axis=1) & within(values, objectives, range(len(objectives)))


def utilities(values: Array, objectives: Sequence[Objective]) -> Array:
    """Utility of each row, `n`; NaN if a score is missing or a constraint is violated.

    With one goal, the score, negated if minimized. With several, each is scaled to [0, 1] by its range over
    the feasible rows (a constant goal counts 1), and the utility is their geometric mean. It compares
    molecules within a campaign, not between campaigns. Scores are `n x k`, NaN where missing.
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
    """Which feasible molecules no other feasible one dominates, `n`, given scores `n x m` with NaN."""
    import torch

    from molvae.optimization.multiobjective import non_dominated

    allowed = feasible(values, objectives)
    on_it: NDArray[np.bool_] = np.zeros(len(values), dtype=np.bool_)
    on_it[allowed] = non_dominated(torch.from_numpy(goals(values[allowed], objectives))).numpy()
    return on_it


TOP = 10
"""A molecule among this many best is a hit."""


def best_of(worth: Array) -> list[float]:
    """The ten highest utilities, highest first; fewer where fewer are finite."""
    found: list[float] = np.sort(worth[np.isfinite(worth)])[::-1][:TOP].tolist()
    return found


def tenth_best(worth: Array) -> float | None:
    """The tenth best utility, which hits exceed; `None` if there are fewer than ten."""
    best = best_of(worth)
    return best[-1] if len(best) == TOP else None


def is_hit(utility: float, bar: float | None) -> bool:
    """Whether a utility exceeds the tenth best; any finite one does without it."""
    return bool(np.isfinite(utility)) and (bar is None or utility > bar)


def hits(values: Sequence[float]) -> list[bool]:
    """Which values are among the ten best so far.

    >>> hits([1.0, float("nan")] + [2.0] * 9 + [1.0, 3.0])[-3:]
    [True, False, True]
    """
    top: list[float] = []
    found = []
    for value in values:
        found.append(is_hit(value, top[-1] if len(top) == TOP else None))
        if found[-1]:
            top = sorted([*top, value], reverse=True)[:TOP]
    return found


def running_top(values: Sequence[float], k: int) -> tuple[list[float], list[float]]:
    """Best and mean of the `k` best after each value; NaN values only count as calls.

    >>> running_top([1.0, float("nan"), 3.0], 2)
    ([1.0, 1.0, 3.0], [1.0, 1.0, 2.0])
    """
    best: list[float] = []
    mean: list[float] = []
    top: list[float] = []
    for value in values:
        if not np.isnan(value):
            top = sorted([*top, value], reverse=True)[:k]
        best.append(top[0] if top else float("nan"))
        mean.append(float(np.mean(top)) if top else float("nan"))
    return best, mean


def top_auc(values: Sequence[float], *, budget: int = 10_000, frequency: int = 100) -> float:
    """Area under the curve of the mean of the ten best so far against calls, divided by the budget.

    Trapezoids every `frequency` calls starting from 0, a last one to the end, and the final mean held up to
    the budget if the run stopped early. (Gao et al., NeurIPS 2022 datasets and benchmarks, PMO.)

    Args:
        values: Scores in call order; NaN (a failed call) only counts as a call.
        budget: Calls the area is divided by.
        frequency: Calls between points of the curve.

    >>> top_auc([1.0] * 150)
    0.995
    """
    used = list(values)[:budget]
    _, means = running_top(used, TOP)
    area, previous, last = 0.0, 0.0, 0
    for i in range(frequency, min(len(used), budget), frequency):
        now = float(np.nan_to_num(means[i - 1]))
        area += frequency * (now + previous) / 2
        previous, last = now, i
    final = float(np.nan_to_num(means[-1])) if means else 0.0
    area += (len(used) - last) * (final + previous) / 2
    if len(used) < budget:
        area += (budget - len(used)) * final
    return area / budget
