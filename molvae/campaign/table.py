"""Tables of a campaign: its molecules, and a batch of candidates with their forecasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.observations import Candidate
from molvae.campaign.utility import TOP, feasible, running_top
from molvae.chemistry.depiction import table_html
from molvae.chemistry.molecule import parse
from molvae.data.columnar import arrow_stream
from molvae.oracles.base import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.history import History
    from molvae.campaign.observations import Forecast
    from molvae.oracles.base import Score
    from molvae.oracles.config import Objective


@dataclass(frozen=True)
class Row:
    """One molecule of the table.

    Attributes:
        smiles: Canonical SMILES.
        scores: One per objective; `None` where awaited.
        utility: Utility (`molvae.campaign.utility.utilities`); NaN if failed, awaited or not feasible.
        feasible: Whether it has all scores and satisfies every constraint.
        source: Move that proposed it; `known` for scores of the user.
        parent: Canonical SMILES it was made from.
        surrogate: Name of the surrogate that chose it, if any.
        call: Number of its evaluation, from 0; `None` if not charged.
        identifier: Of the candidate; `None` for molecules of the user.
        name: Name given by the user.
        ancestor: Canonical SMILES of the measured molecule it descends from.
        forecast: Forecast when a surrogate chose it.
    """

    smiles: str
    scores: tuple[Score | None, ...]
    utility: float
    feasible: bool
    source: str
    parent: str | None
    call: int | None
    identifier: str | None
    surrogate: str | None = None
    name: str = ""
    ancestor: str | None = None
    forecast: Forecast | None = None


def all_rows(history: History) -> list[Row]:
    """Every molecule of a campaign, in order of appearance; start molecules only once scored."""
    trials, objectives = list(history.trials.values()), history.settings.objectives
    values = np.array([trial.values for trial in trials]).reshape(len(trials), len(objectives))
    rows = []
    for trial, worth, allowed in zip(trials, history.utilities().tolist(), feasible(values, objectives)):
        made = trial.candidate or Candidate("", trial.smiles, "known")
        rows.append(
            Row(
                smiles=trial.smiles,
                scores=tuple(trial.scores),
                utility=worth,
                feasible=bool(allowed),
                source=made.source,
                parent=made.parent,
                call=trial.call,
                identifier=made.identifier or None,
                surrogate=made.surrogate,
                name=trial.name,
                ancestor=made.ancestor,
                forecast=made.forecast,
            )
        )
    return rows


def charged_rows(table: Sequence[Row]) -> list[Row]:
    """The rows that were charged, in the order of their calls."""
    return sorted((row for row in table if row.call is not None), key=lambda row: row.call or 0)


def best_rows(table: Sequence[Row], k: int) -> list[Row]:
    """The `k` best feasible rows, highest utility first; ties in order."""
    rows = [row for row in table if row.feasible and not math.isnan(row.utility)]
    return sorted(rows, key=lambda row: -row.utility)[:k]


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


def trace_of(table: Sequence[Row]) -> list[TracePoint]:
    """The progress of the charged rows, call by call."""
    charged = charged_rows(table)
    best, top = running_top([row.utility for row in charged], TOP)
    return [
        TracePoint(call, row.smiles, row.utility, best[call], top[call]) for call, row in enumerate(charged)
    ]


def values_of(row: Row) -> list[float | None]:
    """Its scores as numbers or `None`."""
    return [value_of(score) for score in row.scores]


def rows_html(rows: Sequence[Row], objectives: Sequence[Objective], caption: str) -> str:
    """Rows as HTML for a notebook, with drawings."""
    names = [objective.name for objective in objectives]
    header = ["molecule", *dict.fromkeys(names), "utility", "source", "SMILES"]
    shown = []
    for row in rows:
        scores = dict(zip(names, values_of(row), strict=True)).values()
        shown.append([parse(row.smiles), *scores, row.utility, row.source, row.smiles])
    return table_html(header, shown, caption)


def replicate_columns(
    scores: Sequence[Sequence[Score | None]], names: Sequence[str], before: str = ""
) -> dict[str, list[float | None]]:
    """Number and standard deviation of replicates, if any: columns `NAME n` and `NAME sd`.

    Rows of scores may be empty, and names repeated; `before` is a prefix of the names of the columns.
    """
    columns: dict[str, list[float | None]] = {}
    for j, name in enumerate(names):
        column = [row[j] if row else None for row in scores]
        numbers = [score if score is not None and score.is_ok else None for score in column]
        if names.index(name) == j and any(s is not None and (s.n > 1 or s.sd is not None) for s in numbers):
            columns[f"{before}{name} n"] = [None if s is None else float(s.n) for s in numbers]
            columns[f"{before}{name} sd"] = [None if s is None else s.sd for s in numbers]
    return columns


def columns_of_rows(table: Sequence[Row], objectives: Sequence[Objective]) -> dict[str, list[Any]]:
    """A table by columns: each objective once, `None` for missing values."""
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in table]
        for name in ("identifier", "name", "smiles", "call", "source", "parent", "surrogate")
    }
    values = [values_of(row) for row in table]
    for index, objective in enumerate(objectives):
        columns.setdefault(objective.name, [row[index] for row in values])
    columns |= replicate_columns([row.scores for row in table], [o.name for o in objectives])
    columns["utility"] = [None if math.isnan(row.utility) else row.utility for row in table]
    columns["feasible"] = [row.feasible for row in table]
    details = [[s.detail for s in row.scores if s is not None and not s.is_ok] for row in table]
    columns["trouble"] = ["; ".join(filter(None, texts)) or None for texts in details]
    return columns


WITHIN, DESCENDS, NEAREST, LIKENESS = "probability within bounds", "descends from", "nearest", "similarity"


class Candidates(list[Candidate]):
    """Result of `ask`: a list of candidates that is a table to pandas, polars and Arrow.

    Attributes:
        columns: Values by name, also of forecasts; scores to be measured are empty.
    """

    def __init__(self, candidates: Sequence[Candidate], history: History) -> None:
        super().__init__(candidates)
        columns: dict[str, list[Any]] = {
            name: [getattr(c, name) for c in candidates]
            for name in ("identifier", "smiles", "source", "parent")
        }
        trials = [history.trials[c.smiles] for c in candidates]
        for j, objective in enumerate(history.settings.objectives):
            if j not in history.known.wholes:  # composite scores follow from their parts
                columns.setdefault(objective.name, [value_of(trial.scores[j]) for trial in trials])
        columns |= forecast_columns([c.forecast for c in candidates], history)
        self.columns = columns | descent_columns([c.ancestor for c in candidates], history)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The batch as a table: `pandas.DataFrame.from_arrow(campaign.ask(8))` and the like."""
        return arrow_stream(self.columns, requested_schema)

    def _repr_html_(self) -> str:
        header = [name for name in self.columns if name not in {"parent", "smiles"}]
        rows = zip(*(self.columns[name] for name in header), strict=True)
        drawn = [[parse(c.smiles), *row, c.smiles] for c, row in zip(self, rows, strict=True)]
        return table_html(["molecule", *header, "SMILES"], drawn, f"{len(self)} candidates")


