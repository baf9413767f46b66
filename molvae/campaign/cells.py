"""Columns and cells of result tables: which objective, which value, which unit."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from molvae.errors import UsageError
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AWAITED = frozenset(
    {"", "na", "n/a", "nan", "none", "null", "-", "\u2013", "?", ".", "tbd", "pending", "awaited"}
)
"""Cells without a result yet, in lower case."""
CANCELLED = frozenset({"cancelled", "canceled"})
"""Cells of molecules that will not be made."""

_CELL = re.compile(
    r"(?P<relation>[<>≤≥~≈=]=?)?\s*"
    r"(?P<number>[+\-\u2212]?(?:[0-9][0-9.,'\u2019 ]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf(?:inity)?)"
    r"(?:\s*(?:±|\+/-)\s*(?P<sd>[\d.,]+))?"
    r"(?:\s*(?P<unit>[^\W\d_][\w/%·^⁻¹²³-]{0,11}|%))?",
    re.IGNORECASE,
)
_RELATIONS = {">": "above", "≥": "above", "<": "below", "≤": "below"}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_BRACKETED = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")


def plain(name: str) -> str:
    """A column name for comparison, ignoring case, blanks and the two micro signs.

    >>> plain("pIC50 (µM)") == plain("PIC50_(μm)")
    True
    """
    return re.sub(r"[\s_]+", "", unicodedata.normalize("NFKC", name)).casefold()


def unit_of(header: str) -> str:
    """The unit in brackets at the end of a header, or nothing.

    >>> unit_of("IC50 (nM)"), unit_of("IC50")
    ('nM', '')
    """
    found = _BRACKETED.search(header)
    return found[1].strip() if found else ""


def without_unit(header: str) -> str:
    """A header without the unit in brackets at its end.

    >>> without_unit("IC50 (nM)")
    'IC50 '
    """
    return _BRACKETED.sub("", header)


@dataclass(frozen=True)
class ColumnReader:
    """Reads the cells of one column, whose format is inferred from all of them.

    Attributes:
        unit: Unit in the header, or in all cells; or "".
        comma: Meaning of a comma between digits: "decimal", "thousands", or "" if unknown.
        stated: Unit of the objective in the campaign, if known.
    """

    unit: str = ""
    comma: str = ""
    stated: str = ""

    @classmethod
    def of(cls, header: str, cells: Iterable[str], stated: str = "") -> ColumnReader:
        """The reader of a column."""
        found = [match for cell in cells if (match := _CELL.fullmatch(cell.strip()))]
        units = {plain(match["unit"] or ""): match["unit"] or "" for match in found}
        constant = next(iter(units.values())) if len(units) == 1 else ""
        last_word = re.split(r"[\s_]", header.strip())[-1]
        unit = unit_of(header) or (last_word if plain(last_word) in units.keys() - {""} else constant)
        return cls(unit, _comma_of(match["number"].strip() for match in found), stated)

    def read(self, cell: str) -> tuple[Score | None, str]:
        """The score of a cell, `None` if awaited; or why it cannot be used.

        >>> reader = ColumnReader()
        >>> reader.read("5,2")[0].value, reader.read("> 10000")[0], reader.read("")
        (5.2, Score(value=10000.0, status='above', detail='> 10000'), (None, ''))
        """
        text = unicodedata.normalize("NFC", cell).strip()
        if text.casefold() in AWAITED:
            return None, ""
        if text.casefold() in CANCELLED:
            return Score(math.nan, "cancelled", text), ""
        match = _CELL.fullmatch(text)
        if match is None:
            unclear = re.search(r"\d", text) is not None
            return (None, f"'{text}' is not a number") if unclear else (Score.failed(text), "")
        value, problem = self._number(match["number"].strip())
        problem = problem or self._foreign(match["unit"] or "")
        if problem:
            return None, f"'{text}' {problem}"
        relation = _RELATIONS.get((match["relation"] or "")[:1])
        if relation:
            return Score(value, relation, text), ""  # type: ignore[arg-type]  # values of the table above
        sd = self._number(match["sd"])[0] if match["sd"] else math.nan
        return Score(value, "ok", sd=sd if math.isfinite(sd) else None), ""

    def _foreign(self, unit: str) -> str:
        """The problem with a unit."""
        column = self.unit or self.stated
        if unit and plain(unit) != plain(column):
            return f"is in {unit}, " + (f"the column in {column}" if column else "other cells have no unit")
        if self.stated and self.unit and plain(self.unit) != plain(self.stated):
            return f"is in {self.unit}, the campaign's values are in {self.stated}"
        return ""

    def _number(self, text: str) -> tuple[float, str]:
        digits = re.sub(r"(?<=\d)['\u2019 ](?=\d{3})", "", text).replace("\u2212", "-")
        if "," in digits and "." in digits:  # the last one is the decimal sign
            first = "," if digits.rindex(",") < digits.rindex(".") else "."
            digits = digits.replace(first, "")
        elif digits.count(",") > 1 or (_THOUSANDS.fullmatch(digits) and self.comma == "thousands"):
            digits = digits.replace(",", "")
        elif _THOUSANDS.fullmatch(digits) and self.comma != "decimal":
            return math.nan, f"may mean {digits.replace(',', '.')} or {digits.replace(',', '')}"
        try:
            value = float(digits.replace(",", "."))
        except ValueError:
            return math.nan, "is not a number"
        return (value, "") if math.isfinite(value) else (value, "is not a finite number")


def _comma_of(numbers: Iterable[str]) -> str:
    """Meaning of the comma in a column, from unambiguous cells."""
    thousands = False
    for text in numbers:
        if "." in text and ("," not in text or text.rindex(",") < text.rindex(".")):
            thousands = True
        elif "," in text and (("." in text) or (text.count(",") == 1 and not _THOUSANDS.fullmatch(text))):
            return "decimal"
    return "thousands" if thousands else ""


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
