"""A report of a batch of candidates: aligned drawings, best first, with predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.table import DESCENDS, LIKENESS, NEAREST, WITHIN
from molvae.chemistry.depiction import Core
from molvae.chemistry.molecule import is_valid, parse
from molvae.reporting.drawings import Gallery, TableColumn, molecule_table
from molvae.reporting.page import Card, Report, Section, Tile, Tiles
from molvae.reporting.scales import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.history import History
    from molvae.campaign.table import Candidates


def batch_report(candidates: Candidates, history: History, title: str) -> Report:
    """One page of a batch: a tile for each candidate, and a table to sort, search and download."""
    objectives = history.settings.objectives
    order = _best_first(candidates, history)
    columns = {name: [values[row] for row in order] for name, values in candidates.columns.items()}
    molecules = [m for text in columns["smiles"] if is_valid(m := parse(text))]
    gallery = Gallery(core=Core(molecules))
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    asked = [objectives[j].name for j in (*history.known.wholes, *history.known.measured)]
    tiles = [_tile(row, asked, gallery) for row in rows]
    shown_columns = [TableColumn("smiles", columns.pop("smiles"), "smiles")]
    shown_columns += [TableColumn(name, values, _kind(name, values)) for name, values in columns.items()]
    table = molecule_table(shown_columns, gallery, name="batch", n_molecules=len(rows))
    caption = (
        "Expected value and its standard deviation; the molecule it descends from and the most similar one "
        "that was measured, with its value."
    )
    return Report(
        kind="batch",
        title=title,
        subtitle=" · ".join(str(objective) for objective in objectives),
        when=f"batch {history.n_asks}",
        cards=_cards(len(rows), columns, asked),
        sections=[Section("batch", "Candidates", [Tiles(tiles, caption=caption)])],
        table=table,
        gallery=gallery,
    )


def _best_first(candidates: Candidates, history: History) -> list[int]:
    """Sorted by the expected value of the first measured goal, if any."""
    objectives, known = history.settings.objectives, history.known
    goals = [j for j, o in enumerate(objectives) if o.is_goal and j not in known.columns]
    if not goals:
        return list(range(len(candidates)))
    means = [None if c.forecast is None else c.forecast.mean[goals[0]] for c in candidates]
    keys = [np.inf if mean is None else -objectives[goals[0]].sign * mean for mean in means]
    return [int(row) for row in np.argsort(keys, kind="stable")]


def _cards(n: int, columns: Mapping[str, Sequence[Any]], asked: Sequence[str]) -> list[Card]:
    cards = [Card("candidates", f"{n}")]
    for name in asked:
        if values := [v for v in columns.get(f"predicted {name}", ()) if v is not None]:
            span = f"{shown(min(values))} to {shown(max(values))}"
            cards.append(Card(f"expected {name}", shown(float(np.mean(values))), span))
    if values := [v for v in columns.get(WITHIN, ()) if v is not None]:
        cards.append(Card(WITHIN, f"{np.mean(values):.0%}", "mean"))
    return cards


def _tile(row: Mapping[str, Any], asked: Sequence[str], gallery: Gallery) -> Tile:
    lines = [str(row["identifier"])]
    lines += [
        f"{name} {shown(mean)} ± {shown(row[f'sd {name}'])}"
        for name in asked
        if (mean := row.get(f"predicted {name}")) is not None
    ]
    if (odds := row.get(WITHIN)) is not None:
        lines.append(f"within bounds {odds:.0%}")
    origin = row.get(DESCENDS)
    if origin is not None:
        lines.append(f"{row['source']} from {row.get(f'{DESCENDS} (name)') or 'a measured molecule'}")
    else:
        lines.append(str(row["source"]))
    if row.get(NEAREST) is not None:
        values = [f"{n} {shown(v)}" for n in asked if (v := row.get(f"{NEAREST} {n}")) is not None]
        name = row.get(f"{NEAREST} name") or ""
        lines.append(" ".join(["nearest", name, *values, f"(similarity {row[LIKENESS]:.2f})"]))
    return Tile(
        gallery.draw(str(row["smiles"])),
        str(row["smiles"]),
        lines,
        origin=None if origin is None else gallery.draw(str(origin)),
        origin_smiles=origin or "",
    )


def _kind(name: str, values: Sequence[Any]) -> Any:
    if name in {"parent", NEAREST, DESCENDS}:
        return "text"
    return "number" if all(v is None or isinstance(v, float) for v in values) else "text"
