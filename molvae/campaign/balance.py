"""Summary of a table that was read: how many rows were used, and why others were not."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Balance:
    """Counts of the rows of a table; `read` is the sum of the next five.

    Attributes:
        read: Rows.
        used: Rows with a new molecule or result.
        repeated: Further rows of these molecules, merged with the first.
        empty: Rows that are blank, or without a result where one is expected.
        unreadable: Rows without a molecule, as messages that begin with the line.
        refused: Rows whose molecule or result cannot be used, likewise.
        notes: Skipped cells, and molecules recognized in another form, likewise.
        averaged: Values that are the mean of several rows.
        changed: Molecules given as salts or charged, and standardized.
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
