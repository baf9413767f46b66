"""Split text into records: comma, tab and semicolon tables, SMILES files, SD files."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import cut_extension, is_valid, parse
from molvae.data.records import BadRow, Row, has_decimal_comma
from molvae.data.sources import MAX_LINE, OVER_LONG, Line
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_CELLS = 20_000
"""Maximum number of cells of a row."""

MAX_CONTINUATION = 20
"""Maximum number of lines of a quoted cell; a quotation mark open for longer is taken as an error."""

_SHOWN = 200  # characters of a bad row that are kept

_QUOTED = re.compile(r'"[^"]*"')
_EXTENSION = re.compile(r"(?<=\S) \|(?:[($^&]|[A-Za-z]{1,8}\d*:)[^|\"]*\|(?=[\s,;\"]|$)")
_STAND_IN = "\x1f"  # for a delimiter inside an extension

WORD_SUFFIXES = (".smi", ".smiles", ".ism", ".cxsmiles")
"""Files of SMILES and names, separated by blanks or one tab."""

Cells = tuple[int, list[str]]


def delimiter_of(lines: Sequence[str], suffix: str) -> str:
    """Guess the delimiter from the suffix and the first lines; a space means SMILES, then name.

    >>> (
    ...     delimiter_of(["smiles;logp;what, if any"], ".csv"),
    ...     delimiter_of(["CCO;5,1;7,3", "CC;6,2;7"], ".csv"),
    ...     delimiter_of(["CCO ethanol, pure"], ".txt"),
    ...     delimiter_of(["a,b"], ".txt"),
    ... )
    (';', ';', ' ', ',')
    """
    line = lines[0]
    if suffix == ".csv":
        return _most_regular(lines)
    if suffix == ".tsv":
        return "\t"
    words_only = suffix in WORD_SUFFIXES
    if "\t" in line and not (words_only and line.count("\t") == 1):
        return "\t"
    first_word = line.split(None, 1)[0] if line.strip() else ""
    if (
        not any(delimiter in line for delimiter in ",;")
        or words_only
        or (" " in line and not any(d in first_word for d in ",;") and is_valid(parse(first_word)))
    ):
        return " "
    return _most_regular(lines)


def _most_regular(lines: Sequence[str]) -> str:
    """The delimiter that splits most lines into as many cells as the first; in a tie, the most frequent."""
    plain = [_QUOTED.sub("", _EXTENSION.sub("", line)) for line in lines if line.strip()] or [""]

    def merit(delimiter: str) -> tuple[bool, bool, int, int]:
        n = plain[0].count(delimiter)
        alike = sum(line.count(delimiter) == n for line in plain)
        cells = (cell for line in plain for cell in line.split(delimiter))
        numbers = delimiter != "," and any(map(has_decimal_comma, cells))
        return n > 0, n > 0 and numbers, alike, n

    return max(",;\t", key=merit)  # the first of these where nothing speaks for another


def cut_rows(lines: Iterator[Line | BadRow], delimiter: str) -> Iterator[Cells | BadRow]:
    """Yield (line, cells), or a `BadRow`, for every row that is not blank; cells are stripped.

    A quoted cell may span a few lines. An unclosed quotation mark spoils its own row only: the lines after it
    are read as rows.
    """
    waiting: deque[Line | BadRow] = deque()

    def following() -> Line | BadRow | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (current := following()) is not None:
        if isinstance(current, BadRow):
            yield current
            continue
        number, line = current
        if not line.strip():
            continue
        if problem := _refusal(line, delimiter):
            yield BadRow(number, line[:_SHOWN], problem)
        elif delimiter == " ":
            yield number, _words(line)
        elif '"' not in line:
            yield (
                number,
                [_shown_again(cell, delimiter) for cell in _hidden(line, delimiter).split(delimiter)],
            )
        else:
            row, taken = _continued(line, following, delimiter)
            if isinstance(row, list):
                yield number, row
            else:
                waiting.extendleft(reversed(taken))
                yield BadRow(number, line[:_SHOWN], row or "a quotation mark is opened and never closed")


def _continued(
    line: str, following: Callable[[], Line | BadRow | None], delimiter: str
) -> tuple[list[str] | str | None, list[Line | BadRow]]:
    """What `_quoted` says of a line and those that continue it, and the lines taken for that."""
    taken: list[Line | BadRow] = []
    text, row = line, _quoted(line, delimiter)
    while row is None and len(taken) < MAX_CONTINUATION and (more := following()) is not None:
        taken.append(more)
        if isinstance(more, BadRow):
            break
        text = f"{text}\n{more[1]}"
        row = _quoted(text, delimiter)
    return row, taken


def _refusal(line: str, delimiter: str) -> str | None:
    """Why a line is rejected unread."""
    if line.endswith(OVER_LONG):
        return f"the line has over {MAX_LINE:,} characters"
    if delimiter != " " and line.count(delimiter) >= MAX_CELLS:
        return f"the row has over {MAX_CELLS:,} cells"
    return "the row holds a NUL byte" if "\x00" in line else None


def _hidden(text: str, delimiter: str) -> str:
    """The line with delimiters inside CXSMILES extensions replaced."""
    if " |" not in text:
        return text
    return _EXTENSION.sub(lambda found: found[0].replace(delimiter, _STAND_IN), text)


def _shown_again(cell: str, delimiter: str) -> str:
    return cell.strip().replace(_STAND_IN, delimiter)


def _words(line: str) -> list[str]:
    """The SMILES, with its extension if any, and the rest of the line as its name."""
    smiles, extension, name = cut_extension(line)
    return [f"{smiles} |{extension}|", *([name] if name else [])] if extension else line.split(None, 1)


def _quoted(text: str, delimiter: str) -> list[str] | str | None:
    """Cells of a row with quotation marks, what is wrong with it, or None if a mark is still open."""
    try:
        cells = next(
            csv.reader(io.StringIO(_hidden(text, delimiter), newline=""), delimiter=delimiter, strict=True)
        )
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        return f"the quotation marks do not match: {error}"
    return [_shown_again(cell, delimiter) for cell in cells]


MAX_CHARACTERS = 250_000
"""Maximum number of characters of a record."""

MAX_RECORD = 20_000
"""Maximum number of lines of a record; a longer one is rejected unread."""

_FIELD = re.compile(r"^>.*?<(?P<name>[^>\n]*)>", re.MULTILINE)
_LONGEST_NAME = 1000  # characters
_MOST_FIELDS = 10_000


def field_names(blocks: Iterable[str]) -> tuple[str, ...]:
    """The names of the data fields of all records of an SD file, given in blocks, in order of appearance.

    Raises:
        InputError: There are too many to be columns.
    """
    names: dict[str, None] = {}
    rest = ""
    for block in blocks:
        whole, newline, rest = (rest + block).rpartition("\n")
        names.update((match["name"].strip(), None) for match in _FIELD.finditer(whole + newline))
        rest = rest[:_LONGEST_NAME]
        if len(names) > _MOST_FIELDS:
            raise InputError(f"the SD file has more than {_MOST_FIELDS:,} different data fields")
    names.update((match["name"].strip(), None) for match in _FIELD.finditer(rest))
    return tuple(names)


def cut_records(lines: Iterator[Line | BadRow]) -> Iterator[Row | BadRow]:
    """Yield one row for each record that ends with ``$$$$`` (or with the file)."""
    record: list[str] = []
    start, last, size, too_long = 1, 0, 0, False
    for item in lines:
        if isinstance(item, BadRow):
            yield item
            return
        number, line = item
        last = number
        if line.startswith("$$$$"):
            yield _record(start, record, too_long=too_long)
            record, start, size, too_long = [], number + 1, 0, False
        elif len(record) < MAX_RECORD and size + len(line) <= MAX_CHARACTERS:
            record.append(line)
            size += len(line)
        else:
            too_long = True
    if any(line.strip() for line in record):
        yield _record(min(start, last), record, too_long=too_long)


def _record(start: int, lines: list[str], *, too_long: bool) -> Row | BadRow:
    title = lines[0].strip() if lines else ""
    if too_long:
        return BadRow(
            start, title, f"the record has more than {MAX_RECORD:,} lines or {MAX_CHARACTERS:,} characters"
        )
    end = next((n for n, line in enumerate(lines) if line.startswith("M  END")), None)
    if end is None:
        return BadRow(start, title, "the record has no 'M  END' line")
    if any("\x00" in line for line in lines):
        return BadRow(start, title, "the record holds a NUL byte")
    molblock = "\n".join(lines[: end + 1]) + "\n"
    return Row(start, molblock, title, dict(_fields(lines[end + 1 :])), is_molblock=True)


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    name: str | None = None
    values: list[str] = []
    for line in lines:
        if (match := _FIELD.match(line)) is not None:
            if name is not None:
                yield name, "\n".join(values).strip()
            name, values = match["name"].strip(), []
        elif name is not None:
            values.append(line)
    if name is not None:
        yield name, "\n".join(values).strip()
