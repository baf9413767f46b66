"""Write what became of the rows that were not kept, as CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LONGEST = 1000  # characters of a cell
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def safe_cell(text: str) -> str:
    """Make a cell that no spreadsheet takes for a formula, printable and not too long.

    A cell that starts with ``= + - @`` gets an apostrophe in front, unless it is a number; no valid SMILES
    starts with any of these. Control characters are spelled out.

    >>> safe_cell("=cmd|'/C calc'!A0"), safe_cell("-1.5"), safe_cell("-CC"), safe_cell("[NH4+]")
    ("'=cmd|'/C calc'!A0", '-1.5', "'-CC", '[NH4+]')
    """
    spelled = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    if len(spelled) > _LONGEST:
        spelled = f"{spelled[:_LONGEST]}… ({len(text)} characters)"
    if spelled.lstrip().startswith(("=", "+", "-", "@", "\\x09", "\\x0d")) and not _NUMBER.fullmatch(spelled):
        return f"'{spelled}"
    return spelled


class SafeTable:
    """A CSV file of safe cells, written row by row.

    Args:
        path: The file to make.
        columns: Its header.
    """

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, *cells: str | int) -> None:
        """Write one row."""
        self._writer.writerow([cell if isinstance(cell, int) else safe_cell(cell) for cell in cells])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
