"""What a search returns: its result, and the report of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.table import charged_rows, columns_of_rows, rows_html, values_of
from molvae.campaign.utility import front, hits
from molvae.data.columnar import arrow_stream, to_pandas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.table import Row
    from molvae.campaign.utility import TracePoint


@dataclass(frozen=True)
class Result:
    """Result of a closed loop.

    Attributes:
        path: The journal.
        settings: Of the campaign.
        n_calls: Evaluations charged, in all runs of this campaign.
        n_failed: Those without a number.
        spent: Whether the budget was spent.
        seconds_searching: Time in `ask`, in all runs of this campaign.
        seconds_scoring: Time in oracles, in this run.
        table: Every molecule of the campaign.
        best: The ten best.
        trace: Progress call by call.
        moves: Report of each source.
    """

    path: Path
    settings: CampaignSettings
    n_calls: int
    n_failed: int
    spent: bool
    seconds_searching: float
    seconds_scoring: float
    table: list[Row]
    best: list[Row]
    trace: list[TracePoint]
    moves: list[MoveReport]

    @property
    def overhead_per_call(self) -> float:
        """Seconds of search per evaluation."""
        return self.seconds_searching / max(1, self.n_calls)

    def __repr__(self) -> str:
        best = f"best {self.best[0].smiles} ({self.best[0].utility:.4g})" if self.best else "nothing feasible"
        return f"Result({self.n_calls} calls, {self.n_failed} failed, {best}, {self.path})"

    def _repr_html_(self) -> str:
        said = f"{self.n_calls:,} calls, {self.n_failed:,} failed; "
        said += f"the {len(self.best)} best of {len(self.table):,}"
        return rows_html(self.best, self.settings.objectives, said)

    @property
    def pareto(self) -> list[Row]:
        """Feasible molecules that no other dominates; with one goal, the best."""
        shape = len(self.table), len(self.settings.objectives)
        values = np.array([values_of(row) for row in self.table], dtype=np.float64).reshape(shape)
        chosen = front(values, self.settings.objectives)
        return [row for row, on_it in zip(self.table, chosen, strict=True) if on_it]

    def to_pandas(self) -> Any:
        """Every molecule of the campaign as a `pandas.DataFrame`.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return to_pandas(columns_of_rows(self.table, self.settings.objectives))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Every molecule of the campaign as a table: `pandas.DataFrame.from_arrow(result)` and the like."""
        return arrow_stream(columns_of_rows(self.table, self.settings.objectives), requested_schema)


def result_of(campaign: Campaign, scoring: float) -> Result:
    """The result of a campaign, and of `scoring` seconds in oracles."""
    table = campaign.table()
    charged = [row for row in table if row.call is not None]
    failed = sum(not any(s is not None and s.is_measured for s in row.scores) for row in charged)
    return Result(
        path=campaign.path,
        settings=campaign.settings,
        n_calls=campaign.n_calls,
        n_failed=failed,
        spent=campaign.n_calls >= campaign.settings.budget,
        seconds_searching=campaign.history.seconds,
        seconds_scoring=scoring,
        table=table,
        best=campaign.best(10),
        trace=campaign.trace(),
        moves=move_reports(table, campaign.history.state),
    )


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
    called = charged_rows(table)
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
