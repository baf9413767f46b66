"""The table of a campaign: one row per molecule, with scores, utility and origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.utility import feasible
from molvae.oracles.base import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.history import History, Trial
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


def row_of(trial: Trial, utility: float, allowed: bool) -> Row:  # noqa: FBT001 - built from a zip of columns
    """The row of a molecule, given its utility and feasibility."""
    candidate = trial.candidate
    return Row(
        smiles=trial.smiles,
        scores=tuple(trial.scores),
        utility=utility,
        feasible=allowed,
        source="known" if candidate is None else candidate.source,
        parent=None if candidate is None else candidate.parent,
        call=trial.call,
        identifier=None if candidate is None else candidate.identifier,
        surrogate=None if candidate is None else candidate.surrogate,
        name=trial.name,
        ancestor=None if candidate is None else candidate.ancestor,
        forecast=None if candidate is None else candidate.forecast,
    )


def all_rows(history: History) -> list[Row]:
    """Every molecule of a campaign, in order of appearance; molecules of the start only once scored."""
    trials, objectives = list(history.trials.values()), history.settings.objectives
    values = np.array([trial.values for trial in trials]).reshape(len(trials), len(objectives))
    columns = zip(trials, history.utilities(), feasible(values, objectives))
    return [row_of(trial, float(worth), bool(allowed)) for trial, worth, allowed in columns]


def best_rows(history: History, k: int) -> list[Row]:
    """The `k` best feasible molecules, highest utility first; of equal ones the one scored first."""
    rows = [row for row in all_rows(history) if row.feasible and not math.isnan(row.utility)]
    return sorted(rows, key=lambda row: -row.utility)[:k]


def values_of(row: Row) -> list[float | None]:
    """Its scores as numbers or `None`."""
    return [value_of(score) for score in row.scores]


def replicate_columns(
    scores: Sequence[Sequence[Score | None]], names: Sequence[str], before: str = ""
) -> dict[str, list[float | None]]:
    """Number and standard deviation of replicates, by columns.

    Args:
        scores: Of molecules, one per name; rows may be empty.
        names: Of the objectives; duplicates are ignored.
        before: Prefix of the names of the columns.

    Returns:
        `NAME n` and `NAME sd` of each objective that has replicates.
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
