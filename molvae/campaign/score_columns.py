"""Matches columns of a table to objectives: by name, in any case, with or without a unit."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from molvae.campaign.cells import plain, without_unit
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ALIKE = 0.85  # similarity of a misspelled name


def find_columns(columns: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """The column of each objective: by name, ignoring case; otherwise by name followed by a unit.

    >>> find_columns(["SMILES", "PIC50 (nM)"], ["pIC50"])
    {'pIC50': 'PIC50 (nM)'}
    """
    by_plain = {plain(column): column for column in reversed(columns)}
    bare: dict[str, list[str]] = {}
    for column in columns:
        bare.setdefault(plain(without_unit(column)), []).append(column)
    found = {}
    for name in dict.fromkeys(names):
        others = bare.get(plain(name), [])
        column = by_plain.get(plain(name)) or (others[0] if len(others) == 1 else "")
        if name in columns or column:
            found[name] = name if name in columns else column
    return found


def near_columns(columns: Sequence[str], names: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """Likely columns of names without a column, among those not found for other names.

    They have a condition after the name, an ambiguous unit, or a similar spelling.

    >>> near_columns(["SMILES", "LogD_7.4", "pIC50"], ["logd", "IC50", "potency"], {})
    {'logd': 'LogD_7.4'}
    """
    free = [column for column in columns if column not in found.values()]
    near: dict[str, str] = {}
    for name in (name for name in dict.fromkeys(names) if name not in found):
        for column in free:
            wanted, there = plain(name), plain(column)
            more = re.fullmatch(re.escape(wanted) + r"[\W\d]*(ph|at)?[\W\d]+", there)
            unit = wanted == plain(without_unit(column))
            alike = wanted[:1] == there[:1] and SequenceMatcher(a=wanted, b=there).ratio() >= _ALIKE
            if more or unit or alike:
                near.setdefault(name, column)
    return near


def refuse_near_misses(columns: Sequence[str], names: Iterable[str], found: Mapping[str, str]) -> None:
    """Refuse a table in which an objective nearly has a column.

    Raises:
        UsageError: Names the objective and the column.
    """
    for name, column in near_columns(columns, names, found).items():
        raise UsageError(
            f"there is no column '{name}'; did you mean '{column}'?",
            hint=f"Call the objective '{column}', as the column is called. If that is another measurement, "
            "give the column another name.",
        )
