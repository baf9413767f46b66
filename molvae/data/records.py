"""Name what a reader hands out: a row, a row that cannot be read, a molecule with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input table, not yet parsed.

    Attributes:
        line: Line of the file on which the row starts (the row number in a Parquet file), counted from 1.
        text: SMILES, or a molblock if `is_molblock`, as it stands in the file.
        identifier: The name of the molecule, or an empty text.
        fields: Every cell by column name; an absent cell is an empty text.
        is_molblock: Whether `text` is a molblock.
    """

    line: int
    text: str
    identifier: str
    fields: Mapping[str, str]
    is_molblock: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that cannot be read.

    Attributes:
        line: Line of the file on which the row starts, counted from 1.
        text: What stands there, perhaps shortened.
        reason: A short sentence.
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoleculeRecord:
    """One molecule of a corpus.

    Attributes:
        smiles: Canonical SMILES of the standardized molecule.
        properties: One number for each property of the corpus, NaN where it is missing; ``p``.
        identifier: The name of the molecule, or an empty text.
        line: Line of the input file it came from.
    """

    smiles: str
    properties: tuple[float, ...]
    identifier: str
    line: int
