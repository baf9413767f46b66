"""Results of a campaign: tables, summaries and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.search.evidence import doubts
from molvae.cli.output import table_text
from molvae.data.records import Column
from molvae.oracles.base import trouble_of, value_of
from molvae.oracles.references import labels_of
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.history import History
    from molvae.campaign.runner import MoveReport
    from molvae.campaign.table import Row
    from molvae.cli.output import Session
    from molvae.oracles.config import Objective

PICTURED = 12
_TOP = 10
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("identifier", "name", "source", "trouble"), "text"),
    **dict.fromkeys(("smiles", "parent"), "smiles"),
    **dict.fromkeys(("call", "feasible"), "integer"),
}
"""Types of columns that cannot be inferred from their values."""


def named_values(row: Row, objectives: Sequence[Objective]) -> dict[str, float | None]:
    """The scores of a row by name of the objective; a goal with a bound occurs once."""
    return {o.name: value_of(score) for o, score in zip(objectives, row.scores, strict=True)}


def best_text(best: Sequence[Row], objectives: Sequence[Objective]) -> str:
    """The best molecules as a table: rank, scores, source, call, SMILES."""
    rows = []
    for rank, row in enumerate(best, start=1):
        scores = named_values(row, objectives).values()
        source = f"{row.source} ({row.name})" if row.name else row.source
        rows.append([rank, *scores, source, "-" if row.call is None else row.call + 1, row.smiles])
    header = ("#", *labels_of(o.name for o in objectives).values(), "source", "call", "smiles")
    return table_text(header, rows) if rows else ""


def write_table(session: Session, target: Path, table: Sequence[Row], history: History) -> None:
    """Write molecules of a campaign in the given order, with forecasts of those chosen by a surrogate."""
    from molvae.campaign.table import descent_columns, forecast_columns, replicate_columns

    objectives = history.settings.objectives
    values: dict[str, Sequence[Any]] = {
        name: [getattr(row, name) for row in table] for name in ("identifier", "name", "smiles")
    }
    values["call"] = [None if row.call is None else row.call + 1 for row in table]
    values |= {name: [getattr(row, name) for row in table] for name in ("source", "parent")}
    scores = [named_values(row, objectives) for row in table]
    values |= {name: [row[name] for row in scores] for name in dict.fromkeys(o.name for o in objectives)}
    values["feasible"] = [int(row.feasible) for row in table]
    values["trouble"] = [trouble_of(row.scores) for row in table]
    values |= replicate_columns([row.scores for row in table], [objective.name for objective in objectives])
    values |= forecast_columns([row.forecast for row in table], history)
    values |= descent_columns([row.ancestor for row in table], history)
    write_columns(session, target, values)


def write_columns(session: Session, target: Path | None, values: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length as rows to a file or stdout."""
    columns = []
    for name, cells in values.items():
        numbers = all(value is None or isinstance(value, float) for value in cells)
        columns.append(Column(name, _KINDS.get(name) or ("number" if numbers else "text")))
    with session.rows(target, columns) as writer:
        for row in zip(*values.values(), strict=True):
            writer.write(row)


def write_poses(path: Path, settings: CampaignSettings, best: Sequence[Row]) -> dict[str, Path]:
    """Write the docking poses of the best molecules, if saved; returns the file for a summary."""
    from molvae.chemistry.molecule import is_valid, parse
    from molvae.oracles.docking import kept_poses

    molecules = [molecule for row in best if is_valid(molecule := parse(row.smiles))]
    text = kept_poses([objective.name for objective in settings.objectives], molecules)
    if not text:
        return {}
    write_atomically(path, text)
    return {"poses": path}


