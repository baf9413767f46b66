"""Read numbers from cells, and say which cells hold none."""

from __future__ import annotations

import math
import re

import numpy as np

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "?", ".", "nd", "n.d.", "n,d,"})
"""Cells that say that a value is missing, in lower case."""

_DECIMAL_COMMA = re.compile(r"(?:[<>~=≤≥]+ *)?[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
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
        value = plain_number(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST else None


def plain_number(text: str) -> float:
    """The number a text is in ordinary notation.

    Python reads more, such as `1_000` and digits of other scripts; in a table these are mistakes.

    Raises:
        ValueError: It is none.

    >>> plain_number("-1e3")
    -1000.0
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"not a number: {text}")
    return float(text)


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number (or a bound on one) with a decimal comma, as most of Europe writes it.

    >>> [has_decimal_comma(cell) for cell in ("5,1", "> 5,1", "1,2-diol", "5.1")]
    [True, True, False, False]
    """
    return _DECIMAL_COMMA.fullmatch(cell.strip()) is not None


def with_point(cell: str) -> str:
    """The cell with a decimal point where it has a decimal comma, else as it is.

    >>> with_point("5,1"), with_point("1.234,5")
    ('5.1', '1.234,5')
    """
    return cell.replace(",", ".") if has_decimal_comma(cell) else cell