def descent_columns(ancestors: Sequence[str | None], history: History) -> dict[str, list[Any]]:
    """The measured molecules that candidates descend from, with their names."""
    names = history.names
    named = [names.get(smiles or "") for smiles in ancestors]
    return _not_empty({DESCENDS: list(ancestors), f"{DESCENDS} (name)": named})


def forecast_columns(forecasts: Sequence[Forecast | None], history: History) -> dict[str, list[Any]]:
    """Forecasts by columns; empty ones are left out.

    Prediction and standard deviation of each measured or composite score, probability of satisfying the
    bounds, and the nearest measured molecule with its name, similarity and scores.
    """
    objectives, names = history.settings.objectives, history.names
    near = [None if f is None else f.nearest for f in forecasts]
    columns: dict[str, list[Any]] = {}
    modeled = (*history.known.wholes, *history.known.measured)
    for j in modeled:
        name = objectives[j].name
        columns[f"predicted {name}"] = [None if f is None else f.mean[j] for f in forecasts]
        columns[f"sd {name}"] = [None if f is None else f.deviation[j] for f in forecasts]
    if any(objective.is_constraint for objective in objectives):
        columns[WITHIN] = [None if f is None else f.probability for f in forecasts]
    columns[NEAREST] = near
    columns[f"{NEAREST} name"] = [names.get(smiles or "") for smiles in near]
    columns[LIKENESS] = [None if f is None else f.similarity for f in forecasts]
    measured = [history.trials[s].scores if s in history.trials else [] for s in near]
    for j in modeled:
        columns[f"{NEAREST} {objectives[j].name}"] = [value_of(s[j]) if s else None for s in measured]
    columns |= replicate_columns(measured, [o.name for o in objectives], f"{NEAREST} ")
    return _not_empty(columns)


def _not_empty(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}
