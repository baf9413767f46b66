"""Molecules on the command line: files, `-` for stdin, or SMILES."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli.options import Columns, bundled, columns
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.options import Decorator
    from molvae.cli.output import Session
    from molvae.data.readers import Table
    from molvae.latent.codec import MolVAE

FILE_SUFFIXES = (
    ".csv", ".tsv", ".smi", ".smiles", ".cxsmiles", ".ism", ".txt", ".sdf", ".sd", ".mol", ".parquet", ".gz",
)  # fmt: skip
_BY_HEADER = Columns(smiles_column=None, id_column=None)


@dataclass(frozen=True)
class InputRow:
    """One row of input.

    Attributes:
        identifier: The user's name for it, or its position.
        text: The content of its SMILES column.
        reason: Why the row cannot be read, or "".
        fields: The other columns of its row.
    """

    identifier: str
    text: str
    reason: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arguments:
    """The arguments of a command that reads molecules.

    Attributes:
        texts: Files, `-` or SMILES.
        columns: Columns of the files.
    """

    texts: Sequence[str]
    columns: Columns = field(default_factory=lambda: _BY_HEADER)

    def rows(self, session: Session, *, vectors: bool = False) -> Iterator[InputRow]:
        """All rows of all arguments, in order.

        With `vectors`, latent vectors of files with a column z0 (and stdin) are kept in `fields`.

        Raises:
            InputError: A file is missing or cannot be read as a table.
            UsageError: A column is given, but no file.
        """
        from molvae.chemistry.molecule import cut_extension

        if self.texts and not any(map(is_file, self.texts)):
            refuse_columns(self.columns)
        for position, text in enumerate(self.texts, start=1):
            if not is_file(text):
                name = cut_extension(text)[2]  # of a CXSMILES
                yield InputRow(identifier=name or str(position), text=text)
            elif vectors and (table := _vector_table(text, self.columns)) is not None:
                for row in _rows(table):
                    smiles = row.text if row.reason else row.fields.get("smiles", "")
                    yield InputRow(row.identifier, smiles, row.reason, row.fields)
            else:
                table = opened(text, self.columns)
                session.note(f"{text}: {table.note}")
                yield from _rows(table)


def argument(name: str) -> Decorator:
    """The argument NAME..., with `--smiles-column` and `--id-column`; reaches the command as `arguments`."""
    words = click.argument("texts", nargs=-1, required=True, metavar=f"{name}...")
    return bundled("arguments", Arguments, words, columns())


def refuse_columns(columns: Columns) -> None:
    """Refuse a column name without a file.

    Raises:
        UsageError: A column name is given.
    """
    name = columns["smiles_column"] or columns["id_column"]
    if name is not None:
        raise UsageError(
            f"no file to read the column '{name}' of: molecules are given as SMILES",
            hint="Leave --smiles-column and --id-column out.",
        )


def opened(text: str, columns: Columns) -> Table:
    """A file of molecules, or stdin."""
    from molvae.data.readers import open_table

    return open_table(text if text == "-" else Path(text), **columns)


def _vector_table(text: str, columns: Columns) -> Table | None:
    if text != "-" and text.lower().removesuffix(".gz").endswith((".sdf", ".sd", ".mol")):
        return None
    try:
        return opened(text, Columns(smiles_column="z0", id_column=columns["id_column"]))
    except UsageError:
        if text == "-":  # it cannot be read again
            raise
        return None


def _rows(table: Table) -> Iterator[InputRow]:
    from molvae.data.records import BadRow

    for row in table.rows():
        if isinstance(row, BadRow):
            yield InputRow(identifier=f"line {row.line}", text=row.text, reason=row.reason)
        else:
            yield InputRow(identifier=row.identifier, text=row.text, fields=row.fields)


def prepared(model: MolVAE, rows: Sequence[InputRow]) -> list[Molecule | Invalid]:
    """The molecules of rows, standardized like the model's training data."""
    from molvae.chemistry.molecule import Invalid

    made = model.prepare([row.text for row in rows])
    return [
        Invalid(row.text, row.reason) if row.reason else item for row, item in zip(rows, made, strict=True)
    ]


def is_file(text: str) -> bool:
    """Whether an argument is a file (or stdin), not a SMILES.

    A SMILES may contain slashes, so the path of a missing file is recognized by its suffix alone.

    >>> is_file("-"), is_file("C/C=C/C"), is_file("no/such/file.csv")
    (True, False, True)

    Raises:
        InputError: It is a directory.
    """
    if text == "-" or text.lower().endswith(FILE_SUFFIXES):
        return True
    try:
        path = Path(text)
        if path.is_dir():
            raise InputError(f"'{text}' is a directory, expected a file of molecules")
        return path.is_file()
    except (OSError, ValueError):  # too long for a file name, or with a NUL
        return False


def chunks(rows: Iterable[InputRow], size: int) -> Iterator[list[InputRow]]:
    """Lists of up to `size` rows; the first is read immediately, to report missing files before output."""
    iterator = iter(rows)
    first = list(islice(iterator, size))
    return chain([first] if first else [], iter(lambda: list(islice(iterator, size)), []))
