"""Files of molecules and results for a campaign: opened, read, and accounted for."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import inputs
from molvae.cli.options import Columns, bundled
from molvae.cli.options import columns as options_columns
from molvae.errors import InputError, UsageError, suggest
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.measurements import Measurements
    from molvae.cli.options import Decorator
    from molvae.cli.output import Session
    from molvae.data.readers import Table
    from molvae.oracles.config import Objective

_LONGEST_PATH = 1000  # longer texts are SMILES
_SHOWN = 10  # lines of each kind, unless verbose


class Start(inputs.Arguments):
    """The start molecules of a campaign: `texts` are files, SMILES, or directories of other campaigns."""

    def read(self, objectives: Sequence[Objective], session: Session) -> Measurements:
        """Read all of them; columns named like objectives are known scores.

        Raises:
            InputError: A file is missing or cannot be read as a table, or there is no molecule.
            UsageError: A column is given, but no file.
        """
        from molvae.campaign.campaign import Campaign
        from molvae.campaign.cells import find_columns, refuse_near_misses
        from molvae.campaign.measurements import joined, read_rows
        from molvae.campaign.objectives import KnownScores
        from molvae.campaign.start import carried
        from molvae.campaign.start import read_start as checked
        from molvae.data.records import Row

        names = [objective.name for objective in objectives]
        measured = [names[j] for j in KnownScores(objectives).measured]
        campaigns = [text for text in self.texts if _is_campaign(text)]
        rest = [text for text in self.texts if text not in campaigns]
        files = list(filter(inputs.is_file, rest))
        if self.texts and not files:
            inputs.refuse_columns(self.columns)
        parts = []
        for text in files:
            table = inputs.opened(text, self.columns)
            columns = find_columns(table.columns, measured)
            refuse_near_misses(table.columns, measured, columns)
            session.note(f"{text}: {_note(table, columns)}")
            parts.append(read_rows(table.rows(), names, columns))
            account(session, parts[-1], names, text)
        for text in campaigns:
            with Campaign.open(locations.journal_file(Path(text)), writable=False) as other:
                parts.append(carried(other.history, objectives))
            session.note(f"{text}: {len(parts[-1].molecules):,} molecules of another campaign")
            for line in parts[-1].counts(list(dict.fromkeys(names))):
                session.note(f"  {line}")
        written = [text for text in rest if text not in files]
        if written:
            rows = (Row(number, text, "", {}) for number, text in enumerate(written, start=1))
            parts.append(read_rows(rows, names, {}, where="molecule"))
            if parts[-1].balance.unreadable:
                account(session, parts[-1], names, "--start")
        return checked(joined(parts, names), objectives)


def start_options() -> Decorator:
    """`--start` and the columns of its files; reach the command as `start`."""

    def gather(texts: tuple[str, ...], columns: Columns, known_scores: bool) -> Start:
        del known_scores  # accepted for compatibility
        return Start(texts, columns)

    text = "Start molecules, with known scores in columns named like objectives, or the directory of another "
    text += "campaign; repeatable.  [default: samples of the model]"
    return bundled(
        "start",
        gather,
        click.option("--start", "texts", multiple=True, metavar="FILE|SMILES|CAMPAIGN", help=text),
        options_columns(),
        click.option("--known-scores", is_flag=True, hidden=True),
    )


def read_results(
    result: str, campaign: Campaign, pairs: Sequence[str], session: Session, columns: Columns
) -> Measurements:
    """Read a file of results (or stdin), with columns as OBJECTIVE=COLUMN in `pairs`.

    Rows of a file without SMILES are matched by identifier.
    """
    from molvae.campaign.measurements import read_rows

    table = _opened(result, columns)
    found = _columns(table, campaign.asked, pairs, session)
    session.note(f"{result}: {_note(table, found)}")
    names = [objective.name for objective in campaign.settings.objectives]
    return read_rows(table.rows(), names, found, **campaign.reading())


def refuse_filled(file: Path, asked: Sequence[str]) -> None:
    """Refuse to overwrite a file with results.

    Raises:
        UsageError: It has results.
    """
    from molvae.campaign.cells import AWAITED, find_columns
    from molvae.data.records import Row

    if not file.is_file():
        return
    try:
        table = _opened(str(file), Columns(smiles_column=None, id_column=None))
    except (InputError, UsageError):  # not a table: no results
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
    """Report how many rows of a file were used, and which were not."""
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
    return (Path(argument) / locations.JOURNAL).is_file() if len(argument) < _LONGEST_PATH else False


def _note(table: Table, columns: Mapping[str, str]) -> str:
    values = ", ".join(f"{name} from '{column}'" for name, column in columns.items())
    return table.note + (f"; {values}" if values else "")


def _opened(result: str, columns: Columns) -> Table:
    from molvae.data.columns import ID_NAMES, as_name

    try:
        return inputs.opened(result, columns)
    except (InputError, UsageError):
        if columns["smiles_column"] is not None or result == "-":
            raise
        names = inputs.opened(result, Columns(smiles_column="1", id_column=None)).columns
        wanted = ID_NAMES if columns["id_column"] is None else (as_name(columns["id_column"]),)
        named = next((column for column in names if as_name(column) in wanted), None)
        if named is None:
            raise
    return inputs.opened(result, Columns(smiles_column=named, id_column=named))


def _columns(table: Table, names: Sequence[str], pairs: Sequence[str], session: Session) -> dict[str, str]:
    """Column by objective name, from the header or the user.

    Raises:
        UsageError: No such objective or column, or no column for any objective.
    """
    from molvae.campaign.cells import find_columns, near_columns

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
        session.note(f"no column '{name}': if you mean '{column}', use --column {name}={column}")
    return found
