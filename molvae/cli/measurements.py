"""Files of molecules and results for a campaign: opened, read by its one reader, and accounted for."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.cli import inputs, places
from molvae.errors import InputError, UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.measurements import Measurements
    from molvae.cli.output import Session
    from molvae.data.readers import Table
    from molvae.oracles.objectives import Objective

_LONGEST_PATH = 1000  # longer texts are SMILES
_SHOWN = 10  # lines of each kind, unless more is asked for


def read_start(
    arguments: Sequence[str],
    objectives: Sequence[Objective],
    session: Session,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
) -> Measurements:
    """The start as it was given: files, SMILES, directories of other campaigns.

    Columns called like objectives are known scores.

    Raises:
        InputError: A file is missing or cannot be read as a table, or there is no molecule.
        UsageError: A column is named and there is no file.
    """
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.carrying import carried
    from molvae.campaign.initialization import read_start as checked
    from molvae.campaign.known import KnownScores
    from molvae.campaign.measurements import joined, read_rows
    from molvae.campaign.score_columns import find_columns, refuse_near_misses
    from molvae.data.readers import Row, open_table

    names = [objective.name for objective in objectives]
    asked = [names[j] for j in KnownScores(objectives).measured]
    campaigns = [argument for argument in arguments if _is_campaign(argument)]
    files = [argument for argument in arguments if argument not in campaigns and inputs.is_file(argument)]
    if (chosen := smiles_column or id_column) and arguments and not files:
        raise UsageError(
            f"the column '{chosen}' of no file: molecules are given as SMILES",
            hint="Leave --smiles-column and --id-column out.",
        )
    parts = []
    for argument in files:
        place = argument if argument == "-" else Path(argument)
        table = open_table(place, smiles_column=smiles_column, id_column=id_column)
        columns = find_columns(table.columns, asked)
        refuse_near_misses(table.columns, asked, columns)
        session.note(f"{argument}: {_note(table, columns)}")
        parts.append(read_rows(table.rows(), names, columns))
        account(session, parts[-1], names, argument)
    for argument in campaigns:
        with Campaign.open(places.journal(Path(argument)), writable=False) as other:
            parts.append(carried(other.history, objectives))
        session.note(f"{argument}: {len(parts[-1].molecules):,} molecules of another campaign")
        for text in parts[-1].counts(list(dict.fromkeys(names))):
            session.note(f"  {text}")
    written = [argument for argument in arguments if argument not in {*files, *campaigns}]
    if written:
        rows = (Row(number, text, "", {}) for number, text in enumerate(written, start=1))
        parts.append(read_rows(rows, names, {}, where="molecule"))
        if parts[-1].balance.unreadable:
            account(session, parts[-1], names, "--start")
    return checked(joined(parts, names), objectives)


def read_results(
    result: str,
    campaign: Campaign,
    pairs: Sequence[str],
    session: Session,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
) -> Measurements:
    """What a file of results says; a file without SMILES is read by its identifiers.

    Args:
        result: A file, or - for stdin.
        campaign: That is told.
        pairs: Columns as OBJECTIVE=COLUMN.
        session: Hears which columns are read.
        smiles_column: As for `open_table`.
        id_column: Likewise.
    """
    from molvae.campaign.measurements import read_rows

    table = _opened(result, smiles_column, id_column)
    columns = _columns(table, campaign.asked, pairs, session)
    session.note(f"{result}: {_note(table, columns)}")
    names = [objective.name for objective in campaign.settings.objectives]
    return read_rows(table.rows(), names, columns, **campaign.reading())


def refuse_filled(file: Path, asked: Sequence[str]) -> None:
    """Refuse to write over a sheet that somebody has filled in.

    Raises:
        UsageError: It has results.
    """
    from molvae.campaign.cells import AWAITED
    from molvae.campaign.score_columns import find_columns
    from molvae.data.readers import Row

    if not file.is_file():
        return
    try:
        table = _opened(str(file), None, None)
    except (InputError, UsageError):  # no table: nothing was filled in
        return
    columns = find_columns(table.columns, asked).values()
    rows = [row for row in table.rows() if isinstance(row, Row)]
    n_filled = sum(
        any(row.fields.get(c, "").strip().casefold() not in AWAITED for c in columns) for row in rows
    )
    if n_filled:
        raise UsageError(
            f"{file} has results in {n_filled} of its {len(rows)} rows, and would be overwritten",
            hint="Write the batch to another file, or remove this one.",
        )


def account(session: Session, found: Measurements, names: Sequence[str], file: str) -> None:
    """Say what became of the rows of a file, and which could not be used."""
    balance = found.balance
    session.note(f"{file}: {balance}")
    for text in found.counts(list(dict.fromkeys(names))):
        session.note(f"  {text}")
    if any("is on record as" in line for line in balance.refused):
        session.note("  --correct replaces what is on record")
    for lines in (balance.unreadable, balance.refused, balance.notes):
        most = len(lines) if session.verbosity > 0 else _SHOWN
        for line in lines[:most]:
            session.note(f"  {line}")
        if len(lines) > most:
            session.note(f"  ... and {len(lines) - most:,} more (-v shows all)")


def _is_campaign(argument: str) -> bool:
    return (Path(argument) / places.JOURNAL).is_file() if len(argument) < _LONGEST_PATH else False


def _note(table: Table, columns: Mapping[str, str]) -> str:
    values = ", ".join(f"{name} from '{column}'" for name, column in columns.items())
    return table.note + (f"; {values}" if values else "")


def _opened(result: str, smiles_column: str | None, id_column: str | None) -> Table:
    from molvae.data.columns import ID_NAMES, as_name
    from molvae.data.readers import open_table

    place = result if result == "-" else Path(result)
    try:
        return open_table(place, smiles_column=smiles_column, id_column=id_column)
    except (InputError, UsageError):
        if smiles_column is not None or result == "-":
            raise
        columns = open_table(place, smiles_column="1").columns
        wanted = ID_NAMES if id_column is None else (as_name(id_column),)
        named = next((column for column in columns if as_name(column) in wanted), None)
        if named is None:
            raise
    return open_table(place, smiles_column=named, id_column=named)


def _columns(table: Table, names: Sequence[str], pairs: Sequence[str], session: Session) -> dict[str, str]:
    """Column by objective name, with what the user says of it.

    Raises:
        UsageError: No such objective or column, or no column for any objective.
    """
    from molvae.campaign.score_columns import find_columns, near_columns

    found = find_columns(table.columns, names)
    for pair in pairs:
        name, equals, column = pair.partition("=") if pair.count("=") == 1 else pair.rpartition("=")
        if not equals or name not in names:
            raise UsageError(
                f"--column expects OBJECTIVE=COLUMN, got '{pair}'{suggest(name, names)}",
                hint=f"Objectives: {', '.join(dict.fromkeys(names))}",
            )
        if column not in table.columns:
            raise UsageError(
                f"{table.name} has no column '{column}'{suggest(column, table.columns)}",
                hint=f"It has: {', '.join(table.columns)}",
            )
        found[name] = column
    near = near_columns(table.columns, names, found)
    if not found:
        name, column = next(iter(near.items()), ("OBJECTIVE", "COLUMN"))
        raise UsageError(
            f"{table.name} has no column for any objective ({', '.join(dict.fromkeys(names))})"
            + (f"; did you mean '{column}'?" if near else ""),
            hint=f"It has: {', '.join(table.columns)}. Use --column {shlex.quote(f'{name}={column}')}.",
        )
    for name, column in near.items():
        session.note(f"no column '{name}': if '{column}' is meant, say --column {name}={column}")
    return found
