"""The account of a table of molecules and results: what became of each row."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Balance:
    """What became of the rows of a table: `read` is the sum of the next five.

    Attributes:
        read: Rows.
        used: Rows that brought a molecule, or a result for one.
        repeated: Further rows of these molecules, joined with the first.
        empty: Rows that are blank or, where results were expected, have none.
        unreadable: Rows without a molecule, as sentences that begin with the line.
        refused: Rows whose molecule or result cannot be used, likewise.
        notes: Cells that were left out and molecules that were recognized in another form, likewise.
        averaged: Values that are the mean of several rows.
        changed: Molecules that came as salts or charged, and are kept in their standard form.
    """

    read: int = 0
    used: int = 0
    repeated: int = 0
    empty: int = 0
    unreadable: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    averaged: int = 0
    changed: int = 0

    def __str__(self) -> str:
        text = f"{self.read:,} rows: {self.used:,} used"
        text += f", {self.repeated:,} more of the same molecules" if self.repeated else ""
        text += f", {self.empty:,} without anything to read" if self.empty else ""
        text += f", {len(self.unreadable):,} unreadable, {len(self.refused):,} refused"
        text += f"; {self.averaged:,} values averaged" if self.averaged else ""
        return text + (f"; {self.changed:,} salts and charged forms recognized" if self.changed else "")
