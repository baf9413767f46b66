"""Read numbers from cells, and say which cells hold none."""

from __future__ import annotations

import math

import numpy as np

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "?", ".", "nd", "n.d."})
"""Cells that say that a value is missing, in lower case."""

_LARGEST = float(np.finfo(np.float32).max)


def read_number(cell: str) -> float | None:
    """Return the number of a cell: NaN if it says that the value is missing, None if it is not a number.

    >>> read_number("1.5"), read_number("n/a"), read_number(">10"), read_number("inf")
    (1.5, nan, None, None)
    """
    text = cell.strip()
    if text.lower() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST and "_" not in text else None
