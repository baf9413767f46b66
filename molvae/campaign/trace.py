"""Progress of a campaign: hits, top 10 call by call, the area under its curve, hits of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.table import Row


TOP = 10
"""A molecule that comes among this many best is a hit."""


@dataclass(frozen=True)
class TracePoint:
    """State of a campaign after one call.

    Attributes:
        call: Number of the call, counted from 0.
        smiles: Molecule that was scored.
        utility: Its utility; NaN if it failed or violates a constraint.
        best: Highest utility so far; NaN before the first one.
        top10: Mean of the ten highest so far; NaN before the first one.
    """

    call: int
    smiles: str
    utility: float
    best: float
    top10: float


def tenth_best(worth: NDArray[np.float64]) -> float | None:
    """The tenth best utility, which a hit exceeds; `None` if there are fewer than ten."""
    reached = np.sort(worth[np.isfinite(worth)])[::-1]
    return float(reached[TOP - 1]) if len(reached) >= TOP else None


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
    """Best and mean of the `k` best after each value; NaN values count as calls only.

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


def trace_of(smiles: Sequence[str], worth: Sequence[float]) -> list[TracePoint]:
    """The progress of charged molecules, given with their utilities in the order of their calls."""
    best, top = running_top(worth, TOP)
    return [TracePoint(call, *point) for call, point in enumerate(zip(smiles, worth, best, top))]


def top_auc(values: Sequence[float], *, k: int = 10, budget: int = 10_000, frequency: int = 100) -> float:
    """Area under the curve of the mean of the `k` best so far against calls, divided by the budget.

    Trapezoids every `frequency` calls starting from 0, a last one to the end, and the final mean held up to
    the budget if the run stopped early. (Gao et al., NeurIPS 2022 datasets and benchmarks, PMO.)

    Args:
        values: Scores in call order; NaN (a failed call) counts as a call and never among the best.
        k: How many of the best.
        budget: Calls the area is divided by.
        frequency: Calls between points of the curve.

    >>> top_auc([1.0] * 150)
    0.995
    """
    used = list(values)[:budget]
    _, means = running_top(used, k)
    area, previous, last = 0.0, 0.0, 0
    for i in range(frequency, min(len(used), budget), frequency):
        now = _or_zero(means[i - 1])
        area += frequency * (now + previous) / 2
        previous, last = now, i
    final = _or_zero(means[-1]) if means else 0.0
    area += (len(used) - last) * (final + previous) / 2
    if len(used) < budget:
        area += (budget - len(used)) * final
    return area / budget


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


@dataclass(frozen=True)
class MoveReport:
    """Report of one move, or another source (start, library, prior).

    Attributes:
        move: Its name.
        scored: Calls for its candidates.
        hits: Candidates that were among the ten best when scored.
        best: Highest utility; NaN without one.
        attempts: Attempts in inner searches.
        new: New, acceptable molecules among these.
        share: Share of the attempts of the last batch.
    """

    move: str
    scored: int
    hits: int
    best: float
    attempts: int
    new: int
    share: float

    @property
    def hit_rate(self) -> float:
        """Hits per call; NaN before the first call."""
        return self.hits / self.scored if self.scored else float("nan")


def move_reports(table: Sequence[Row], state: Mapping[str, Any]) -> list[MoveReport]:
    """Reports of all moves that were attempted or scored, most hits first.

    Args:
        table: Of the campaign.
        state: Of its method at the last batch.
    """
    called = sorted((row for row in table if row.call is not None), key=lambda row: row.call or 0)
    reached = hits([row.utility for row in called])
    moves: Mapping[str, Mapping[str, Any]] = state.get("sources", {}).get("moves", {})
    names = dict.fromkeys([*(row.source for row in called), *moves])
    reports = []
    for name in names:
        mine = [(row.utility, hit) for row, hit in zip(called, reached) if row.source == name]
        worth = [utility for utility, _ in mine if np.isfinite(utility)]
        kept = moves.get(name, {})
        reports.append(
            MoveReport(
                move=name,
                scored=len(mine),
                hits=sum(hit for _, hit in mine),
                best=max(worth, default=float("nan")),
                attempts=int(kept.get("attempts", 0)),
                new=int(kept.get("new", 0)),
                share=float(kept.get("share", 0.0)),
            )
        )
    wanted = [report for report in reports if report.scored or report.attempts]
    return sorted(wanted, key=lambda report: (-report.hits, -report.scored, report.move))
