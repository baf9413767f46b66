"""The molecule table of a report: data for the script of the page, drawings, SD blocks."""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.sdf import to_sdf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.reporting.drawings import Gallery

_DIGITS = 6  # significant digits of a number that is kept


@dataclass(frozen=True)
class TableColumn:
    """One column.

    Attributes:
        name: Its header, and what searches and addresses call it.
        kind: What stands in it; text may come from outside.
        shown: Whether the page shows it; a download always holds it.
        hint: What it means, shown where the pointer rests.
    """

    name: str
    kind: Literal["smiles", "number", "integer", "text"] = "text"
    shown: bool = True
    hint: str = ""


@dataclass(frozen=True)
class MoleculeTable:
    """Rows that can be sorted, searched, copied and downloaded in the page.

    Attributes:
        columns: The first one is `smiles`.
        rows: A value per column, `None` if absent.
        n_total: Rows there are, of which these were taken.
        name: What a download is called.
        drawings: Number of each row's drawing; -1 where there is none.
        blocks: Structures of the rows for SD files, one molblock each, empty where there is none.
    """

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Any]]
    n_total: int
    name: str
    drawings: Sequence[int]
    blocks: Sequence[str]

    @property
    def data(self) -> Markup:
        """The table as JSON that may stand inside a script element."""
        facts = {
            "name": self.name,
            "columns": [
                {"name": c.name, "kind": c.kind, "shown": c.shown, "hint": c.hint} for c in self.columns
            ],
            "rows": [[_plain(value) for value in row] for row in self.rows],
            "drawings": list(self.drawings),
            "structures": base64.b64encode(
                gzip.compress("\0".join(self.blocks).encode(), 9, mtime=0)
            ).decode(),
        }
        return _inert(json.dumps(facts, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


def molecule_table(
    columns: Sequence[TableColumn],
    rows: Sequence[Sequence[Any]],
    gallery: Gallery,
    *,
    name: str,
    n_molecules: int,
    n_total: int | None = None,
) -> MoleculeTable:
    """A table whose first molecules are drawn.

    Args:
        columns: The first one is `smiles`.
        rows: In the order they are first shown.
        gallery: Where drawings go.
        name: What a download is called.
        n_molecules: How many different molecules of it are drawn.
        n_total: Rows there are, if these are a part of them.
    """
    drawings, blocks = [], []
    drawn: set[int] = set()
    for row in rows:
        molecule = parse(str(row[0] or ""))
        number = -1
        if is_valid(molecule):
            blocks.append(to_sdf([molecule]).removesuffix("$$$$\n"))
            if len(drawn) < n_molecules or molecule.smiles in gallery.symbols:
                number = gallery.draw(molecule)
                drawn.add(number)
        else:
            blocks.append("")
        drawings.append(number)
    return MoleculeTable(
        columns, rows, len(rows) if n_total is None else n_total, name, tuple(drawings), tuple(blocks)
    )


def row_numbers(table: MoleculeTable) -> Mapping[str, int]:
    """Where each SMILES of the table first stands."""
    numbers: dict[str, int] = {}
    for number, row in enumerate(table.rows):
        numbers.setdefault(str(row[0]), number)
    return numbers


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def _inert(text: str) -> Markup:
    """JSON in which nothing can end the element it stands in."""
    for character, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(character, code)
    return Markup(text.replace("\u2029", "\\u2029"))  # noqa: S704 - made inert above
