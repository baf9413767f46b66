"""Reads molecules with scores from tables, for the start of a campaign and for `tell`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from molvae.campaign.cells import ColumnReader, find_columns, plain, refuse_near_misses
from molvae.campaign.molecules import Form, form_of
from molvae.campaign.observations import CENSORED, Balance, StartMolecule, pooled, score_of, shown
from molvae.data.columnar import columns_of
from molvae.data.columns import ID_NAMES, as_name, is_smiles_name
from molvae.data.records import BadRow, Row
from molvae.errors import InputError, UsageError
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Measurements:
    """Different molecules in standard form, with their scores.

    Attributes:
        molecules: In order of appearance.
        balance: Summary of the rows.
        units: Units of objectives, if the table has them.
        lines: First line of each molecule.
    """

    molecules: tuple[StartMolecule, ...]
    balance: Balance
    units: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def counts(self, names: Sequence[str]) -> list[str]:
        """Number of values and bounds of each objective, in words."""
        said = []
        for j, name in enumerate(names):
            scores = [m.scores[j] for m in self.molecules if m.scores]
            known = [score for score in scores if isinstance(score, Score)]
            values = [score for score in known if score.is_ok]
            bounds = [score for score in known if score.status in CENSORED]
            text = f"{name}: {len(values):,} values"
            text += f", {len(bounds):,} only as a bound such as {shown(bounds[0])}" if bounds else ""
            rest = len(known) - len(values) - len(bounds)
            text += f", {rest:,} without a number" if rest else ""
            sds = [score.sd for score in values if score.sd is not None]
            text += f"; replicates differ by {max(sds):.3g} at most (standard deviation)" if sds else ""
            said += [text] if known else []
        return said


CHANGED = "changed"
"""Remark of `recognized` for a molecule given in another form."""


def recognized(row: Row) -> tuple[str, str, str]:
    """The molecule of a row in standard form, a problem or "", and `CHANGED` or ""."""
    form = form_of(row.text.strip())
    if not isinstance(form, Form):
        return "", f"'{row.text}': {form.reason}", ""
    return form.smiles, "", CHANGED if form.changed else ""


def read_rows(
    rows: Iterable[Row | BadRow],
    names: Sequence[str],
    columns: Mapping[str, str],
    *,
    recognize: Callable[[Row], tuple[str, str, str]] = recognized,
    stated: Mapping[str, str] | None = None,
    expected: bool = False,
    where: str = "line",
) -> Measurements:
    """Molecules and scores of the rows of a table; rows of one molecule are merged, their numbers averaged.

    Args:
        rows: Rows of a table.
        names: Objectives, in the campaign's order.
        columns: Column by objective name.
        recognize: Returns the molecule of a row in standard form, a problem (the row is refused, or
            unreadable without a molecule), and a remark.
        stated: Units of the campaign, by objective name.
        expected: Whether every row should have a result; others are counted and skipped.
        where: Word before the line number in messages.
    """
    pile = _Pile(names, recognize)
    kept: list[tuple[Row, list[str]]] = []
    for row in rows:
        pile.balance.read += 1
        if isinstance(row, BadRow):
            pile.balance.unreadable.append(f"{where} {row.line}: {row.reason}")
            continue
        if not row.text.strip() and not any(cell.strip() for cell in row.fields.values()):
            pile.balance.empty += 1
            continue
        cells = [row.fields.get(columns[name], "") if name in columns else "" for name in names]
        kept.append((Row(row.line, row.text, row.identifier, {}), cells))
    readers = []
    for j, name in enumerate(names):
        cells_of = (cells[j] for _, cells in kept)
        readers.append(ColumnReader.of(columns.get(name, name), cells_of, (stated or {}).get(name, "")))
    for row, cells in kept:
        at = f"{where} {row.line}"
        answers = [reader.read(cell) for reader, cell in zip(readers, cells)]
        problems = [f"{at}: {name}: {problem}" for name, (_, problem) in zip(names, answers) if problem]
        scores = _cancelled([score for score, _ in answers], [name in columns for name in names])
        if expected and not any(scores):
            pile.balance.empty += not problems
            pile.balance.refused += ["; ".join(problems)] if problems else []
        else:
            pile.balance.notes += problems
            pile.add(at, row, scores)
    units = {name: reader.unit for name, reader in zip(names, readers) if name in columns and reader.unit}
    return pile.measurements(units)


def read_frame(frame: Any, names: Sequence[str], *, asked: Sequence[str], **options: Any) -> Measurements:
    """As `read_rows`, from a table in memory (pandas, polars, Arrow); rows are counted from 1.

    Columns are looked up for the measured objectives, `asked`.

    Raises:
        InputError: There is no SMILES column.
    """
    columns = columns_of(frame)
    smiles = next((name for name in columns if is_smiles_name(name)), None)
    if smiles is None:
        raise InputError(
            f"no column of the table is called smiles; there are {', '.join(columns)}",
            hint="Rename the one that holds the molecules.",
        )
    named = next((column for column in columns if as_name(column) in ID_NAMES), None)
    texts = {
        name: ["" if value is None else str(value) for value in cells] for name, cells in columns.items()
    }
    fields = (dict(zip(texts, cells)) for cells in zip(*texts.values()))
    rows = (
        Row(number, row[smiles], row[named] if named else "", row)
        for number, row in enumerate(fields, start=1)
    )
    found = find_columns(list(columns), asked)
    refuse_near_misses(list(columns), asked, found)
    return read_rows(rows, names, found, where="row", **options)


def read_molecules(given: Iterable[StartMolecule | str], names: Sequence[str]) -> Measurements:
    """As `read_rows`, from SMILES and `StartMolecule`s, counted from 1.

    Raises:
        UsageError: Scores that do not match the objectives, or are not numbers.
    """
    pile = _Pile(names, recognized)
    for number, item in enumerate(given, start=1):
        start = StartMolecule(item) if isinstance(item, str) else item
        pile.balance.read += 1
        if start.scores and len(start.scores) != len(names):
            raise UsageError(
                f"{start.smiles} comes with {len(start.scores)} scores, "
                f"but the campaign has {len(names)} objectives: {', '.join(names)}"
            )
        values = start.scores or (None,) * len(names)
        scores = [score_of(value, f"{name} of {start.smiles}") for value, name in zip(values, names)]
        pile.add(f"molecule {number}", Row(number, start.smiles, start.name, {}), scores)
    return pile.measurements()


def joined(parts: Sequence[Measurements], names: Sequence[str]) -> Measurements:
    """Several tables as one; the rows of a molecule are merged.

    Raises:
        UsageError: A column has different units.
    """
    if len(parts) == 1:
        return parts[0]
    found = read_molecules([molecule for part in parts for molecule in part.molecules], names)
    units: dict[str, str] = {}
    for name, unit in (item for part in parts for item in part.units.items()):
        if plain(units.setdefault(name, unit)) != plain(unit):
            raise UsageError(f"{name} is in {units[name]} in one table and in {unit} in another")
    balance = replace(found.balance, read=0, changed=0)  # rows were counted in the parts
    for part in (part.balance for part in parts):
        for name, value in vars(part).items():
            if name != "used":  # molecules of several tables are one
                setattr(balance, name, getattr(balance, name) + value)
    return replace(found, balance=balance, units=units)


@dataclass
class _Entry:
    """The rows of one molecule: first line, name, scores of each objective."""

    line: str
    name: str
    scores: list[list[Score]]


class _Pile:
    """Rows grouped by molecule."""

    def __init__(self, names: Sequence[str], recognize: Callable[[Row], tuple[str, str, str]]) -> None:
        self.names = names
        self.balance = Balance()
        self._recognize = recognize
        self._entries: dict[str, _Entry] = {}

    def add(self, at: str, row: Row, scores: Sequence[Score | None]) -> None:
        """Add a row."""
        smiles, problem, remark = self._recognize(row)
        if problem:
            (self.balance.refused if smiles else self.balance.unreadable).append(f"{at}: {problem}")
            return
        self.balance.changed += remark == CHANGED
        self.balance.notes += [f"{at}: {remark}"] if remark not in {"", CHANGED} else []
        if smiles in self._entries:
            self.balance.repeated += 1
        else:
            self.balance.used += 1
            self._entries[smiles] = _Entry(at, row.identifier, [[] for _ in self.names])
        entry = self._entries[smiles]
        entry.name = entry.name or row.identifier
        for column, score in zip(entry.scores, scores):
            if score is not None:
                column.append(score)

    def measurements(self, units: Mapping[str, str] | None = None) -> Measurements:
        """All rows, merged by molecule."""
        molecules = tuple(self._joined(smiles, entry) for smiles, entry in self._entries.items())
        return Measurements(
            molecules, self.balance, units or {}, tuple(entry.line for entry in self._entries.values())
        )

    def _joined(self, smiles: str, entry: _Entry) -> StartMolecule:
        joined: list[Score | None] = []
        for name, column in zip(self.names, entry.scores):
            score, contradicting = pooled(column) if column else (None, [])
            joined.append(score)
            if score is not None:
                self.balance.averaged += score.n > max(part.n for part in column)
            self.balance.notes += [
                f"{entry.line}: {name}: {shown(other)} contradicts {shown(score)} of another row, left out"
                for other in contradicting
                if score is not None
            ]
        return StartMolecule(smiles, tuple(joined) if any(joined) else (), entry.name)


def _cancelled(scores: Sequence[Score | None], asked: Sequence[bool]) -> list[Score | None]:
    """Scores with a cancelled molecule cancelled in all columns."""
    word = next((score for score in scores if score is not None and score.status == "cancelled"), None)
    return [score or (word if mine else None) for score, mine in zip(scores, asked)]
