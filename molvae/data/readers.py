"""Open a table of molecules in any supported format and stream its rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import Invalid, cut_extension, has_stereo_groups
from molvae.chemistry.sdf import parse_molblock
from molvae.data.columnar import ParquetRows
from molvae.data.columns import choose_columns, find_column, is_smiles_name
from molvae.data.delimited import WORD_SUFFIXES, cut_records, cut_rows, delimiter_of, field_names
from molvae.data.records import MISSING, BadRow, Row, has_decimal_comma, read_number, with_point
from molvae.data.sources import Source, check_file
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from molvae.data.columns import Columns
    from molvae.data.delimited import Cells
    from molvae.data.sources import Line

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", *WORD_SUFFIXES)
SUFFIXES = (*TEXT_SUFFIXES, ".sdf", ".sd", ".mol", ".parquet")

_LOOK_AHEAD = 100  # rows read before the columns are chosen
_STEREO = "enhanced stereo (racemates, relative centers) is read as the isomer that is drawn"
_FIRST_LINES = 20  # lines read before the delimiter is chosen


@dataclass(frozen=True)
class Layout:
    """How a table is split into rows: detected at its beginning, valid for any part of it.

    Attributes:
        columns: What each column is.
        delimiter: Separates the cells of a line; a space means SMILES, then a name. `None` in a Parquet file.
        header_line: Line of the header, counted from 1; 0 where there is none.
        comma_columns: Columns whose numbers have a decimal comma: they are read with a point.
        encoding: Of a text file, as from `guess_encoding`.
    """

    columns: Columns
    delimiter: str | None = None
    header_line: int = 0
    comma_columns: tuple[str, ...] = ()
    encoding: str = "utf-8-sig"

    def rows(self, lines: Iterator[Line | BadRow], *, with_header: bool) -> Iterator[Row | BadRow]:
        """Yield the rows of some lines of the file; `with_header` says that its header is among them."""
        assert self.delimiter is not None  # noqa: S101 - a text file has one
        return self.fit(cut_rows(lines, self.delimiter), with_header=with_header)

    def fit(self, cells: Iterable[Cells | BadRow], *, with_header: bool) -> Iterator[Row | BadRow]:
        """Turn cells into rows."""
        header_pending = with_header and self.header_line > 0
        for item in cells:
            if isinstance(item, BadRow):
                yield item
            elif header_pending:
                header_pending = False
            else:
                yield self._row(*item)

    def _row(self, line: int, cells: list[str]) -> Row | BadRow:
        """A row of as many cells as there are columns; a row with too few or too many is bad."""
        columns, width = self.columns, len(self.columns.names)
        if self.delimiter == " ":
            cells = [*cells, ""][:2]
        elif not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            reason = f"the row has {len(cells)} cells, {width} were expected"
            return BadRow(line, ",".join(cells)[:200], reason)
        fields = dict(zip(columns.names, cells, strict=True))
        text = fields[columns.smiles]
        name = "" if columns.identifier is None else fields[columns.identifier]
        if " |" in text:
            core, extension, after = cut_extension(text)
            if extension or after:
                text, name = f"{core} |{extension}|", name or after
        for column in self.comma_columns:
            fields[column] = with_point(fields[column])
        return Row(line, text, name, fields)


@dataclass(frozen=True)
class Table:
    """An opened table; its rows can be read once.

    Attributes:
        name: The file, for messages.
        columns: All column names (of an SD file, the fields of all its records).
        smiles_column: The column read as SMILES, or ``molblock``.
        id_column: The column read as names, if any.
        note: One sentence that says which columns were chosen, to be printed.
        raw_rows: Its rows, with the molblocks of an SD file not yet parsed.
        layout: How its cells become rows; `None` for an SD file.
    """

    name: str
    columns: tuple[str, ...]
    smiles_column: str
    id_column: str | None
    note: str
    raw_rows: Iterator[Row | BadRow]
    layout: Layout | None = None

    def rows(self) -> Iterator[Row | BadRow]:
        """Yield every row that is not blank, its structure as SMILES; a `BadRow` if it cannot be read."""
        for row in self.raw_rows:
            yield _as_smiles(row) if isinstance(row, Row) and row.is_molblock else row


def open_table(path: str | Path, *, smiles_column: str | None = None, id_column: str | None = None) -> Table:
    """Open ``.smi .cxsmiles .txt .csv .tsv .sdf`` (plain or ``.gz``), ``.parquet``, or ``-`` for stdin.

    Args:
        path: The file; the format of stdin and of unknown suffixes is detected from the content.
        smiles_column: The column that holds SMILES, by name or by number from 1; detected if not given.
        id_column: The same for the names of the molecules.

    Raises:
        InputError: If there is no such file, or it is empty, a directory, or not of a known format.
        UsageError: If a chosen column does not exist; the message lists the columns.
    """
    if str(path) != "-":
        check_file(Path(path))
        if Path(path).suffix.lower() == ".parquet":
            return _open_parquet(Path(path), smiles_column, id_column)
    source = Source(path)
    if source.head.startswith(b"PAR1"):
        source.close()
        if source.is_stdin:
            raise InputError("Parquet cannot be read from stdin; give the file")
        return _open_parquet(Path(path), smiles_column, id_column)
    if _is_sdf(source):
        return _open_sdf(source, smiles_column, id_column)
    return _open_text(source, smiles_column, id_column)


def _is_sdf(source: Source) -> bool:
    if source.suffix in TEXT_SUFFIXES:
        return False
    marks = (b"V2000", b"V3000", b"$$$$", b"M  END")
    return source.suffix in {".sdf", ".sd", ".mol"} or any(mark in source.head for mark in marks)


def _as_smiles(row: Row) -> Row | BadRow:
    molecule = parse_molblock(row.text)
    if isinstance(molecule, Invalid):
        return BadRow(row.line, row.identifier, molecule.reason)
    return Row(row.line, molecule.smiles, row.identifier, row.fields)


def _open_text(source: Source, smiles_column: str | None, id_column: str | None) -> Table:
    lines = source.lines()
    head = list(islice(lines, _FIRST_LINES))
    texts = [item[1] for item in head if not isinstance(item, BadRow)]
    if not texts:
        raise InputError(f"{source.path} is empty", hint=_first_reason(head))
    delimiter = delimiter_of(texts, source.suffix)
    rows = cut_rows(chain(head, lines), delimiter)
    first = list(islice(rows, _LOOK_AHEAD))
    numbered = [row for row in first if not isinstance(row, BadRow)]
    if not numbered:
        raise InputError(f"{source.path}: none of the first rows can be read", hint=_first_reason(first))
    good = [cells for _, cells in numbered]
    words = delimiter == " "
    skip: bool | None = None
    if words:
        skip = is_smiles_name(good[0][0])
        good = [[*cells, ""][:2] for cells in ([] if skip else [["smiles", "name"]]) + good]
    columns = choose_columns(good, smiles_column=smiles_column, id_column=id_column, header=words or None)
    skip = columns.has_header if skip is None else skip
    commas = _comma_columns(columns, good[columns.has_header :]) if delimiter in ";\t" else ()
    layout = Layout(columns, delimiter, numbered[0][0] if skip else 0, commas, source.encoding)
    stereo = _STEREO if any(has_stereo_groups(cell) for row in good for cell in row) else ""
    return _table(str(source.path), layout, chain(first, rows), stereo, source.note)


def _comma_columns(columns: Columns, sample: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Numeric columns of a table with decimal commas; none if it has decimal points."""
    cells = [cell for row in sample for cell in row]
    if not any(map(has_decimal_comma, cells)):
        return ()
    found = []
    for n, name in enumerate(columns.names):
        filled = [row[n] for row in sample if n < len(row) and row[n].lower() not in MISSING]
        numbers = sum(has_decimal_comma(cell) or read_number(cell) is not None for cell in filled)
        if name not in (columns.smiles, columns.identifier) and numbers * 2 >= len(filled) + bool(filled):
            found.append(name)
    return tuple(found)


