"""The report of a screen, from its result or the parts done: funnel, rejections, best, properties."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molvae.data.readers import open_table
from molvae.data.records import Row
from molvae.errors import InputError
from molvae.persistence.files import reading
from molvae.persistence.locations import FUNNEL, JOB, MODEL
from molvae.reporting.charts import bar, histogram
from molvae.reporting.drawings import Gallery, TableColumn, molecule_table
from molvae.reporting.page import Block, Card, Facts, Figure, Grid, Report, Section, Tile, Tiles, Words
from molvae.reporting.scales import moment, percent, shown
from molvae.screening.funnel import STAGES, Funnel
from molvae.screening.job import Job, load_job
from molvae.screening.merging import RESULT
from molvae.screening.parts import read_part

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEST = 12
_MOST_REASONS = 25
_MOST_EXAMPLES = 20  # lines of rejected.csv
_STEPS = {
    "read": "rows read",
    "valid": "valid molecules",
    "kept": "pass the filters, not in the reference",
    "in_domain": "in the model's domain",
    "hits": "hits",
}
_SAME = 1e-12  # a range of numbers that are all the same


def screening_report(path: Path, *, n_molecules: int, n_rows: int) -> Report:
    """The report of a screen directory, of a merged result, or of the finished parts.

    Raises:
        InputError: No part is done.
        StorageError: It is damaged.
    """
    found = read_screen(path, n_rows)
    gallery = Gallery()
    columns = _columns(found)
    table = molecule_table(columns, gallery, name="hits", n_molecules=n_molecules, n_total=found.n_kept)
    sections = [
        _funnel_section(found),
        _dropped_section(found),
        _best_section(found, columns, gallery),
        _properties_section(columns),
    ]
    title, subtitle = f"Screen {path.name}", "the merged result"
    if found.job is not None:
        settings = found.job.settings
        facts = Facts(settings, "All settings of this screen")
        sections.append(Section("settings", "Settings", [facts]))
        wanted = ", ".join(map(str, settings.objectives)) or "every molecule that passes"
        checkpoint = settings.checkpoint
        model = checkpoint.parent.name if checkpoint.name == MODEL else checkpoint.name
        title, subtitle = f"Screen of {Path(settings.library).name}", f"{wanted} · model {model}"
    return Report(
        kind="screen",
        title=title,
        subtitle=subtitle,
        when=moment(found.when),
        cards=_cards(found),
        sections=sections,
        table=table if found.rows else None,
        gallery=gallery,
    )


def _columns(found: Screened) -> list[TableColumn]:
    """Columns for the page: SMILES first, then computed columns, the library's own columns last."""
    cells = dict(zip(found.header, zip(*found.rows, strict=True), strict=True)) if found.rows else {}
    columns = [TableColumn("smiles", cells.pop("smiles", ()), "smiles")]
    first = [name for name in ("rank", "identifier", *found.wanted) if name in cells]
    given = set() if found.job is None else set(found.job.columns)
    for name in dict.fromkeys([*first, *cells]):
        numbers = [_number(cell) for cell in cells[name]]
        readable = all(n is not None or not cell for n, cell in zip(numbers, cells[name], strict=True))
        aside = name.startswith("input.") or name in given or name == "line" or name.endswith("_sd")
        if readable and name != "identifier":
            columns.append(TableColumn(name, numbers, "number", shown=not aside))
        else:
            columns.append(TableColumn(name, cells[name], shown=not aside))
    return columns


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _cards(found: Screened) -> list[Card]:
    n = max(found.funnel.read, 1)
    counts = {name: getattr(found.funnel, name) for name in _STEPS}
    cards = [
        Card(name.replace("_", " "), f"{count:,}", "" if name == "read" else percent(count / n))
        for name, count in counts.items()
    ]
    if found.unmerged is not None:
        cards.append(Card("not merged yet", f"{found.unmerged:,} parts", "finished so far"))
    return cards


def _funnel_section(found: Screened) -> Section:
    n = max(found.funnel.read, 1)
    rows, before = [], found.funnel.read
    for name, words in _STEPS.items():
        count = getattr(found.funnel, name)
        rows.append((words, count, bar(count / n, inner=count / n), percent(count / n), before - count))
        before = count
    caption = f"Every row is accounted for: {found.funnel.balance}."
    grid = Grid(("step", "rows", "", "of all", "dropped here"), rows, caption=caption)
    return Section("funnel", "Funnel", [grid])


def _dropped_section(found: Screened) -> Section:
    funnel = found.funnel
    blocks: list[Block] = []
    reasons = sorted(funnel.by_reason.items(), key=lambda item: -item[1])
    if reasons:
        most = reasons[0][1]
        order = {stage: place for place, stage in enumerate(STAGES)}
        rows = []
        for text, count in reasons[:_MOST_REASONS]:
            stage, _, reason = text.partition(": ")
            rows.append((stage if stage in order else "", reason or stage, count, bar(count / most, "c1")))
        more = len(reasons) - len(rows)
        caption = f"{more:,} rarer reasons are in funnel.json." if more > 0 else ""
        blocks.append(Grid(("stage", "why", "rows", ""), rows, caption=caption))
    if found.rejected:
        blocks.append(
            Grid(("row", "identifier", "text", "stage", "reason"), found.rejected, "The first rejected rows")
        )
    if not blocks:
        blocks.append(Words("No row was dropped."))
    return Section("dropped", "Dropped rows", blocks)


