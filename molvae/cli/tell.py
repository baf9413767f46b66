"""`molvae tell`: measured results back into a campaign."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import campaigns, options, places
from molvae.cli.output import table_text
from molvae.errors import InputError, UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import Objective
    from molvae.campaign.observations import Observation
    from molvae.cli.output import Session
    from molvae.data.readers import Row, Table
    from molvae.oracles.base import Score

FAILED = ("failed", "fail", "error")
"""Cells that say that a measurement was tried and gave nothing."""


@dataclass
class Reading:
    """What a file of results says.

    Attributes:
        observations: What can be told.
        problems: Line and sentence for every cell or row that cannot.
        n_rows: Rows read.
        n_empty: Rows without any result yet.
    """

    observations: list[Observation] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    n_rows: int = 0
    n_empty: int = 0


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.argument("results", nargs=-1, required=True)
@click.option(
    "--column",
    "pairs",
    multiple=True,
    metavar="OBJECTIVE=COLUMN",
    help="Where the values of an objective stand, if its column has another name; repeatable.",
)
@options.columns()
@options.common()
@options.pass_session
def command(
    session: Session,
    campaign: Path,
    results: tuple[str, ...],
    pairs: tuple[str, ...],
    smiles_column: str | None,
    id_column: str | None,
) -> None:
    """Tell CAMPAIGN what came out: RESULTS are files with a column per objective, or - for stdin.

    Rows are known by their SMILES, or by the identifier of the batch alone. An empty cell is still awaited;
    'failed' says that the measurement gave nothing; a cell that is no number is reported and left out.
    Late, partial and repeated results are fine; a number that contradicts one on record is refused. Rows the
    campaign did not ask for are used too, and not charged.

    \b
    Examples:
      molvae tell assay batch1.csv
      molvae tell assay lims.csv --column potency=pIC50_mean
    """
    from molvae.campaign.campaign import Campaign

    with Campaign.open(places.journal(campaign)) as opened:
        reading = Reading()
        for result in results:
            table = _open(result, smiles_column, id_column)
            wanted = _columns(table, opened.settings.objectives, pairs)
            session.detail(
                f"{result}: {table.note}; " + ", ".join(f"{o} from '{c}'" for o, c in wanted.items())
            )
            _read(table, wanted, opened, reading)
        for line, problem in reading.problems:
            session.note(f"line {line}: {problem}")
        if reading.problems and not reading.observations:
            raise InputError(f"none of the {reading.n_rows} rows can be used")
        receipt = opened.tell(reading.observations)
        waiting, best = len(opened.pending), opened.best(5)
        facts = {
            "rows": reading.n_rows,
            "new": receipt.accepted,
            "repeated": receipt.repeated,
            "without_result": reading.n_empty,
            "problems": [f"line {line}: {problem}" for line, problem in reading.problems],
            "charged": receipt.charged,
            "awaited": waiting,
            "best": campaigns.row_facts(best, opened.settings.objectives),
        }
        session.report(facts, _text(facts, opened, len(reading.problems)))


def _text(facts: Mapping[str, object], opened: Campaign, n_problems: int) -> str:
    from molvae.cli.objectives import best_table, labels

    text = (
        f"{facts['rows']} rows: {facts['new']} new, {facts['repeated']} repeated, "
        f"{facts['without_result']} without result, {n_problems} problems; {facts['awaited']} still awaited\n"
    )
    best, wanted = opened.best(5), opened.settings.objectives
    if not best:
        return text
    return (
        text
        + "\n"
        + table_text(("#", *labels(wanted), "source", "call", "smiles"), list(best_table(best, wanted)))
    )


def _open(result: str, smiles_column: str | None, id_column: str | None) -> Table:
    """The table; one without SMILES is read by its identifiers."""
    from molvae.data.readers import open_table

    place = result if result == "-" else Path(result)
    try:
        return open_table(place, smiles_column=smiles_column, id_column=id_column)
    except (InputError, UsageError):
        if smiles_column is not None or result == "-":
            raise
        columns = open_table(place, smiles_column="1").columns
        named = next((c for c in columns if c.lower() == (id_column or "identifier").lower()), None)
        if named is None:
            raise
    return open_table(place, smiles_column=named, id_column=named)


def _columns(table: Table, wanted: Sequence[Objective], pairs: Sequence[str]) -> dict[str, str]:
    """Objective name -> column."""
    names = list(dict.fromkeys(objective.name for objective in wanted))
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = pair.partition("=") if pair.count("=") == 1 else pair.rpartition("=")
        if not equals or name not in names:
            raise UsageError(
                f"--column expects OBJECTIVE=COLUMN, got '{pair}'{suggest(name, names)}",
                hint=f"Objectives: {', '.join(names)}",
            )
        if column not in table.columns:
            raise UsageError(
                f"{table.name} has no column '{column}'{suggest(column, table.columns)}",
                hint=f"It has: {', '.join(table.columns)}",
            )
        found[name] = column
    lowered = {column.lower(): column for column in reversed(table.columns)}
    for name in names:
        column = name if name in table.columns else lowered.get(name.lower(), "")
        if name not in found and column:
            found[name] = column
    if not found:
        raise UsageError(
            f"{table.name} has no column for any objective ({', '.join(names)})",
            hint=f"It has: {', '.join(table.columns)}. Use --column OBJECTIVE=COLUMN.",
        )
    return found


def _read(table: Table, wanted: Mapping[str, str], opened: Campaign, reading: Reading) -> None:
    from molvae.campaign.observations import Observation
    from molvae.data.readers import BadRow

    handed = {
        t.candidate.identifier: t.smiles for t in opened.history.trials.values() if t.candidate is not None
    }
    for row in table.rows():
        reading.n_rows += 1
        if isinstance(row, BadRow):
            reading.problems.append((row.line, row.reason))
            continue
        scores: dict[str, Score | None] = {}
        for name, column in wanted.items():
            score, problem = _score(row.fields.get(column, ""))
            if problem:
                reading.problems.append((row.line, f"{name}: {problem}"))
            scores[name] = score
        if not any(scores.values()):
            reading.n_empty += 1
            continue
        smiles, problem = _molecule(row, handed)
        if problem:
            reading.problems.append((row.line, problem))
            continue
        told = tuple(scores.get(objective.name) for objective in opened.settings.objectives)
        identifier = row.identifier if row.identifier in handed else None
        reading.observations.append(Observation(smiles, told, identifier))


def _score(cell: str) -> tuple[Score | None, str]:
    """The score a cell means, and what is wrong with it."""
    from molvae.oracles.base import Score

    text = cell.strip()
    if not text:
        return None, ""
    if text.lower() in FAILED:
        return Score.failed("reported as failed"), ""
    try:
        score = Score.of(float(text))
    except ValueError:
        return None, f"'{text}' is not a number"
    return (score, "") if score.is_ok else (None, f"'{text}' is not a finite number")


def _molecule(row: Row, handed: Mapping[str, str]) -> tuple[str, str]:
    """SMILES of a row, by itself or by the identifier of the batch; and what is wrong with it."""
    from molvae.chemistry.molecule import is_valid, parse

    molecule = parse(row.text)
    asked = handed.get(row.identifier)
    if asked is not None and (row.text in ("", row.identifier) or not row.text):
        return asked, ""
    if not is_valid(molecule):
        return "", f"{molecule.reason} in '{row.text}'"
    if asked is not None and molecule.smiles != asked:
        return "", f"{row.identifier} is {asked} in the campaign, not {molecule.smiles}"
    return molecule.smiles, ""
