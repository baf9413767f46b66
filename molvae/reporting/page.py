"""The parts of a report, and its rendering as a self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from molvae import __version__
from molvae.config import flat
from molvae.reporting.drawings import Gallery
from molvae.reporting.scales import shown
from molvae.text import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.config import Settings
    from molvae.reporting.charts import Size
    from molvae.reporting.drawings import MoleculeTable


_RIGHT = re.compile(r"-|-?[\d.,]+ %")
_LONGEST = 200  # characters of a value


@dataclass(frozen=True)
class Card:
    """One key figure of a report: label, formatted value, and a note."""

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
    """A small table. Text is escaped, numbers are right-aligned, bars (`charts.bar`) are unchanged."""

    kind: ClassVar[str] = "grid"
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """A molecule as a picture with a few lines.

    Attributes:
        drawing: Number in the gallery; -1 if invalid.
        smiles: For copying.
        lines: Lines below the picture, the first one emphasized.
        origin: Number of the drawing of its parent, if any.
        origin_note: How it was derived from it.
        origin_smiles: For copying.
        good: Whether it is marked as right or wrong; None for neither.
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
    """Molecules side by side: a chain, or pairs of parent and molecule."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]
    title: str = ""
    caption: str = ""
    form: Literal["", "chain", "pairs"] = ""


@dataclass(frozen=True)
class Facts:
    """Settings, or other values by name, collapsed until the title is clicked.

    >>> Facts({"a": {"b": 1, "c": None}, "d": [1, 2], "e": [{"f": 3}]}, "All of them").pairs
    [('a.b', 1), ('d', '1, 2'), ('e.0.f', 3)]
    """

    kind: ClassVar[str] = "facts"
    values: Settings | Mapping[str, Any]
    title: str
    folded: bool = True

    @property
    def pairs(self) -> list[tuple[str, Any]]:
        """Dotted names and values, without unset ones."""
        values = self.values if isinstance(self.values, Mapping) else self.values.model_dump(mode="json")
        pairs = []
        for name, value in flat(_numbered(values)).items():
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            if isinstance(text, str) and len(text) > _LONGEST:
                text = f"{text[:_LONGEST]}…"
            if text is not None:
                pairs.append((name.replace("_", " "), text))
        return pairs


def _numbered(value: Any) -> Any:
    """The same with lists of tables as tables with numbers as keys."""
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    return {key: _numbered(item) for key, item in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True)
class Attachment:
    """A file embedded in the page, saved by a click on its title."""

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
    """A section of a report, `anchor` in its URL, with a note below its title; omitted without blocks."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        kind: Subject: training run, checkpoint, campaign, screen, molecules.
        title: Title.
        subtitle: One line of detail.
        when: Time span, if recorded.
        cards: Key figures.
        sections: Sections, in order.
        table: The molecule table, if any.
        gallery: Drawings of molecules.
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

    All data are escaped; a content security policy also allows only the page's own script and style (by
    sha256) and forbids all requests.
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
    """Whether a cell is right-aligned."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _RIGHT.fullmatch(value) is not None
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _shown(value: Any) -> Any:
    """A cell as text; markup is unchanged."""
    return value if isinstance(value, str) else cell(value, shown)
