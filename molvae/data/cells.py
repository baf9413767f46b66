"""What a column of a table holds, and when a cell of it is empty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its header.
        kind: "smiles" (of a molecule we wrote ourselves), "number", "integer", "vector" (float32, in Parquet
            only) or "text" (anything that may come from outside: identifiers, rejected input, reasons).
        size: Numbers in a vector.
    """

    name: str
    kind: Literal["smiles", "number", "integer", "vector", "text"] = "text"
    size: int = 0


def absent(value: Any) -> bool:
    """Whether there is no value: `None`, NaN or the empty text."""
    if value is None or isinstance(value, str):
        return not value
    return not isinstance(value, int) and math.isnan(value)


def plain(value: Any) -> Any:
    """A number as Python has it, not NumPy."""
    return value.item() if hasattr(value, "item") else value
