"""The parts of a report, and the HTML file they become, which loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from molvae import __version__
from molvae.reporting.drawings import Gallery
from molvae.reporting.scales import shown
from molvae.text import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.reporting.charts import Size
    from molvae.reporting.drawings import MoleculeTable


_RIGHT = re.compile(r"-|-?[\d.,]+ %")


@dataclass(frozen=True)
class Card:
    """One figure at the head of a report: what it is, its value as read, and a few words below it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart with a title above and a caption below; small is a quarter of the page's width."""

    kind: ClassVar[str] = "figure"
    drawing: Markup
    title: str
    caption: str = ""
    size: Size = "half"


@dataclass(frozen=True)
class Grid:
    """A small table. Text is escaped, numbers are set to the right, bars (`charts.bar`) stand as they are."""

    kind: ClassVar[str] = "grid"
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """A molecule as a picture with a few lines.

    Attributes:
        drawing: Its number in the gallery; -1 if it is invalid.
        smiles: To be copied.
        lines: Below the picture, the first one set off.
        origin: Number of the drawing of the molecule it comes from; None if it comes from none.
        origin_note: What joins them.
        origin_smiles: To be copied.
        good: Whether it is marked as right (True) or wrong (False); None for neither.
    """

    drawing: int
    smiles: str
    lines: Sequence[str] = ()
    origin: int | None = None
    origin_note: str = ""
    origin_smiles: str = ""
    good: bool | None = None


@dataclass(frozen=True)
class Tiles:
    """Molecules side by side: a chain if each leads to the next, pairs if each stands beside its origin."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]
    title: str = ""
    caption: str = ""
    form: Literal["", "chain", "pairs"] = ""


@dataclass(frozen=True)
class Facts:
    """Names and values, folded away until the title is clicked."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, Any]]
    title: str
    folded: bool = True


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True)
class Attachment:
    """A file within the page, saved by a click on its title."""

    kind: ClassVar[str] = "attachment"
    name: str
    text: str
    title: str

    @property
    def address(self) -> str:
        """The contents as a URL."""
        return f"data:application/octet-stream;base64,{base64.b64encode(self.text.encode()).decode()}"


Block = Figure | Grid | Tiles | Facts | Words | Attachment


@dataclass(frozen=True)
class Section:
    """A part of a report, `anchor` in addresses, with a note below its title; left out without blocks."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        kind: What it is about: training run, checkpoint, campaign, screen, molecules.
        title: What was done.
        subtitle: Of what, in a line.
        when: When it was done, as far as the records say.
        cards: The figures that matter most.
        sections: The rest.
        table: The molecule table; None where there are no molecules.
        gallery: Every molecule that is drawn.
    """

    kind: str
    title: str
    subtitle: str
    when: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    table: MoleculeTable | None = None
    gallery: Gallery = field(default_factory=Gallery)


def render(report: Report) -> str:
    """The report as one HTML file.

    Whatever comes from data is escaped; beyond that a content security policy lets only the page's own
    script and style run (by their sha256) and forbids every request.
    """
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            sections=[section for section in report.sections if section.blocks],
            style=Markup(style),  # noqa: S704 - a file of this package
            script=Markup(script),  # noqa: S704 - likewise
            policy=f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
            "base-uri 'none'; form-action 'none'",
            symbols=Markup().join(report.gallery.symbols.values()),
            version=__version__,
        )
    )


def _asset(name: str) -> str:
    return (files("molvae.reporting") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("molvae.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = _shown
    environment.tests["numeric"] = _is_number
    return environment


def _is_number(value: Any) -> bool:
    """Whether a cell stands to the right of its column."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _RIGHT.fullmatch(value) is not None
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _shown(value: Any) -> Any:
    """A cell as it is read; markup stays markup."""
    return value if isinstance(value, str) else cell(value, shown)
