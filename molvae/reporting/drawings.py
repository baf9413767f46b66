"""Drawings of molecules as small SVG symbols, each drawn once per page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from molvae.chemistry.depiction import grid_svg
from molvae.chemistry.molecule import Invalid, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molvae.chemistry.depiction import Core
    from molvae.chemistry.molecule import Molecule

PANEL = (220, 160)
"""Width and height of a drawing, in pixels of RDKit's."""
_GRAIN = 10  # whole numbers of a drawing to a pixel: RDKit writes tenths

_COLORS = {
    "#0000FF": "N",
    "#FF0000": "O",
    "#33CCCC": "F",
    "#00CC00": "Cl",
    "#7F4C19": "Br",
    "#A01EEF": "I",
    "#CCCC00": "S",
    "#FF7F00": "P",
}
"""RDKit's colors of elements -> what the style sheet calls them; all others are drawn in ink."""

_PATH = re.compile(r"<path [^>]*?d='([^']*)'([^>]*)>")
_COLOR = re.compile(r"(?:stroke:|fill:|fill=')(#[0-9A-Fa-f]{6})")
_WIDTH = re.compile(r"stroke-width:([0-9.]+)px")
_STEP = re.compile(r"([MLQCZ])([^MLQCZ]*)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass
class Gallery:
    """The drawings of a page; a molecule that is named again is not drawn again.

    Attributes:
        symbols: `<symbol>` elements by canonical SMILES.
        core: What the molecules have in common, if they are to be drawn alike.
    """

    symbols: dict[str, Markup] = field(default_factory=dict)
    core: Core | None = None
    _numbers: dict[str, int] = field(default_factory=dict)

    def draw(self, molecule: Molecule | Invalid | str) -> int:
        """Number of a molecule's drawing, which is made if there is none; -1 for invalid molecules."""
        known = parse(molecule) if isinstance(molecule, str) else molecule
        if isinstance(known, Invalid):
            return -1
        if known.smiles not in self._numbers:
            number = len(self._numbers)
            self._numbers[known.smiles] = number
            self.symbols[known.smiles] = _symbol(known, number, self.core)
        return self._numbers[known.smiles]

    def __len__(self) -> int:
        return len(self._numbers)


def _symbol(molecule: Molecule, number: int, core: Core | None) -> Markup:
    width, height = PANEL
    strokes = compact(grid_svg([molecule], columns=1, panel=PANEL, core=core))
    body = Markup().join(
        Markup('<path class="{}"{} d="{}"/>').format(name, _thickness(thick), path)
        for (name, thick), path in strokes.items()
    )
    return Markup('<symbol id="m{}" viewBox="0 0 {} {}">{}</symbol>').format(
        number, width * _GRAIN, height * _GRAIN, body
    )


def _thickness(width: float) -> Markup:
    return Markup() if not width else Markup(' stroke-width="{:g}"').format(width * _GRAIN)


def compact(document: str) -> dict[tuple[str, float], str]:
    """An RDKit drawing as few paths: what has one color and one width is one path of whole, relative steps.

    Returns:
        Path data by (class, width of the stroke); the class is `s` for strokes or `f` for areas, and the
        element's where it has a color. A tenth of RDKit's own text, and no style attribute.
    """
    found: dict[tuple[str, float], list[str]] = {}
    for path, rest in _PATH.findall(document):
        color = _COLORS.get(_last_color(rest), "")
        stroked = "fill:none" in rest
        width = _WIDTH.search(rest)
        key = (f"{'s' if stroked else 'f'} {color}".strip(), float(width[1]) if stroked and width else 0.0)
        found.setdefault(key, []).append("".join(_relative(path)))
    return {key: "".join(paths) for key, paths in found.items()}


def _last_color(style: str) -> str:
    colors = _COLOR.findall(style)
    return colors[-1].upper() if colors else ""


def _relative(path: str) -> Iterator[str]:
    """Path data with whole numbers, counted from the last point but for the first of each part."""
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
    """Numbers as short as path data may be: a minus sign stands for the blank before it."""
    return "".join(f"{n}" if k == 0 or n < 0 else f" {n}" for k, n in enumerate(numbers))
