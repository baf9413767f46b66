"""Cut lines into cells: comma, tab and semicolon tables, and SMILES files."""

from __future__ import annotations

import csv
import io
from collections import deque
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import is_valid, parse
from molvae.data.records import BadRow
from molvae.data.sources import MAX_LINE, OVER_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONTINUATION = 20
"""Lines one quoted cell may run over; a quotation mark that is still open then was a mistake."""

_SHOWN = 200  # characters of a bad row that are kept

WORD_SUFFIXES = (".smi", ".smiles", ".ism")
"""Files of SMILES and names, separated by blanks or one tab."""

Cells = tuple[int, list[str]]


def delimiter_of(line: str, suffix: str) -> str:
    """Tell the delimiter from the suffix and the first line; a blank means SMILES and then a name.

    >>> (
    ...     delimiter_of("smiles;logp;what, if any", ".csv"),
    ...     delimiter_of("CCO ethanol, pure", ".txt"),
    ...     delimiter_of("a,b", ".txt"),
    ... )
    (';', ' ', ',')
    """
    if suffix == ".csv":
        return max(",;\t", key=line.count)  # the first of these where none or several are as frequent
    if suffix == ".tsv":
        return "\t"
    words_only = suffix in WORD_SUFFIXES
    if "\t" in line and not (words_only and line.count("\t") == 1):
        return "\t"
    first_word = line.split(None, 1)[0] if line.strip() else ""
    if (
        "," not in line
        or words_only
        or (" " in line and "," not in first_word and is_valid(parse(first_word)))
    ):
        return " "
    return ","


def cut_rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[Cells | BadRow]:
    """Yield (line, cells) for every row that is not blank, or a `BadRow`; cells are stripped of outer blanks.

    A quoted cell may run over a few lines. A quotation mark that stays open costs its own row only: the lines
    after it are read again as rows.
    """
    waiting: deque[tuple[int, str]] = deque()

    def following() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (current := following()) is not None:
        number, line = current
        if not line.strip():
            continue
        if line.endswith(OVER_LONG):
            yield BadRow(number, line[:_SHOWN], f"the line has over {MAX_LINE:,} characters")
        elif "\x00" in line:
            yield BadRow(number, line[:_SHOWN], "the row holds a NUL byte")
        elif delimiter == " ":
            yield number, line.split(None, 1)
        elif '"' not in line:
            yield number, [cell.strip() for cell in line.split(delimiter)]
        else:
            taken: list[tuple[int, str]] = []
            text, row = line, _quoted(line, delimiter)
            while row is None and len(taken) < MAX_CONTINUATION and (more := following()) is not None:
                taken.append(more)
                text = f"{text}\n{more[1]}"
                row = _quoted(text, delimiter)
            if isinstance(row, list):
                yield number, row
            else:
                waiting.extendleft(reversed(taken))
                yield BadRow(number, line[:_SHOWN], row or "a quotation mark is opened and never closed")


def _quoted(text: str, delimiter: str) -> list[str] | str | None:
    """Cells of a row with quotation marks, what is wrong with it, or None if a mark is still open."""
    try:
        cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        return f"the quotation marks do not match: {error}"
    return [cell.strip() for cell in cells]
