"""How molecules and tables look in a notebook: HTML that stands by itself, in light and in dark."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from molvae.chemistry.depiction import molecule_svg
from molvae.chemistry.molecule import Invalid, Molecule

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 24
"""Molecules of a grid, and rows of a table, that are shown."""
_PANEL = (180, 140)
_PAPER = "background:#fff;color:#000;border-radius:6px"  # RDKit draws in black


class MoleculeList(list["Molecule | Invalid"]):
    """A list of molecules that shows itself as pictures.

    >>> MoleculeList([Invalid("X", "no atom")])._repr_html_()
    '<p>0 molecules, 1 invalid</p>'
    """

    def _repr_html_(self) -> str:
        found = [item for item in self if isinstance(item, Molecule)]
        said = f"{_count(len(found), 'molecule')}, {len(self) - len(found):,} invalid"
        return grid_html(found, [molecule.smiles for molecule in found], said)


def grid_html(molecules: Sequence[Molecule], legends: Sequence[str], said: str) -> str:
    """A sentence, and the first molecules as pictures.

    Args:
        molecules: What to draw.
        legends: A line under each.
        said: The sentence; it is plain text.
    """
    more = len(molecules) - MOST
    note = f"{said}; the first {MOST} are shown" if more > 0 else said
    if not molecules:
        return f"<p>{escape(note)}</p>"
    tiles = "".join(
        f'<figure style="margin:6px;width:{_PANEL[0]}px">{_drawn(molecule)}'
        f'<figcaption style="font-size:11px;overflow-wrap:anywhere">{escape(legend)}</figcaption></figure>'
        for molecule, legend in zip(molecules[:MOST], legends[:MOST], strict=True)
    )
    return f'<p>{escape(note)}</p><div style="display:flex;flex-wrap:wrap">{tiles}</div>'


def table_html(header: Sequence[str], rows: Sequence[Sequence[Any]], said: str = "") -> str:
    """A table: molecules are drawn, numbers are short, all else is plain text.

    >>> table_html(["name", "value"], [["a<b", 0.125], ["c", float("nan")]], "two")
    '<p>two</p><table><thead><tr><th>name</th><th>value</th></tr></thead><tbody><tr><td>a&lt;b</td><td>0.125</td></tr><tr><td>c</td><td>-</td></tr></tbody></table>'
    """
    more = len(rows) - MOST
    note = f"{said}; the first {MOST} are shown" if more > 0 else said
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:MOST])
    sentence = f"<p>{escape(note)}</p>" if note else ""
    return f"{sentence}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _drawn(molecule: Molecule) -> str:
    drawn = molecule_svg(molecule, width=_PANEL[0], height=_PANEL[1])
    return f'<div style="{_PAPER};width:fit-content">{drawn}</div>'


def _cell(value: Any) -> str:
    if isinstance(value, Molecule):
        return _drawn(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(str(value))


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