def draw(
    directory: Path, settings: CampaignSettings, table: Sequence[Row], best: Sequence[Row]
) -> dict[str, Path]:
    """The pictures of a campaign: the best molecules, progress, and the Pareto front of two goals."""
    from molvae.chemistry.depiction import grid_png
    from molvae.chemistry.molecule import parse
    from molvae.reporting.figures import draw_front, draw_progress

    drawn: dict[str, Path] = {}
    objectives = settings.objectives
    if best:
        legends, labels = [], labels_of(o.name for o in objectives).values()
        for row in best:
            pairs = zip(labels, named_values(row, objectives).values(), strict=True)
            scores = [f"{label} {'-' if value is None else f'{value:.3g}'}" for label, value in pairs]
            legends.append(", ".join([row.name, *scores] if row.name else scores))
        drawn["picture"] = directory / "best.png"
        write_atomically(drawn["picture"], grid_png([parse(row.smiles) for row in best], legends))
    called = [row for row in table if row.call is not None]
    if any(score is not None and score.is_measured for row in called for score in row.scores):
        drawn["progress"] = directory / "progress.png"
        draw_progress(settings, table, drawn["progress"])
    if draw_front(settings, table, directory / "front.png"):
        drawn["front"] = directory / "front.png"
    return drawn


def comparison(settings: CampaignSettings, table: Sequence[Row]) -> list[dict[str, Any]]:
    """Start and found molecules compared per goal: best and top-10 mean within all bounds.

    The start is the user's molecules, library molecules tried later included; without any, the first samples
    of the prior.
    """
    given = [row for row in table if row.source in {"start", "known", "library"}]
    first = [row for row in table if row.call is not None and row.call < settings.n_initial]
    start = given or first
    begun = {row.smiles for row in start}
    found = [row for row in table if row.smiles not in begun]
    short = labels_of(o.name for o in settings.objectives)
    lines = []
    for index, objective in enumerate(settings.objectives):
        if not objective.is_goal:
            continue
        for name, rows in (("start" if given else "first draws", start), ("found", found)):
            values = [v for row in rows if row.feasible and (v := value_of(row.scores[index])) is not None]
            values.sort(reverse=objective.direction == "maximize")
            lines.append(
                {
                    "goal": f"{objective.direction} {short[objective.name]}",
                    "set": name,
                    "scored": sum(any(s is not None for s in row.scores) for row in rows),
                    "within bounds": len(values),
                    "best": values[0] if values else None,
                    "mean of top 10": float(np.mean(values[:_TOP])) if values else None,
                }
            )
    return lines


def summary_text(settings: CampaignSettings, best: Sequence[Row], table: Sequence[Row]) -> str:
    """The best molecules, and the comparison with the start."""
    text = best_text(best, settings.objectives)
    compared = comparison(settings, table)
    text += "\n" + table_text(tuple(compared[0]), [tuple(line.values()) for line in compared])
    text += "".join(f"{doubt}\n" for doubt in doubts(table, settings.objectives))
    return text if best else "no molecule within all bounds yet\n" + text


def moves_text(reports: Sequence[MoveReport]) -> str:
    """The yield of each source of candidates; a hit is a candidate among the ten best."""
    header = ("source", "calls", "hits", "hit rate", "best", "attempts", "new", "share")
    rows = []
    for report in reports:
        best = None if np.isnan(report.best) else report.best
        share = _rate(report.share) if report.attempts else ""
        hits = (report.scored, report.hits, _rate(report.hit_rate), best)
        rows.append((report.move, *hits, report.attempts, report.new, share))
    return "\n" + table_text(header, rows) if rows else ""


def move_facts(reports: Sequence[MoveReport]) -> list[dict[str, Any]]:
    """The yield of each source of candidates, for JSON."""
    return [
        {
            "source": report.move,
            "calls": report.scored,
            "hits": report.hits,
            "best": None if np.isnan(report.best) else report.best,
            "attempts": report.attempts,
            "new": report.new,
            "share": round(report.share, 4),
        }
        for report in reports
    ]


def _rate(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.0f}%"


def row_facts(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[Mapping[str, Any]]:
    """Rows of a campaign for JSON."""
    return [
        {
            "identifier": row.identifier,
            "name": row.name or None,
            "smiles": row.smiles,
            **named_values(row, objectives),
            "source": row.source,
            "parent": row.parent,
            "call": None if row.call is None else row.call + 1,
        }
        for row in rows
    ]
