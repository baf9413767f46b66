"""A batch as a table: candidates, their forecasts and their nearest measured molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molvae.campaign.observations import Candidate
from molvae.campaign.table import replicate_columns
from molvae.chemistry.depiction import table_html
from molvae.chemistry.molecule import parse
from molvae.data.columnar import arrow_stream
from molvae.oracles.base import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.history import History, Trial
    from molvae.campaign.observations import Forecast

WITHIN, DESCENDS, NEAREST, LIKENESS = "probability within bounds", "descends from", "nearest", "similarity"


class Candidates(list[Candidate]):
    """Result of `ask`: a list of candidates that is a table to pandas, polars and Arrow.

    Args:
        candidates: The candidates.
        history: Of their campaign.

    Attributes:
        columns: Values by name; scores that are to be measured are empty.
    """

    def __init__(self, candidates: Sequence[Candidate], history: History) -> None:
        super().__init__(candidates)
        self.columns = batch_columns(candidates, history)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The batch as a table: `pandas.DataFrame.from_arrow(campaign.ask(8))` and the like."""
        return arrow_stream(self.columns, requested_schema)

    def _repr_html_(self) -> str:
        header = [name for name in self.columns if name not in {"parent", "smiles"}]
        rows = zip(*(self.columns[name] for name in header), strict=True)
        drawn = [[parse(c.smiles), *row, c.smiles] for c, row in zip(self, rows, strict=True)]
        return table_html(["molecule", *header, "SMILES"], drawn, f"{len(self)} candidates")


def batch_columns(candidates: Sequence[Candidate], history: History) -> dict[str, list[Any]]:
    """A batch by columns: empty scores to fill in, and forecasts."""
    columns: dict[str, list[Any]] = {
        "identifier": [c.identifier for c in candidates],
        "smiles": [c.smiles for c in candidates],
        "source": [c.source for c in candidates],
        "parent": [c.parent for c in candidates],
    }
    trials = [history.trials[c.smiles] for c in candidates]
    for j, objective in enumerate(history.settings.objectives):
        if j in history.known.wholes:
            continue  # it comes with its parts
        columns.setdefault(objective.name, [value_of(trial.scores[j]) for trial in trials])
    columns |= forecast_columns([c.forecast for c in candidates], history)
    return columns | descent_columns([c.ancestor for c in candidates], history)


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
    for j in modeled:
        columns[f"{NEAREST} {objectives[j].name}"] = [_score(history.trials, s, j) for s in near]
    measured = [history.trials[s].scores if s in history.trials else [] for s in near]
    columns |= replicate_columns(measured, [o.name for o in objectives], f"{NEAREST} ")
    return _not_empty(columns)


def _not_empty(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}


def _score(trials: Mapping[str, Trial], smiles: str | None, objective: int) -> float | None:
    return None if smiles is None or smiles not in trials else value_of(trials[smiles].scores[objective])
