"""Pictures of molecules as SVG or PNG, and tables and grids of molecules as HTML for notebooks."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor, rdFMCS
from rdkit.Chem.Draw import rdMolDraw2D

from molvae.chemistry.molecule import Invalid, Molecule
from molvae.errors import UsageError
from molvae.text import cell, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PANEL = (250, 200)
"""Width and height of one molecule of a grid, in pixels."""
HIGHLIGHT = (1.0, 0.8, 0.4)
"""Color of highlighted bonds: red, green, blue."""
_LONGEST_LEGEND = 60
_SHARED, _SECONDS, _SMALLEST_CORE = 0.8, 3, 5  # share of the molecules, time to find a core, atoms of it


class Core:
    """The largest common core of most molecules of a series, with fixed coordinates for aligned drawings."""

    def __init__(self, molecules: Sequence[Molecule]) -> None:
        self._reference = self._pattern = None
        if len(molecules) < 2:  # noqa: PLR2004 - nothing in common with itself
            return
        found = rdFMCS.FindMCS(
            [molecule.mol for molecule in molecules],
            threshold=_SHARED,
            timeout=_SECONDS,
            ringMatchesRingOnly=True,
            completeRingsOnly=True,
        )
        pattern = Chem.MolFromSmarts(found.smartsString) if found.numAtoms >= _SMALLEST_CORE else None
        for molecule in molecules if pattern is not None else ():
            if molecule.mol.HasSubstructMatch(pattern):
                self._reference, self._pattern = Chem.Mol(molecule.mol), pattern
                rdDepictor.Compute2DCoords(self._reference, useRingTemplates=True)
                break

    def place(self, mol: Chem.Mol) -> None:
        """Compute coordinates of a molecule, aligned to the core if it has it."""
        if self._reference is None:
            rdDepictor.Compute2DCoords(mol, useRingTemplates=True)
            return
        rdDepictor.GenerateDepictionMatching2DStructure(
            mol, self._reference, refPatt=self._pattern, acceptFailure=True
        )


def molecule_svg(molecule: Molecule | Invalid, *, width: int = 300, height: int = 240) -> str:
    """One molecule as an `<svg>` element for HTML; an `Invalid` gives an empty picture."""
    canvas = rdMolDraw2D.MolDraw2DSVG(width, height)
    with rdBase.BlockLogs():
        canvas.DrawMolecule(_drawable(molecule))
    canvas.FinishDrawing()
    return _element(canvas.GetDrawingText())


def grid_svg(
    molecules: Sequence[Molecule | Invalid],
    legends: Sequence[str] | None = None,
    columns: int = 4,
    *,
    panel: tuple[int, int] = PANEL,
    core: Core | None = None,
    marked: Sequence[Sequence[int]] | None = None,
) -> str:
    """Molecules in rows of `columns`, with a line of text below each, as an `<svg>` element.

    With a `core`, all that have it are drawn with it in one place. Bonds between `marked` atoms of a molecule
    are highlighted.

    Raises:
        UsageError: No molecule, no column, or not one legend for each molecule.
    """
    return _element(_drawn_grid(rdMolDraw2D.MolDraw2DSVG, molecules, legends, columns, panel, core, marked))


def grid_png(
    molecules: Sequence[Molecule | Invalid], legends: Sequence[str] | None = None, columns: int = 4
) -> bytes:
    """As `grid_svg`, as a PNG image."""
    return bytes(_drawn_grid(rdMolDraw2D.MolDraw2DCairo, molecules, legends, columns, PANEL))


def _drawn_grid(
    canvas_type: Any,
    molecules: Sequence[Molecule | Invalid],
    legends: Sequence[str] | None,
    columns: int,
    panel: tuple[int, int],
    core: Core | None = None,
    marked: Sequence[Sequence[int]] | None = None,
) -> Any:
    canvas = canvas_type(*_size(molecules, legends, columns, panel), *panel)
    texts = None if legends is None else [one_line(legend, _LONGEST_LEGEND) for legend in legends]
    options = canvas.drawOptions()
    options.legendFontSize = 14
    options.drawMolsSameScale = False  # one long molecule must not shrink all others
    options.fixedBondLength = 26  # pixels, at most: nor may a small one fill its panel
    options.bondLineWidth = 1  # thin, so that wedges stand out in small panels
    options.minFontSize = 8
    options.setHighlightColour(HIGHLIGHT)
    options.highlightBondWidthMultiplier = 20
    with rdBase.BlockLogs():
        mols = [_drawable(molecule, core) for molecule in molecules]
        bonds = (
            None if marked is None else [_bonds(mol, atoms) for mol, atoms in zip(mols, marked, strict=True)]
        )
        canvas.DrawMolecules(mols, legends=texts, highlightBonds=bonds)
    canvas.FinishDrawing()
    return canvas.GetDrawingText()


def _bonds(mol: Chem.Mol, atoms: Sequence[int]) -> list[int]:
    ends = ((bond.GetIdx(), bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds())
    return [index for index, begin, end in ends if begin in atoms and end in atoms]


def _size(
    molecules: Sequence[Molecule | Invalid],
    legends: Sequence[str] | None,
    columns: int,
    panel: tuple[int, int],
) -> tuple[int, int]:
    if not molecules:
        raise UsageError("a grid needs at least one molecule")
    if columns < 1:
        raise UsageError(f"a grid needs at least one column, got {columns}")
    if legends is not None and len(legends) != len(molecules):
        raise UsageError(f"a grid needs one legend for each molecule: {len(legends)} for {len(molecules)}")
    across = min(columns, len(molecules))
    down = -(-len(molecules) // across)
    return across * panel[0], down * panel[1]


def _drawable(molecule: Molecule | Invalid, core: Core | None = None) -> Chem.Mol:
    if not isinstance(molecule, Molecule):
        return Chem.Mol()
    mol = Chem.Mol(molecule.mol)
    if core is None:
        rdDepictor.Compute2DCoords(mol, useRingTemplates=True)  # bridged rings as chemists draw them
    else:
        core.place(mol)
    try:
        return rdMolDraw2D.PrepareMolForDrawing(mol)
    except (RuntimeError, ValueError):  # no alternating bonds: drawn as it is
        return rdMolDraw2D.PrepareMolForDrawing(mol, kekulize=False)


def _element(document: str) -> str:
    """The drawing without its XML declaration, which may not stand inside HTML."""
    return re.sub(r"^<\?xml[^>]*\?>\s*", "", document)


MOST = 24
"""Molecules of a grid, and rows of a table, that are shown."""
_TILE = (180, 140)
_PAPER = "background:#fff;color:#000;border-radius:6px"  # RDKit draws in black


class MoleculeList(list["Molecule | Invalid"]):
    """A list of molecules that shows itself as pictures.

    >>> MoleculeList([Invalid("X", "no atom")])._repr_html_()
    '<p>0 molecules, 1 invalid</p>'
    """

    def _repr_html_(self) -> str:
        found = [item for item in self if isinstance(item, Molecule)]
        noun = "molecule" if len(found) == 1 else "molecules"
        caption = f"{len(found):,} {noun}, {len(self) - len(found):,} invalid"
        return grid_html(found, [molecule.smiles for molecule in found], caption)


def grid_html(molecules: Sequence[Molecule], legends: Sequence[str], caption: str) -> str:
    """A caption, and the first molecules as pictures with a line under each, given as plain text."""
    if not molecules:
        return _caption(caption, 0)
    tiles = "".join(
        f'<figure style="margin:6px;width:{_TILE[0]}px">{_drawn(molecule)}'
        f'<figcaption style="font-size:11px;overflow-wrap:anywhere">{escape(legend)}</figcaption></figure>'
        for molecule, legend in zip(molecules[:MOST], legends[:MOST], strict=True)
    )
    return f'{_caption(caption, len(molecules))}<div style="display:flex;flex-wrap:wrap">{tiles}</div>'


def table_html(header: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """A table: molecules are drawn, numbers are short, all else is plain text.

    >>> table_html(["name", "value"], [["a<b", 0.125], ["c", float("nan")]], "two")
    '<p>two</p><table><thead><tr><th>name</th><th>value</th></tr></thead><tbody><tr><td>a&lt;b</td><td>0.125</td></tr><tr><td>c</td><td>-</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:MOST])
    return f"{_caption(caption, len(rows))}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _caption(text: str, n: int) -> str:
    """A paragraph that also says if only some of n items are shown; none without a text."""
    shown = f"{text}; the first {MOST} are shown" if n > MOST else text
    return f"<p>{escape(shown)}</p>" if shown else ""


def _drawn(molecule: Molecule) -> str:
    drawn = molecule_svg(molecule, width=_TILE[0], height=_TILE[1])
    return f'<div style="{_PAPER};width:fit-content">{drawn}</div>'


def _cell(value: Any) -> str:
    if isinstance(value, Molecule):
        return _drawn(value)
    return cell(value) if value is None or isinstance(value, bool | float) else escape(str(value))
