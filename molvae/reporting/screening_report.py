"""The report of a screen: the funnel, rejections, the best molecules, their properties."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.reporting.charts import bar, histogram
from molvae.reporting.drawings import Gallery, TableColumn, molecule_table
from molvae.reporting.page import Block, Card, Facts, Figure, Grid, Report, Section, Tile, Tiles, Words
from molvae.reporting.scales import flat, moment, percent, shown
from molvae.reporting.screen_records import read_screen
from molvae.screening.funnel import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.reporting.screen_records import Screened

_BEST = 12
_MOST_REASONS = 25
_STEPS = (
    ("read", "rows read"),
    ("valid", "valid molecules"),
    ("kept", "pass the filters, not known"),
    ("in_domain", "in the model's domain"),
    ("hits", "hits"),
)
_DIGITS = 1e-12


def screening_report(path: Path, *, n_molecules: int = 200, n_rows: int = 5000) -> Report:
    """What a screen came to: of its directory, of a merged result, or of the parts done so far.

    Args:
        path: The directory.
        n_molecules: Molecules of the table that are drawn.
        n_rows: Rows of the table.

    Raises:
        InputError: No part is done.
        StorageError: It is damaged.
    """
    found = read_screen(path, n_rows)
    gallery = Gallery()
    table_columns, rows = _table(found)
    table = molecule_table(
        table_columns, rows, gallery, name="hits", n_molecules=n_molecules, n_total=found.n_kept
    )
    sections = [
        _funnel_section(found),
        _dropped_section(found),
        _best_section(found, table_columns, rows, gallery),
        _properties_section(table_columns, rows),
    ]
    if found.job is not None:
        settings = [Facts(flat(found.job.settings), "Everything that decided this screen")]
        sections.append(Section("settings", "Settings", settings))
    return Report(
        kind="screen",
        title=_title(found, path),
        subtitle=_subtitle(found),
        when=moment(found.when),
        cards=_cards(found),
        sections=sections,
        table=table if rows else None,
        gallery=gallery,
    )


def _table(found: Screened) -> tuple[list[TableColumn], list[list[Any]]]:
    """Columns and rows for the page: SMILES first, numbers as numbers, the library's own columns last."""
    own = [name for name in found.header if name != "smiles"]
    wanted = [] if found.job is None else [wish.name for wish in found.job.settings.objectives]
    first = [name for name in ("rank", "identifier", *dict.fromkeys(wanted)) if name in own]
    names = [*first, *(name for name in own if name not in first)]
    at = [found.header.index(name) for name in names]
    smiles = found.header.index("smiles") if found.rows else 0
    columns, parsed = [TableColumn("smiles", "smiles")], []
    given = set() if found.job is None else set(found.job.columns)
    for name, index in zip(names, at, strict=True):
        cells = [row[index] for row in found.rows]
        numbers = [_number(cell) for cell in cells]
        is_number = name != "identifier" and all(n is not None or not c for n, c in zip(numbers, cells))
        aside = name.startswith("input.") or name in given or name == "line" or name.endswith("_sd")
        columns.append(TableColumn(name, "number" if is_number else "text", shown=not aside))
        parsed.append(numbers if is_number else cells)
    rows = [[row[smiles], *cells] for row, *cells in zip(found.rows, *parsed, strict=True)]
    return columns, rows


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _title(found: Screened, path: Path) -> str:
    return (
        f"Screen of {Path(found.job.settings.library).name}"
        if found.job is not None
        else f"Screen {path.name}"
    )


def _subtitle(found: Screened) -> str:
    if found.job is None:
        return "the merged result"
    wishes = [
        f"{w.direction} {w.name}" if w.is_goal else f"{w.name} {w.direction.replace('_', ' ')} {w.bound:g}"
        for w in found.job.settings.objectives
    ]
    words = ", ".join(wishes) or "every molecule that passes"
    checkpoint = found.job.settings.checkpoint
    model = checkpoint.parent.name if checkpoint.name == "model" else checkpoint.name
    return f"{words} · model {model}"


def _cards(found: Screened) -> list[Card]:
    funnel = found.funnel
    n = max(funnel.read, 1)
    cards = [
        Card(
            label, f"{getattr(funnel, name):,}", "" if name == "read" else percent(getattr(funnel, name) / n)
        )
        for name, label in (
            ("read", "read"),
            ("valid", "valid"),
            ("kept", "kept"),
            ("in_domain", "in domain"),
            ("hits", "hits"),
        )
    ]
    if found.unmerged is not None:
        cards.append(Card("not merged yet", f"{found.unmerged:,} parts", "those done so far"))
    return cards


def _funnel_section(found: Screened) -> Section:
    n = max(found.funnel.read, 1)
    rows, before = [], found.funnel.read
    for name, words in _STEPS:
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
        blocks.append(Words("Nothing was dropped."))
    return Section("dropped", "Dropped, and why", blocks)


def _best_section(
    found: Screened, columns: Sequence[TableColumn], rows: Sequence[Sequence[Any]], gallery: Gallery
) -> Section:
    if not rows:
        return Section("best", "Best molecules", [])
    names = [column.name for column in columns]
    wanted = [] if found.job is None else [wish.name for wish in found.job.settings.objectives]
    picked = [names.index(name) for name in dict.fromkeys(wanted) if name in names]
    identifier = names.index("identifier") if "identifier" in names else None
    tiles = []
    for row in rows[:_BEST]:
        values = ", ".join(f"{names[i]} {shown(row[i])}" for i in picked)
        lines = [values, "" if identifier is None else str(row[identifier])]
        tiles.append(Tile(gallery.draw(str(row[0])), str(row[0]), [line for line in lines if line]))
    return Section("best", "Best molecules" if found.ranked else "First hits", [Tiles(tiles)])


def _properties_section(columns: Sequence[TableColumn], rows: Sequence[Sequence[Any]]) -> Section:
    figures: list[Block] = []
    for index, column in enumerate(columns):
        if column.kind != "number" or not column.shown or column.name in {"rank", "line", "utility"}:
            continue
        values = np.array([np.nan if row[index] is None else row[index] for row in rows], dtype=np.float64)
        if np.isfinite(values).any() and np.nanmax(values) - np.nanmin(values) > _DIGITS:
            figures.append(Figure(histogram(values, x=column.name), column.name, size="small"))
    return Section("properties", "Properties of the kept molecules", figures)
