"""Counts of all input rows, and CSV tables of the rows that were not kept."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from molvae.persistence.files import Closing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Balance:
    """What became of the rows of an input: ``rows = kept + duplicates + rejected``, always.

    Attributes:
        rows: Rows read, without blank lines and headers.
        kept: Molecules in the corpus.
        duplicates: Rows that hold a molecule which an earlier row holds already; their labels are joined.
        rejected: Rows that cannot be used.
        by_reason: Rejected rows by "stage: reason"; rare reasons are counted together.
        parts: Molecules in train, valid and test.
        missing: Molecules without a value, by property.
        unreadable: Label cells that hold something else than a number, by column; read as missing.
        replicates: Molecules with several numbers, by column; their mean is kept.
        spread: Pooled standard deviation of these numbers, by column.
        contradictory: Molecules with both of two classes, by column: the label is missing; or with several
            parts, by split column: the first is kept.
        unknown: Occurrences in the whole corpus of tokens the vocabulary lacks, by token.
        changed: Rows not rejected whose molecule standardization made another (a charge or a salt is gone).
        steps: The same by what standardization did; a row may have several.
        doubtful: Rows not rejected where it is doubtful which fragment is meant; the largest is kept.
        stereo_groups: Rows not rejected with enhanced stereo, read as the isomer that is drawn.
        n_tokens: Tokens of all molecules, the end marks included.
        n_vocabulary: Tokens the vocabulary knows, the special ones included.

    >>> str(Balance(rows=10, kept=7, duplicates=2, rejected=1))
    '10 in = 7 kept + 2 duplicates + 1 rejected'
    """

    rows: int
    kept: int
    duplicates: int
    rejected: int
    by_reason: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    replicates: Mapping[str, int] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    contradictory: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    changed: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    doubtful: int = 0
    stereo_groups: int = 0
    n_tokens: int = 0
    n_vocabulary: int = 0

    def __post_init__(self) -> None:
        assert self.rows == self.kept + self.duplicates + self.rejected, str(self)  # noqa: S101 - the law

    def __str__(self) -> str:
        terms = f"{self.kept:,} kept + {self.duplicates:,} duplicates + {self.rejected:,} rejected"
        return f"{self.rows:,} in = {terms}"


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


class SafeTable(Closing):
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
