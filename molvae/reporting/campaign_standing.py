"""The rows of a campaign and its objectives: scores, labels, columns of the table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.table import charged_rows, replicate_columns, values_of
from molvae.oracles.base import trouble_of
from molvae.oracles.references import labels_of
from molvae.reporting.drawings import TableColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.table import Row

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """A campaign's rows and objectives.

    Attributes:
        settings: Of the campaign.
        rows: Its table.
    """

    settings: CampaignSettings
    rows: Sequence[Row]

    @cached_property
    def called(self) -> list[Row]:
        """Charged rows in the order of their calls."""
        return charged_rows(self.rows)

    @cached_property
    def goal_indices(self) -> list[int]:
        """Which objectives are goals."""
        return [i for i, objective in enumerate(self.settings.objectives) if objective.is_goal]

    @property
    def single(self) -> bool:
        """Whether there is a single goal; progress is then shown in its units."""
        return len(self.goal_indices) == 1

    @property
    def sign(self) -> float:
        """-1 if the single goal is minimized, else 1: utility times sign is its score."""
        return self.settings.objectives[self.goal_indices[0]].sign if self.single else 1.0

    @property
    def labels(self) -> list[str]:
        """Names of the objectives, short enough for an axis."""
        short = labels_of(objective.name for objective in self.settings.objectives)
        return [short[objective.name] for objective in self.settings.objectives]

    @property
    def titles(self) -> list[str]:
        """The objectives in words."""
        return [str(objective) for objective in self.settings.objectives]

    @property
    def short_titles(self) -> list[str]:
        """The objectives in words, short enough for an axis."""
        pairs = zip(self.settings.objectives, self.labels, strict=True)
        return [objective.called(label) for objective, label in pairs]

    @property
    def measure(self) -> str:
        """Name of the progress measure."""
        return self.labels[self.goal_indices[0]] if self.single else "utility"

    def matrix(self, rows: Sequence[Row]) -> Array:
        """The scores of rows, `n x k`, NaN where missing."""
        values = [[np.nan if v is None else v for v in values_of(row)] for row in rows]
        return np.array(values, dtype=np.float64).reshape(len(rows), len(self.settings.objectives))

    def columns(self, rows: Sequence[Row], similar: Mapping[str, float]) -> list[TableColumn]:
        """The molecule table of some rows, with their similarity to their parents by SMILES."""
        objectives = self.settings.objectives
        matrix = self.matrix(rows)
        scores = {objective.name: matrix[:, i] for i, objective in enumerate(objectives)}
        replicates = replicate_columns([row.scores for row in rows], [o.name for o in objectives])
        utility = [row.utility for row in rows]
        calls = [None if row.call is None else row.call + 1 for row in rows]
        alike = [similar.get(row.smiles) for row in rows]
        trouble = [trouble_of(row.scores) for row in rows]
        bounded, named = any(o.is_constraint for o in objectives), any(row.name for row in self.rows)
        return [
            TableColumn("smiles", [row.smiles for row in rows], "smiles"),
            *(TableColumn(name, values.tolist(), "number") for name, values in scores.items()),
            *(TableColumn(name, values, "number") for name, values in replicates.items()),
            *(
                []
                if self.single
                else [TableColumn("utility", utility, "number", hint="geometric mean of scaled goals")]
            ),
            TableColumn("call", calls, "integer", hint="number of the evaluation"),
            TableColumn("source", [row.source for row in rows], hint="move or source that proposed it"),
            TableColumn("similarity to parent", alike, "number", hint="Tanimoto, Morgan counts"),
            TableColumn("feasible", [row.feasible for row in rows], "integer", bounded),
            TableColumn("trouble", trouble, shown=any(trouble_of(row.scores) for row in self.rows)),
            TableColumn("parent", [row.parent or "" for row in rows], "smiles", shown=False),
            TableColumn("surrogate", [row.surrogate or "" for row in rows], shown=False),
            TableColumn("identifier", [row.identifier or "" for row in rows], shown=False),
            TableColumn("name", [row.name for row in rows], shown=named, hint="your name for it"),
        ]
