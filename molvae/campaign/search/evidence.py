"""Outliers, censored scores and replicates: in training data, and in notes on results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.campaign.objectives import wholes
from molvae.campaign.observations import CENSORED, shown
from molvae.campaign.table import values_of
from molvae.optimization.surrogates import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.history import Trial
    from molvae.campaign.table import Row
    from molvae.oracles.base import Score
    from molvae.oracles.config import Objective

    Array = NDArray[np.float64]


_FAR = 5.0  # minimum gap to the next score, in ranges of all others
_BEYOND = 0.05  # distance beyond them to move such a score to, in the same unit
_FEWEST = 8
_SHARE = 4  # at most a quarter of the scores are outliers
_DISCOVERIES = 100  # distinct good outliers are real if more than one in a hundred


@dataclass(frozen=True)
class Tails:
    """Limits of the bulk of scores, to move outliers next to it.

    A docking program reports -357.8 where all others are between -10 and 0; a table has -1000 for failures.
    Such scores keep their rank and are moved just beyond all others. Other scores are unchanged.

    Attributes:
        low: Lowest score of the bulk; -inf without outliers.
        high: Highest score of the bulk.
        width: Range of the bulk.
        ends: Lowest and highest score of the bulk; infinite with too few scores.
    """

    low: float = -math.inf
    high: float = math.inf
    width: float = 1.0
    ends: tuple[float, float] = (-math.inf, math.inf)

    @classmethod
    def fit(cls, y: torch.Tensor, *, high_is_good: bool) -> Tails:
        """The tails of the finite entries of `y` (n): beyond a gap of five times the range of the others."""
        values = torch.sort(y[torch.isfinite(y)].double()).values
        n = len(values)
        if n < _FEWEST:
            return cls()
        low, high = _bulk(values, n // _SHARE, n // _SHARE)
        good = values[high + 1 :] if high_is_good else values[:low]
        few = max(1, n // _DISCOVERIES)
        if len(good) > few and float(good[0]) != float(good[-1]):
            low, high = _bulk(values, *((n // _SHARE, few) if high_is_good else (few, n // _SHARE)))
        first, last = float(values[low]), float(values[high])
        cut = (first if low else -math.inf, last if high < n - 1 else math.inf)
        return cls(*cut, last - first, (first, last))

    def tamed(self, y: torch.Tensor) -> torch.Tensor:
        """Scores with outliers moved next to the bulk; increasing in `y`."""
        below, above = (self.low - y) / self.width, (y - self.high) / self.width
        near = torch.where(y < self.low, self.low - _BEYOND * self.width * below / (1 + below), y)
        return torch.where(y > self.high, self.high + _BEYOND * self.width * above / (1 + above), near)

    def beyond(self, value: float) -> int:
        """1 for a value far above the bulk, -1 far below, else 0."""
        reach = _FAR * self.width
        return int(value > self.ends[1] + reach) - int(value < self.ends[0] - reach)


def _bulk(values: torch.Tensor, below: int, above: int) -> tuple[int, int]:
    """First and last of the sorted scores without a gap between them and the middle ones."""
    low, high, last = below, len(values) - 1 - above, len(values) - 1
    if values[high] <= values[low]:
        return 0, last
    while True:
        reach = _FAR * (values[high] - values[low])
        if low > 0 and values[low] - values[low - 1] <= reach:
            low -= 1
        elif high < last and values[high + 1] - values[high] <= reach:
            high += 1
        else:
            return low, high


_FEWEST_REPLICATES = 3  # degrees of freedom to estimate the noise of an assay


def tails_of(values: Array, objectives: Sequence[Objective]) -> list[Tails]:
    """Tails of the scores (`n x k`), per objective."""
    return [
        Tails.fit(torch.from_numpy(values[:, j]), high_is_good=is_high_good(objective))
        for j, objective in enumerate(objectives)
    ]


def tamed(
    values: Array, objectives: Sequence[Objective], tails: Sequence[Tails]
) -> tuple[Array, list[Objective]]:
    """Scores with outliers moved next to the bulk, and objectives with bounds moved likewise."""
    columns = [tail.tamed(torch.from_numpy(values[:, j])).numpy() for j, tail in enumerate(tails)]
    bounds = [
        o
        if o.bound is None
        else o.model_copy(update={"bound": float(tail.tamed(torch.tensor([o.bound], dtype=torch.float64)))})
        for o, tail in zip(objectives, tails)
    ]
    return np.stack(columns, axis=1), bounds


def has_evidence(trial: Trial) -> bool:
    """Whether any measured score of a molecule is a number or a bound."""
    return any(score is not None and score.is_measured for score in trial.asked)


def usable_bound(score: Score, objective: Objective, tails: Tails) -> float | None:
    """The bound of a censored score; `None` if it is uninformative or implausible.

    '>10000' in a score to minimize with values below 100 means: worse than all. In a score to maximize with
    values between 4 and 8 it has another unit. For a part, the better direction is unknown.
    """
    sign = 1 if score.status == "above" else -1
    side = tails.beyond(score.value)
    good = (1 if is_high_good(objective) else -1) if objective.direction != "part" else sign
    if side == -sign or (side == sign and sign == good):
        return None
    if side:
        return tails.ends[1] if side > 0 else tails.ends[0]
    return float(tails.tamed(torch.tensor([score.value], dtype=torch.float64)))


def is_high_good(objective: Objective) -> bool:
    """Whether higher is better."""
    return objective.direction in {"maximize", "at_least"}


def evidence_of(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    tails: Sequence[Tails],
    columns: Sequence[int | None],
) -> Evidence | None:
    """Censoring and replicates of `n` trials; `None` if there are none.

    `columns` has the position of the objective of each modeled column, `m`; `None` for a scalarization.
    """
    shape = (len(trials), len(columns))
    lower, upper, counts = np.full(shape, np.nan), np.full(shape, np.nan), np.ones(shape)
    noise = np.full(len(columns), np.nan)
    for k, j in enumerate(columns):
        if j is None:
            continue
        squares = freedom = 0.0
        for i, trial in enumerate(trials):
            score = trial.scores[j]
            if score is None:
                continue
            counts[i, k] = score.n if score.is_ok else 1
            if score.is_ok and score.sd is not None and score.n > 1:
                squares += (score.n - 1) * score.sd**2
                freedom += score.n - 1
            bound = usable_bound(score, objectives[j], tails[j]) if score.status in CENSORED else None
            if bound is not None:
                (lower if score.status == "above" else upper)[i, k] = bound
        if objectives[j].direction == "minimize":  # goals are all to be maximized
            lower[:, k], upper[:, k] = -upper[:, k].copy(), -lower[:, k].copy()
        noise[k] = squares / freedom if freedom >= _FEWEST_REPLICATES else np.nan
    if not (np.isfinite(lower).any() or np.isfinite(upper).any() or (counts > 1).any()):
        return None
    return Evidence(*(torch.from_numpy(part) for part in (lower, upper, counts, noise)))


def doubts(table: Sequence[Row], objectives: Sequence[Objective]) -> list[str]:
    """A message for each objective whose best results are far from all others."""
    said: list[str] = []
    together = wholes(objectives)
    for j, objective in enumerate(objectives):
        if j in together:
            continue
        values = [value for row in table if (value := values_of(row)[j]) is not None]
        tails = Tails.fit(torch.tensor(values, dtype=torch.float64), high_is_good=is_high_good(objective))
        side = 1 if is_high_good(objective) else -1
        for way in (side, -side) if objective.direction == "part" else (side,) if objective.is_goal else ():
            said += _far_values(table, j, objective, tails, way)
        said += _far_bounds(table, j, objective, tails, side)
    return said


def _far_values(
    table: Sequence[Row], column: int, objective: Objective, tails: Tails, side: int
) -> Iterator[str]:
    scores = [(score, row) for row in table if (score := row.scores[column]) is not None and score.is_ok]
    far = [(side * score.value, row) for score, row in scores if tails.beyond(score.value) == side]
    if far:
        value, row = max(far, key=lambda pair: pair[0])
        name = row.identifier or row.name or row.smiles
        more = f" and {len(far) - 1} more" if len(far) > 1 else ""
        yield (
            f"check {objective.name} of {name}{more}: {side * value:g} is far from all others "
            f"({tails.ends[0]:g} to {tails.ends[1]:g}). The search treats it as just beyond them."
        )


def _far_bounds(
    table: Sequence[Row], column: int, objective: Objective, tails: Tails, side: int
) -> Iterator[str]:
    claim = "above" if side > 0 else "below"
    found = [score for row in table if (score := row.scores[column]) is not None and score.status in CENSORED]
    far = [score for score in found if score.status == claim and tails.beyond(score.value) == side]
    if far:
        yield (
            f"check {len(far)} results such as {shown(far[0])} of {objective.name}: all values are between "
            f"{tails.ends[0]:g} and {tails.ends[1]:g}, so it may have another unit. Such bounds are not "
            "used; their molecules are not proposed again."
        )
