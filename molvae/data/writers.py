"""Write tables of molecules: the suffix sets the format; a file is complete or absent."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from molvae.data.columnar import ParquetWriter
from molvae.data.records import Column, absent, plain, plain_number
from molvae.errors import UsageError, suggest
from molvae.persistence.files import Closing, written_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".smi", ".sdf", ".jsonl")
"""What a file of results may end with."""

_FORMULA = re.compile(r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_INNER_FORMULA = re.compile(r"([;\t\n][\s\"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


_LONGEST = 1000  # characters of a safe cell
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Writer(Protocol):
    """Takes rows: one value per column, `None` or NaN if it is missing."""

    skipped: int
    """Rows left out because the format holds molecules only."""

    def write(self, row: Sequence[Any]) -> None:
        """Add a row."""


def suffix_of(path: Path) -> str:
    """The format a file name asks for, one of `SUFFIXES`.

    >>> from pathlib import Path
    >>> suffix_of(Path("out/Hits.CSV.gz"))
    '.csv.gz'

    Raises:
        UsageError: The name ends with none of them.
    """
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    got = "".join(path.suffixes[-1:])
    raise UsageError(
        f"cannot tell the format of '{path}' from its suffix{suggest(got, SUFFIXES) if got else ''}",
        hint=f"Use one of: {' '.join(SUFFIXES)}",
    )


def neutralize(text: str) -> str:
    """Escape text for spreadsheets, which run a cell starting with = + - @ as a formula.

    Such a cell gets an apostrophe in front, full-width signs included, and so does text after a semicolon,
    tab or line end, where a spreadsheet may start another cell. Plain numbers are unchanged.

    >>> neutralize("=HYPERLINK(1)"), neutralize("-3.5"), neutralize("CHEMBL25")
    ("'=HYPERLINK(1)", '-3.5', 'CHEMBL25')
    """
    text = _INNER_FORMULA.sub(r"\1'", text)
    if not _FORMULA.match(text):
        return text
    try:
        plain_number(text)
    except ValueError:
        return f"'{text}"
    return text


@contextlib.contextmanager
def open_writer(target: Path, columns: Sequence[Column]) -> Iterator[Writer]:
    """A writer to the file `target`, which appears, complete, if the block succeeds.

    `.csv` neutralizes text cells (see `neutralize`). `.smi` holds the first SMILES column and the identifier;
    `.sdf` holds molecules with the other columns as properties; rows without a molecule are left out of both
    and counted in `skipped`.

    Raises:
        UsageError: The suffix is not in `SUFFIXES`, or the table has no molecules and the format needs them.
        StorageError: It cannot be written; an existing file is intact.
    """
    suffix = suffix_of(target)
    if suffix != ".parquet" and any(column.kind == "vector" for column in columns):
        raise UsageError(
            f"a column of vectors cannot be written to {target.name}",
            hint="Use .parquet; 'molvae encode' gives every latent dimension a column of its own.",
        )
    with written_aside(target) as temporary:
        if suffix == ".parquet":
            table = ParquetWriter(temporary, columns)
            yield table
            table.close()
        else:
            with _text_stream(temporary, packed=suffix == ".csv.gz") as stream:
                yield _TEXT[suffix](stream, columns)


class CsvWriter:
    """Comma-separated rows with a header, to a text stream."""

    def __init__(self, stream: TextIO, columns: Sequence[Column]) -> None:
        self.skipped = 0
        self._columns = columns
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow([_text_cell(column.name) for column in columns])

    def write(self, row: Sequence[Any]) -> None:
        """Write one line; absent values are empty cells."""
        self._writer.writerow(
            [_cell(value, column) for value, column in zip(row, self._columns, strict=True)]
        )


class JsonLinesWriter:
    """One JSON object per row, to a text stream."""

    def __init__(self, stream: TextIO, columns: Sequence[Column]) -> None:
        self.skipped = 0
        self._stream = stream
        self._names = [column.name for column in columns]

    def write(self, row: Sequence[Any]) -> None:
        """Write one line; absent values are null."""
        values = (None if absent(value) else plain(value) for value in row)
        self._stream.write(json.dumps(dict(zip(self._names, values, strict=True))) + "\n")


class SmilesWriter:
    """SMILES and identifier, separated by a tab, one molecule per line and no header."""

    def __init__(self, stream: TextIO, columns: Sequence[Column]) -> None:
        self.skipped = 0
        self._stream = stream
        self._smiles, self._identifier = _molecule_column(columns), _identifier_column(columns)

    def write(self, row: Sequence[Any]) -> None:
        """Write one line, unless the row has no molecule."""
        if absent(row[self._smiles]):
            self.skipped += 1
            return
        name = _name(row, self._identifier)
        self._stream.write(f"{row[self._smiles]}\t{name}\n" if name else f"{row[self._smiles]}\n")


class SdfWriter:
    """An SDF block with coordinates per molecule; every column becomes one of its properties."""

    def __init__(self, stream: TextIO, columns: Sequence[Column]) -> None:
        self.skipped = 0
        self._stream = stream
        self._columns = columns
        self._smiles, self._identifier = _molecule_column(columns), _identifier_column(columns)

    def write(self, row: Sequence[Any]) -> None:
        """Write one block, unless the row has no molecule."""
        from molvae.chemistry.molecule import is_valid, parse
        from molvae.chemistry.sdf import sdf_record

        text = row[self._smiles]
        molecule = None if absent(text) else parse(str(text))
        if molecule is None or not is_valid(molecule):
            self.skipped += 1
            return
        fields = {
            column.name: str(plain(value))
            for column, value in zip(self._columns, row, strict=True)
            if not absent(value)
        }
        self._stream.write(sdf_record(molecule, _name(row, self._identifier), fields))


_TEXT: dict[str, Callable[[TextIO, Sequence[Column]], Writer]] = {
    ".csv": CsvWriter,
    ".csv.gz": CsvWriter,
    ".smi": SmilesWriter,
    ".sdf": SdfWriter,
    ".jsonl": JsonLinesWriter,
}


@contextlib.contextmanager
def _text_stream(path: Path, *, packed: bool) -> Iterator[TextIO]:
    with contextlib.ExitStack() as stack:
        file: io.BufferedWriter | gzip.GzipFile = stack.enter_context(path.open("wb"))
        if packed:  # no name and no time in the header: same rows, same bytes
            file = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline=""))


def _cell(value: Any, column: Column) -> str:
    if absent(value):
        return ""
    text = str(plain(value) if column.kind == "integer" else value)
    return _text_cell(text) if column.kind == "text" else text


def _text_cell(text: str) -> str:
    """Neutralized, with line ends that the csv module quotes: a bare CR it does not, before Python 3.13."""
    return neutralize(text).replace("\r\n", "\n").replace("\r", "\n")


def _name(row: Sequence[Any], column: int | None) -> str:
    """The identifier of a row, on one line."""
    return "" if column is None or absent(row[column]) else " ".join(str(row[column]).split())


def _molecule_column(columns: Sequence[Column]) -> int:
    for index, column in enumerate(columns):
        if column.kind == "smiles":
            return index
    raise UsageError(
        "this table has no molecules, so it cannot be written as .smi or .sdf",
        hint="Use .csv or .parquet.",
    )


def _identifier_column(columns: Sequence[Column]) -> int | None:
    return next((index for index, column in enumerate(columns) if column.name == "identifier"), None)


def safe_cell(text: str) -> str:
    """Make a cell printable, limited in length, and safe from being run as a formula.

    See `neutralize` for formulas; no valid SMILES changes. Control characters are spelled out.

    >>> safe_cell("=cmd|'/C calc'!A0"), safe_cell("-1.5"), safe_cell("-CC"), safe_cell("[NH4+]")
    ("'=cmd|'/C calc'!A0", '-1.5', "'-CC", '[NH4+]')
    """
    spelled = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", neutralize(text))
    if len(spelled) > _LONGEST:
        return f"{spelled[:_LONGEST]}… ({len(text)} characters)"
    return spelled


class SafeTable(Closing):
    """A CSV file of safe cells, written row by row."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, *cells: str | int) -> None:
        """Write one row."""
        self._writer.writerow([cell if isinstance(cell, int) else safe_cell(cell) for cell in cells])

    def close(self) -> None:
        """Close the file."""
        self._file.close()
