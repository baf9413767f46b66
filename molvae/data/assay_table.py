"""Read a sparse table of molecules and assays, with notes on what was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.columnar import columns_of, is_frame
from molvae.data.columns import SMILES_NAMES, as_name, listed
from molvae.data.readers import open_table
from molvae.data.records import MISSING, BadRow, read_number
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FEWEST = 10
"""Minimum number of values to learn an assay from."""

_NUMBERS = 0.5  # share of the filled cells of a column that must be numbers for it to be an assay


@dataclass(frozen=True)
class AssayTable:
    """A table of molecules (rows) and assays (columns).

    Attributes:
        smiles: SMILES of each row, as given, `n`.
        identifiers: The user's name for each row, or an empty text, `n`.
        names: The assays, `p`.
        values: `n x p`, NaN where there is no number.
        notes: What was left out and why, a sentence each.
    """

    smiles: tuple[str, ...]
    identifiers: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.smiles)

    @classmethod
    def read(
        cls, path: str | Path, *, smiles_column: str | None = None, id_column: str | None = None
    ) -> AssayTable:
        """Read a file of any supported format; every column of numbers is an assay.

        Raises:
            InputError: The file cannot be read.
            UsageError: A chosen column does not exist.
        """
        table = open_table(path, smiles_column=smiles_column, id_column=id_column)
        names = [n for n in table.columns if n not in {table.smiles_column, table.id_column}]
        smiles, identifiers, cells, bad = [], [], [], []
        for row in table.rows():
            if isinstance(row, BadRow):
                bad.append(row)
                continue
            smiles.append(row.text)
            identifiers.append(row.identifier)
            cells.append([row.fields.get(name, "") for name in names])
        notes = [table.note]
        if bad:
            notes.append(f"{len(bad)} rows cannot be read; line {bad[0].line}: {bad[0].reason}")
        by_column: Sequence[Sequence[str]] = list(zip(*cells, strict=True)) if cells else [()] * len(names)
        return _table(smiles, identifiers, dict(zip(names, by_column, strict=True)), notes)

    @classmethod
    def of(cls, table: Any) -> AssayTable:
        """Convert an `AssayTable`, a path, a frame (pandas, polars, Arrow), or columns by name.

        Raises:
            InputError: The file cannot be read.
            UsageError: It is of another type, or has no column of SMILES.
        """
        if isinstance(table, cls):
            return table
        if isinstance(table, str | Path):
            return cls.read(table)
        columns = columns_of(table) if is_frame(table) else table
        if not hasattr(columns, "items"):
            raise UsageError(
                f"a table of assays is a path, a frame or columns by name, got {type(table).__name__}"
            )
        named = [name for name in columns if as_name(str(name)) in SMILES_NAMES]
        if not named:
            raise UsageError(f"no column is called smiles; the columns are: {listed(list(columns))}")
        texts = [text if isinstance(text, str) else "" for text in columns[named[0]]]
        others = {str(name): column for name, column in columns.items() if name != named[0]}
        return _table(texts, [""] * len(texts), others, [])


def _table(
    smiles: Sequence[str],
    identifiers: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    notes: list[str],
) -> AssayTable:
    assays: dict[str, list[float]] = {}
    for name, cells in columns.items():
        if len(cells) != len(smiles):
            raise UsageError(f"'{name}' has {len(cells)} cells, the SMILES are {len(smiles)}")
        numbers = [_number(cell) for cell in cells]
        filled = sum(number is None or not math.isnan(number) for number in numbers)
        unread = [cell for cell, number in zip(cells, numbers, strict=True) if number is None]
        if not filled or len(unread) > (1 - _NUMBERS) * filled:
            notes.append(
                f"'{name}' is not an assay: " + ("its cells are empty" if not filled else "it is text")
            )
            continue
        if unread:
            notes.append(f"'{name}': {len(unread)} cells are not numbers ({unread[0]!r}) and count as empty")
        assays[name] = [math.nan if number is None else number for number in numbers]
    values = np.array(list(assays.values()), dtype=np.float64).reshape(len(assays), len(smiles)).T
    return AssayTable(tuple(smiles), tuple(identifiers), tuple(assays), values, tuple(notes))


def _number(cell: Any) -> float | None:
    """The number in a cell; NaN if it is empty, None if it is not a number."""
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        return math.nan if cell.strip().lower() in MISSING else read_number(cell)
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return None if math.isinf(number) else number
