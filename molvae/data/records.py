"""Rows, columns and cells of tables, and numbers read from cells."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input table, not yet parsed.

    Attributes:
        line: Line of the file on which the row starts (the row number in a Parquet file), counted from 1.
        text: SMILES, or a molblock if `is_molblock`, as in the file.
        identifier: The name of the molecule, or an empty text.
        fields: Every cell by column name; an absent cell is an empty text.
        is_molblock: Whether `text` is a molblock.
    """

    line: int
    text: str
    identifier: str
    fields: Mapping[str, str]
    is_molblock: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that cannot be read.

    Attributes:
        line: Line of the file on which the row starts, counted from 1.
        text: What stands there, perhaps shortened.
        reason: A short sentence.
    """

    line: int
    text: str
    reason: str


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
        ValueError: The text is not a number.

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
