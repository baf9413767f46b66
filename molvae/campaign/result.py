"""What a search returns, and results that are far from all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.observations import CENSORED, shown
from molvae.campaign.sources.report import move_reports
from molvae.campaign.table import columns_of_rows, values_of
from molvae.campaign.utility import front
from molvae.chemistry.depiction import table_html
from molvae.chemistry.molecule import parse
from molvae.data.columnar import arrow_stream, to_pandas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.sources.report import MoveReport
    from molvae.campaign.table import Row
    from molvae.campaign.trace import TracePoint
    from molvae.optimization.transforms import Tails
    from molvae.oracles.config import Objective


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
        names = [objective.name for objective in self.settings.objectives]
        header = ["molecule", *dict.fromkeys(names), "utility", "source", "SMILES"]
        rows = []
        for row in self.best:
            scores = dict(zip(names, values_of(row), strict=True)).values()
            rows.append([parse(row.smiles), *scores, row.utility, row.source, row.smiles])
        said = (
            f"{self.n_calls:,} calls, {self.n_failed:,} failed; the {len(rows)} best of {len(self.table):,}"
        )
        return table_html(header, rows, said)

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


def doubts(table: Sequence[Row], objectives: Sequence[Objective]) -> list[str]:
    """A message for each objective whose best results are far from all others."""
    import torch

    from molvae.campaign.methods.evidence import is_high_good
    from molvae.campaign.objectives import wholes
    from molvae.campaign.table import values_of
    from molvae.optimization.transforms import Tails

    said: list[str] = []
    together = wholes(objectives)
    for j, objective in enumerate(objectives):
        if j in together:
            continue
        values = [value for row in table if (value := values_of(row)[j]) is not None]
        tails = Tails.fit(torch.tensor(values, dtype=torch.float64), high_is_good=is_high_good(objective))
        side = 1 if is_high_good(objective) else -1
        for way in (side, -side) if objective.direction == "part" else (side,) if objective.is_goal else ():
            said += _values(table, j, objective, tails, way)
        said += _bounds(table, j, objective, tails, side)
    return said


def _values(
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
            f"({tails.ends[0]:g} to {tails.ends[1]:g}). The search counts it as just beyond them."
        )


def _bounds(
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
