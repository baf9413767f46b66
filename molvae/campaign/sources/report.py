"""Report of the sources of molecules: attempts, candidates, hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.trace import hits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.table import Row


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
