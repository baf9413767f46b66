"""Tables of metrics: name, value, sample size, direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Direction = Literal["higher", "lower", "neither"]
"""Which values of a metric are better."""

_ARROWS: dict[Direction, str] = {"higher": "↑", "lower": "↓", "neither": ""}


@dataclass(frozen=True, slots=True)
class Metric:
    """One result.

    Attributes:
        name: As in the literature.
        value: NaN if it cannot be computed.
        n: Number of molecules, pairs or values it is based on.
        direction: Which direction is better.
    """

    name: str
    value: float
    n: int
    direction: Direction = "neither"


@dataclass(frozen=True)
class MetricTable:
    """Metrics in the order in which they are shown.

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
        """The table for JSON; null for a value that is not finite."""
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

    def _repr_html_(self) -> str:
        from molvae.chemistry.depiction import table_html

        rows = [(f"{row.name} {_ARROWS[row.direction]}", row.value, f"{row.n:,}") for row in self]
        return table_html(("metric", "value", "n"), rows) + "".join(f"<p>{escape(n)}</p>" for n in self.notes)

    def to_text(self) -> str:
        """Aligned columns; an arrow shows which direction is better."""
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