def _best_section(found: Screened, columns: Sequence[TableColumn], gallery: Gallery) -> Section:
    if not found.rows:
        return Section("best", "Best molecules", [])
    values = {column.name: column.values for column in columns}
    tiles = []
    for n, smiles in enumerate(values["smiles"][:_BEST]):
        scores = ", ".join(f"{name} {shown(values[name][n])}" for name in found.wanted if name in values)
        name = str(values["identifier"][n]) if "identifier" in values else ""
        tiles.append(Tile(gallery.draw(smiles), smiles, [line for line in (scores, name) if line]))
    return Section("best", "Best molecules" if found.ranked else "First hits", [Tiles(tiles)])


def _properties_section(columns: Sequence[TableColumn]) -> Section:
    figures: list[Block] = []
    for column in columns:
        if column.kind != "number" or not column.shown or column.name in {"rank", "line", "utility"}:
            continue
        values = np.array(column.values, dtype=np.float64)
        if np.isfinite(values).any() and np.nanmax(values) - np.nanmin(values) > _SAME:
            figures.append(Figure(histogram(values, x=column.name), column.name, size="small"))
    return Section("properties", "Properties of the kept molecules", figures)


@dataclass(frozen=True)
class Screened:
    """Records of a screen.

    Attributes:
        funnel: The account of all rows.
        header: Columns of the kept rows.
        rows: The kept rows shown, as text.
        n_kept: Number of kept rows.
        ranked: Whether they are sorted by rank.
        job: The job; None if only the result is available.
        rejected: Lines of rejected.csv shown.
        when: Time of its last file.
        unmerged: Number of finished parts, if not merged.
    """

    funnel: Funnel
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_kept: int
    ranked: bool
    job: Job | None
    rejected: Sequence[Sequence[str]]
    when: float
    unmerged: int | None = None

    @property
    def wanted(self) -> list[str]:
        """Names of the objectives, each once."""
        objectives = () if self.job is None else self.job.settings.objectives
        return list(dict.fromkeys(objective.name for objective in objectives))


def read_screen(path: Path, n_rows: int) -> Screened:
    """The records of a screen: its merged result, or else the finished parts.

    Raises:
        InputError: No part is done.
        StorageError: It is damaged.
    """
    job = load_job(path) if (path / JOB).is_file() else None
    result = path / RESULT if (path / RESULT / FUNNEL).is_file() else path
    if (result / FUNNEL).is_file():
        return _merged(result, job, n_rows)
    if job is None:
        raise InputError(f"{path} is not a screen directory")
    return _from_parts(path, job, n_rows)


def _merged(result: Path, job: Job | None, n_rows: int) -> Screened:
    account = result / FUNNEL
    with reading(account):
        funnel = Funnel.from_facts(json.loads(account.read_text(encoding="utf-8")))
    tables = [file for name in ("best", "hits") for file in sorted(result.glob(f"{name}.*"))]
    header: list[str] = []
    rows: list[list[str]] = []
    n_kept = 0
    if tables:
        opened = open_table(tables[0], smiles_column="smiles" if tables[0].suffix != ".smi" else None)
        header = list(opened.columns)
        if opened.id_column is not None and "identifier" not in header:  # a .smi file has no header
            header[header.index(opened.id_column)] = "identifier"
        for row in opened.rows():
            n_kept += 1
            if isinstance(row, Row) and len(rows) < n_rows:
                header = header if "smiles" in header else ["smiles", *header]
                own = {**row.fields, "smiles": row.text, "identifier": row.identifier}
                rows.append([own.get(name, "") for name in header])
    rejected: list[list[str]] = []
    if (result / "rejected.csv").is_file():
        listed = result / "rejected.csv"
        with reading(listed), listed.open(newline="", encoding="utf-8") as file:
            rejected = list(islice(csv.reader(file), 1, 1 + _MOST_EXAMPLES))
    ranked = bool(tables) and tables[0].name.startswith("best")
    when = account.stat().st_mtime
    return Screened(funnel, header, rows, n_kept, ranked, job, rejected, when)


def _from_parts(path: Path, job: Job, n_rows: int) -> Screened:
    funnel, n_parts, n_kept, when = Funnel(), 0, 0, 0.0
    rows: list[list[str]] = []
    rejected: list[list[str]] = []
    names = [place.name for place in sorted((path / "parts").glob("*/[0-9]*"))]
    for number in [int(name) for name in names if name.isdecimal()]:
        part = read_part(path, number, job.digest)
        if part is None:
            continue
        n_parts += 1
        funnel += part.funnel
        when = max(when, part.path.stat().st_mtime)
        for hit in part.hits():
            if hit.reason:  # a row that was dropped, where every row is kept
                continue
            n_kept += 1
            if len(rows) < n_rows:
                numbers = ["" if value is None else repr(value) for value in hit.numbers]
                rows.append([str(hit.line), hit.identifier, hit.smiles, *numbers, *hit.cells])
        left = _MOST_EXAMPLES - len(rejected)
        rejected += [[str(cell) for cell in line] for line in islice(part.rejected(), left)]
    if not n_parts:
        raise InputError(f"no part of {path} is done yet", hint="Run the same 'molvae screen' again.")
    header = [column.name for column in job.table(ranked=True)[2:]]  # without rank and utility
    return Screened(funnel, header, rows, n_kept, False, job, rejected, when, n_parts)