def _open_parquet(path: Path, smiles_column: str | None, id_column: str | None) -> Table:
    rows = ParquetRows(path)
    numbered = iter(rows)
    first = list(islice(numbered, _LOOK_AHEAD))
    columns = choose_columns(
        [rows.columns, *(cells for _, cells in first)],
        smiles_column=smiles_column,
        id_column=id_column,
        header=True,
    )
    return _table(str(path), Layout(columns), chain(first, numbered))


def _open_sdf(source: Source, smiles_column: str | None, id_column: str | None) -> Table:
    name = str(source.path)
    names = field_names(source.blocks())
    if smiles_column is not None:
        smiles_column = find_column(smiles_column, names, name)
    if id_column is not None:
        id_column = find_column(id_column, names, name)
    stereo = _STEREO if has_stereo_groups(source.head.decode(errors="replace")) else ""
    rows: Iterator[Row | BadRow] = cut_records(source.lines())
    if smiles_column is not None or id_column is not None:
        rows = (_by_fields(row, smiles_column, id_column) if isinstance(row, Row) else row for row in rows)
    structures = (
        "molblocks of an SD file" if smiles_column is None else f"SMILES from field '{smiles_column}'"
    )
    identifiers = "the title lines" if id_column is None else f"field '{id_column}'"
    note = _joined(f"{structures}, names from {identifiers}", stereo, source.note)
    return Table(name, names, smiles_column or "molblock", id_column, note, rows)


def _by_fields(row: Row, smiles_column: str | None, id_column: str | None) -> Row:
    """Take the structure or the name of an SD record from its data fields."""
    text = row.text if smiles_column is None else row.fields.get(smiles_column, "")
    name = row.identifier if id_column is None else row.fields.get(id_column, "")
    return Row(row.line, text, name, row.fields, is_molblock=smiles_column is None)


def _table(name: str, layout: Layout, cells: Iterable[Cells | BadRow], *notes: str) -> Table:
    columns, rows = layout.columns, layout.fit(cells, with_header=True)
    commas = "numbers have a decimal comma" if layout.comma_columns else ""
    note = _joined(columns.note, commas, *notes)
    return Table(name, columns.names, columns.smiles, columns.identifier, note, rows, layout)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _first_reason(rows: Iterable[Cells | Line | BadRow]) -> str | None:
    bad = next((row for row in rows if isinstance(row, BadRow)), None)
    return f"Line {bad.line}: {bad.reason}." if bad else None
