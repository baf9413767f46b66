"""Tables of metrics: name, value, sample size, direction."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

Direction = Literal["higher", "lower", "neither"]
"""Which direction of a metric is better; `neither` if none is."""

_ARROWS: dict[Direction, str] = {"higher": "↑", "lower": "↓", "neither": ""}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        name: Name of the metric, as in the literature.
        value: The value; NaN if it cannot be computed.
        n: Number of molecules, pairs or values it is based on.
        direction: Which way is better.
    """

    name: str
    value: float
    n: int
    direction: Direction = "neither"


@dataclass(frozen=True)
class MetricTable:
    """Figures in the order they are read.

    Attributes:
        rows: The metrics; names are unique.
        notes: Remarks needed to interpret them.

    >>> table = MetricTable((Metric("valid", 0.5, 4, "higher"), Metric("FCD", math.nan, 1, "lower")))
    >>> table["valid"], table.to_json()["metrics"][1]["value"]
    (0.5, None)
    >>> print(table.to_text())
    metric   value  n
    valid ↑    0.5  4
    FCD ↓        -  1
    """

    rows: tuple[Metric, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError(f"a name is repeated among {', '.join(names)}")

    def __getitem__(self, name: str) -> float:
        return next(row.value for row in self.rows if row.name == name)

    def __contains__(self, name: object) -> bool:
        return any(row.name == name for row in self.rows)

    def __iter__(self) -> Iterator[Metric]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: MetricTable) -> MetricTable:
        notes = self.notes + tuple(note for note in other.notes if note not in self.notes)
        return MetricTable(self.rows + other.rows, notes)

    def values(self) -> dict[str, float]:
        """Value by name."""
        return {row.name: row.value for row in self.rows}

    def to_json(self) -> dict[str, Any]:
        """The table as JSON knows it; a figure that could not be measured is null."""
        return {
            "metrics": [
                {
                    "name": row.name,
                    "value": row.value if math.isfinite(row.value) else None,
                    "n": row.n,
                    "direction": row.direction,
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The table that was written as JSON.

        Raises:
            ValueError: It is not such a table.
        """
        try:
            content = json.loads(text)
            rows = tuple(
                Metric(
                    str(row["name"]),
                    math.nan if row["value"] is None else float(row["value"]),
                    int(row["n"]),
                    row["direction"],
                )
                for row in content["metrics"]
            )
            return cls(rows, tuple(map(str, content["notes"])))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a table of metrics: {error}") from error

    def _repr_html_(self) -> str:
        from molvae.chemistry.depiction import table_html

        rows = [(f"{row.name} {_ARROWS[row.direction]}", row.value, f"{row.n:,}") for row in self]
        return table_html(("metric", "value", "n"), rows) + "".join(f"<p>{escape(n)}</p>" for n in self.notes)

    def to_text(self) -> str:
        """Aligned columns; an arrow says which way is better."""
        lines = [("metric", "value", "n")]
        lines += [
            (f"{row.name} {_ARROWS[row.direction]}".rstrip(), _shown(row), f"{row.n:,}") for row in self
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        table = [
            f"{name:<{widths[0]}}  {value:>{widths[1]}}  {n:>{widths[2]}}".rstrip()
            for name, value, n in lines
        ]
        return "\n".join([*table, *self.notes])


def _shown(row: Metric) -> str:
    return f"{row.value:.4g}" if math.isfinite(row.value) else "-"
