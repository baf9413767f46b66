"""Which columns of a table hold the scores of objectives: by name, in any case, with a unit behind."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from molvae.campaign.cells import plain, without_unit
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ALIKE = 0.85  # of letters in a slip of the pen


def find_columns(columns: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """The column of each objective: of its name, without regard to case; else of its name with a unit behind.

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
    """Columns that may be meant by names no column has, among those that no other name has.

    They have a condition behind the name, or a unit where several columns do, or there is a slip of the pen.

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
    """Refuse a table where an objective nearly has a column: its values would be overlooked.

    Raises:
        UsageError: There is such a column; both are named.
    """
    for name, column in near_columns(columns, names, found).items():
        raise UsageError(
            f"there is no column '{name}'; did you mean '{column}'?",
            hint=f"Call the objective '{column}', as the column is called. If that is another measurement, "
            "give the column another name.",
        )
