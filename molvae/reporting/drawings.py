"""Drawings of molecules, each drawn once per page, and the table of molecules of a report."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from molvae.chemistry.depiction import grid_svg
from molvae.chemistry.molecule import Invalid, is_valid, parse
from molvae.chemistry.sdf import sdf_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from molvae.chemistry.depiction import Core
    from molvae.chemistry.molecule import Molecule

PANEL = (220, 160)
"""Width and height of a drawing, in pixels of RDKit's."""
_GRAIN = 10  # integer units per pixel: RDKit writes tenths
_VIEW = f"0 0 {PANEL[0] * _GRAIN} {PANEL[1] * _GRAIN}"

_COLORS = {
    "#0000FF": "N",
    "#FF0000": "O",
    "#33CCCC": "F",
    "#00CC00": "Cl",
    "#7F4C19": "Br",
    "#A01EEF": "I",
    "#CCCC00": "S",
    "#FF7F00": "P",
    "#FFCC66": "rare",  # HIGHLIGHT
}
"""RDKit's colors -> classes of the style sheet; all others use the text color."""

_PATH = re.compile(r"<path [^>]*?d='([^']*)'([^>]*)>")
_COLOR = re.compile(r"(?:stroke:|fill:|fill=')(#[0-9A-Fa-f]{6})")
_WIDTH = re.compile(r"stroke-width:([0-9.]+)px")
_STEP = re.compile(r"([MLQCZ])([^MLQCZ]*)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass
class Gallery:
    """The drawings of a page; each molecule is drawn once.

    Attributes:
        symbols: `<symbol>` elements by canonical SMILES.
        core: Common substructure to align the drawings on, if any.
        marked: Atoms of a molecule whose bonds are highlighted.
    """

    symbols: dict[str, Markup] = field(default_factory=dict)
    core: Core | None = None
    marked: Callable[[Molecule], Sequence[int]] = field(default=lambda _: ())
    _numbers: dict[str, int] = field(default_factory=dict)

    def draw(self, molecule: Molecule | Invalid | str) -> int:
        """Number of a molecule's drawing, drawn if necessary; -1 for invalid molecules."""
        known = parse(molecule) if isinstance(molecule, str) else molecule
        if isinstance(known, Invalid):
            return -1
        if known.smiles not in self._numbers:
            number = len(self._numbers)
            self._numbers[known.smiles] = number
            self.symbols[known.smiles] = _symbol(known, number, self.core, self.marked(known))
        return self._numbers[known.smiles]

    def __len__(self) -> int:
        return len(self._numbers)


def _symbol(molecule: Molecule, number: int, core: Core | None, marked: Sequence[int]) -> Markup:
    body = _paths(grid_svg([molecule], columns=1, panel=PANEL, core=core, marked=[marked]))
    return Markup('<symbol id="m{}" viewBox="{}">{}</symbol>').format(number, _VIEW, body)


def svg(molecule: Molecule) -> Markup:
    """A molecule as an `<svg>` element in the colors of the page's style sheet."""
    body = _paths(grid_svg([molecule], columns=1, panel=PANEL))
    return Markup('<svg class="mol" viewBox="{}" role="img" aria-label="{}">{}</svg>').format(
        _VIEW, molecule.smiles, body
    )


def _paths(document: str) -> Markup:
    paths = []
    for (name, thick), path in compact(document).items():
        width = Markup(' stroke-width="{:g}"').format(thick * _GRAIN) if thick else ""
        paths.append(Markup('<path class="{}"{} d="{}"/>').format(name, width, path))
    return Markup().join(paths)


def compact(document: str) -> dict[tuple[str, float], str]:
    """An RDKit drawing as few paths: one per color and width, in relative integer coordinates.

    Returns:
        Path data by (class, width of the stroke); the class is `s` for strokes or `f` for areas, and the
        element's where it has a color. A tenth of RDKit's own text, and no style attribute.
    """
    found: dict[tuple[str, float], list[str]] = {}
    for path, rest in _PATH.findall(document):
        color = _COLORS.get("".join(_COLOR.findall(rest)[-1:]).upper(), "")
        stroked = "fill:none" in rest
        width = _WIDTH.search(rest)
        key = (f"{'s' if stroked else 'f'} {color}".strip(), float(width[1]) if stroked and width else 0.0)
        found.setdefault(key, []).append("".join(_relative(path)))
    return {key: "".join(paths) for key, paths in found.items()}


def _relative(path: str) -> Iterator[str]:
    """Path data with integers, relative to the last point except at the start of each part."""
    here = (0, 0)
    for command, text in _STEP.findall(path):
        if command == "Z":
            yield "z"
            continue
        numbers = [round(float(value) * _GRAIN) for value in _NUMBER.findall(text)]
        points = list(zip(numbers[::2], numbers[1::2], strict=False))
        if not points:
            continue
        from_here = (0, 0) if command == "M" else here
        steps = [value for x, y in points for value in (x - from_here[0], y - from_here[1])]
        yield (command if command == "M" else command.lower()) + _joined(steps)
        here = points[-1]


def _joined(numbers: list[int]) -> str:
    """Numbers as compact path data: a minus sign replaces the blank before it."""
    return "".join(f"{n}" if k == 0 or n < 0 else f" {n}" for k, n in enumerate(numbers))


_DIGITS = 6  # significant digits kept


@dataclass(frozen=True)
class TableColumn:
    """One column.

    Attributes:
        name: Header, also used in searches and addresses.
        values: One per row, `None` if absent.
        kind: Type of the values; text may be untrusted.
        shown: Whether the page shows it; downloads always include it.
        hint: Tooltip.
    """

    name: str
    values: Sequence[Any]
    kind: Literal["smiles", "number", "integer", "text"] = "text"
    shown: bool = True
    hint: str = ""


@dataclass(frozen=True)
class MoleculeTable:
    """Rows that can be sorted, searched, copied and downloaded in the page.

    Attributes:
        columns: The first one is `smiles`.
        n_total: Number of rows these were selected from.
        name: File name of downloads.
        drawings: Number of each row's drawing; -1 where there is none.
        blocks: Structures of the rows for SD files, one molblock each, empty where there is none.
    """

    columns: Sequence[TableColumn]
    n_total: int
    name: str
    drawings: Sequence[int]
    blocks: Sequence[str]

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """A value per column of each row."""
        return list(zip(*(column.values for column in self.columns), strict=True))

    @property
    def data(self) -> Markup:
        """The table as JSON that is safe inside a script element."""
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
    gallery: Gallery,
    *,
    name: str,
    n_molecules: int,
    n_total: int | None = None,
) -> MoleculeTable:
    """A table (a selection of `n_total` rows, if given), its first `n_molecules` drawn in the gallery."""
    drawings, blocks = [], []
    drawn: set[int] = set()
    for smiles in columns[0].values:
        molecule = parse(str(smiles or ""))
        number = -1
        if is_valid(molecule):
            blocks.append(sdf_record(molecule).removesuffix("$$$$\n"))
            if len(drawn) < n_molecules or molecule.smiles in gallery.symbols:
                number = gallery.draw(molecule)
                drawn.add(number)
        else:
            blocks.append("")
        drawings.append(number)
    return MoleculeTable(columns, len(drawings) if n_total is None else n_total, name, drawings, blocks)


def row_numbers(table: MoleculeTable) -> Mapping[str, int]:
    """First row of each SMILES of the table."""
    numbers: dict[str, int] = {}
    for number, smiles in enumerate(table.columns[0].values):
        numbers.setdefault(str(smiles), number)
    return numbers


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def _inert(text: str) -> Markup:
    """JSON that cannot end its enclosing element."""
    for character, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(character, code)
    return Markup(text.replace("\u2029", "\\u2029"))  # noqa: S704 - made inert above
