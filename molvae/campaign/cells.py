"""Cells of a table of results: numbers, bounds such as >10000, units, words."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        """What is wrong with a unit."""
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
