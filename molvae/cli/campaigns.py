"""What the commands of a campaign share: its directory, start, tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.begun_with import remembered
from molvae.campaign.doubts import doubts
from molvae.cli import inputs, places
from molvae.cli.objectives import best_table, distinct_columns, labels, trouble_of, value_of
from molvae.cli.output import table_text
from molvae.data.writers import Column, open_writer
from molvae.errors import InputError, UsageError
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.history import History
    from molvae.campaign.sources.report import MoveReport
    from molvae.campaign.table import Row
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE
    from molvae.oracles.objectives import Objective

SETTINGS = "settings.toml"
_TOP = 10
PICTURED = 12


def read_neighborhoods(given: dict[str, Any], session: Session) -> None:
    """Read the molecules of `--near` and `--novel` in place; unreadable ones are left out and counted.

    Raises:
        InputError: A file has no molecule at all.
    """
    from molvae.chemistry.molecule import is_valid
    from molvae.chemistry.standardize import standardize

    for word in ("near", "novel"):
        if given[word] is None:
            continue
        source, similarity = given[word]
        texts = [row.text for row in inputs.given([source], session)]
        read = [molecule.smiles for text in texts if is_valid(molecule := standardize(text))]
        if not read:
            raise InputError(f"--{word} {source}: no molecule among {len(texts)} rows")
        if len(read) < len(texts):
            session.note(f"--{word} {source}: {len(texts) - len(read)} of {len(texts)} rows left out")
        given[word] = {"smiles": list(dict.fromkeys(read)), "similarity": similarity}


def load_model(directory: Path, checkpoint: Path | None, device: str) -> MolVAE:
    """The model of a campaign: the given checkpoint, or the one it was begun with."""
    from molvae.latent.codec import MolVAE

    if checkpoint is not None:
        return MolVAE.load(places.checkpoint(checkpoint), device=device)
    written = remembered(directory)
    if written is None:
        raise UsageError(
            f"the campaign {directory} does not say which model it uses", hint="Give it with --checkpoint."
        )
    return MolVAE.load(written, device=device)


def opened(journal: Path, *, writable: bool = True) -> Campaign:
    """A campaign, with its model where that predicts some of the objectives."""
    from molvae.campaign.campaign import Campaign

    campaign = Campaign.open(journal, writable=writable)
    if not campaign.history.known.needs_model:
        return campaign
    campaign.close()
    return Campaign.open(journal, load_model(journal.parent, None, "auto"), writable=writable)


def why_so_few(campaign: Campaign) -> str:
    """Why a search found fewer molecules than it was asked for, in a sentence."""
    if not (turned_away := campaign.turned_away):
        return "nothing new can be found; more --start molecules give the search more to work with"
    most = sorted(turned_away.items(), key=lambda pair: -pair[1])
    counts = ", ".join(f"{bound} ({count:,})" for bound, count in most)
    return (
        f"molecules outside the bounds were not handed out: {counts}; "
        "wider bounds, or --start molecules within them, help"
    )


def write_table(target: Path, table: Sequence[Row], history: History) -> None:
    """Molecules of a campaign in the order given, with what was expected of those a surrogate chose."""
    from molvae.campaign.batch import descent_columns, forecast_columns
    from molvae.campaign.table import replicate_columns

    scored = distinct_columns(history.settings.objectives)
    names = [objective.name for objective in history.settings.objectives]
    beside: dict[str, list[Any]] = {**replicate_columns([row.scores for row in table], names)}
    beside |= forecast_columns([row.forecast for row in table], history)
    beside |= descent_columns([row.ancestor for row in table], history)
    columns = [Column("identifier"), Column("name"), Column("smiles", "smiles")]
    columns += [Column("call", "integer"), Column("source")]
    columns += [Column("parent", "smiles"), *(Column(name, "number") for name, _ in scored)]
    columns += [Column("feasible", "integer"), Column("trouble")]
    columns += [Column(name, kind_of_column(values)) for name, values in beside.items()]
    with open_writer(target, columns) as writer:
        for number, row in enumerate(table):
            scores = [value_of(row.scores[index]) for _, index in scored]
            call = None if row.call is None else row.call + 1
            cells = [row.identifier, row.name, row.smiles, call, row.source, row.parent, *scores]
            cells += [int(row.feasible), trouble_of(row.scores)]
            writer.write([*cells, *(values[number] for values in beside.values())])


def kind_of_column(values: Sequence[Any]) -> Any:
    """How a column is written: numbers where there is nothing else."""
    return "number" if all(value is None or isinstance(value, float) for value in values) else "text"


def write_poses(path: Path, settings: CampaignSettings, best: Sequence[Row]) -> dict[str, Path]:
    """The poses of the best molecules, where a docking has kept them, and what a summary says of the file."""
    from molvae.chemistry.molecule import is_valid, parse
    from molvae.oracles.docking.poses import kept_poses

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
        columns = list(zip(labels(objectives), distinct_columns(objectives), strict=True))
        told = [[f"{label} {_short(row.scores[i])}" for label, (_, i) in columns] for row in best]
        legends = [", ".join([row.name, *t] if row.name else t) for row, t in zip(best, told, strict=True)]
        drawn["picture"] = directory / "best.png"
        molecules = [parse(row.smiles) for row in best[:PICTURED]]
        write_atomically(drawn["picture"], grid_png(molecules, legends[:PICTURED]))
    called = [row for row in table if row.call is not None]
    if any(score is not None and score.is_measured for row in called for score in row.scores):
        drawn["progress"] = directory / "progress.png"
        draw_progress(settings, table, drawn["progress"])
    front = directory / "front.png"
    if draw_front(settings, table, front):
        drawn["front"] = front
    return drawn


def comparison(settings: CampaignSettings, table: Sequence[Row]) -> list[dict[str, Any]]:
    """Start against found, per goal: best and mean of the ten best among the molecules within all bounds.

    The start is what the user brought along, library molecules tried later included; where that is nothing,
    the first draws from the prior.
    """
    given = [row for row in table if row.source in {"start", "known", "library"}]
    first = [row for row in table if row.call is not None and row.call < settings.n_initial]
    start = given or first
    begun = {row.smiles for row in start}
    found = [row for row in table if row.smiles not in begun]
    short = {
        name: label
        for label, (name, _) in zip(
            labels(settings.objectives), distinct_columns(settings.objectives), strict=True
        )
    }
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
    """The best molecules, and start against found."""
    names = labels(settings.objectives)
    text = ""
    if best:
        text += table_text(
            ("#", *names, "source", "call", "smiles"), list(best_table(best, settings.objectives))
        )
    compared = comparison(settings, table)
    text += "\n" + table_text(tuple(compared[0]), [tuple(line.values()) for line in compared])
    text += "".join(f"{doubt}\n" for doubt in doubts(table, settings.objectives))
    return text if best else "no molecule within all bounds yet\n" + text


def moves_text(reports: Sequence[MoveReport]) -> str:
    """What each source of molecules brought; a hit is a candidate that came among the ten best."""
    header = ("source", "calls", "hits", "hit rate", "best", "attempts", "new", "share")
    rows = [
        (
            report.move,
            report.scored,
            report.hits,
            _rate(report.hit_rate),
            None if np.isnan(report.best) else report.best,
            report.attempts,
            report.new,
            _rate(report.share) if report.attempts else "",
        )
        for report in reports
    ]
    return "\n" + table_text(header, rows) if rows else ""


def move_facts(reports: Sequence[MoveReport]) -> list[dict[str, Any]]:
    """The same for JSON."""
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
            **{name: value_of(row.scores[index]) for name, index in distinct_columns(objectives)},
            "source": row.source,
            "parent": row.parent,
            "call": None if row.call is None else row.call + 1,
        }
        for row in rows
    ]


def _short(score: Any) -> str:
    value = value_of(score)
    return "-" if value is None else f"{value:.3g}"
