"""Split SD files into records: a molblock and its data fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from molvae.data.records import BadRow, Row
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_CHARACTERS = 250_000
"""Characters one record may have."""

MAX_RECORD = 20_000
"""Lines one record may have; a longer one is refused unread."""

_FIELD = re.compile(r"^>.*?<(?P<name>[^>\n]*)>", re.MULTILINE)
_LONGEST_NAME = 1000  # characters
_MOST_FIELDS = 10_000


def field_names(blocks: Iterable[str]) -> tuple[str, ...]:
    """The names of the data fields of all records, in the order in which they first appear.

    Args:
        blocks: The text of an SD file, cut anywhere.

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


def cut_records(lines: Iterator[tuple[int, str]]) -> Iterator[Row | BadRow]:
    """Yield one row for each record that ends with ``$$$$`` (or with the file)."""
    record: list[str] = []
    start, last, size, too_long = 1, 0, 0, False
    for number, line in lines:
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
