"""What the user gave on the command line: files, `-` for stdin, or SMILES written out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from molvae.cli.output import Session

FILE_SUFFIXES = (".smi", ".txt", ".csv", ".tsv", ".sdf", ".parquet", ".gz")


@dataclass(frozen=True)
class Given:
    """One row as it was given.

    Attributes:
        identifier: The user's name for it, or its position.
        text: What stands where the SMILES should be.
        reason: Why the row cannot even be read, or "".
        fields: The other columns of its row.
    """

    identifier: str
    text: str
    reason: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def given(
    arguments: Sequence[str],
    session: Session,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
) -> Iterator[Given]:
    """Every row of every argument, in order: nothing is dropped.

    Raises:
        InputError: A file is missing or cannot be read as a table.
    """
    from molvae.data.readers import BadRow, open_table

    for position, argument in enumerate(arguments, start=1):
        if not is_file(argument):
            yield Given(identifier=str(position), text=argument)
            continue
        table = open_table(
            argument if argument == "-" else Path(argument), smiles_column=smiles_column, id_column=id_column
        )
        if table.note:
            session.note(table.note)
        for row in table.rows():
            if isinstance(row, BadRow):
                yield Given(identifier=f"line {row.line}", text=row.text, reason=row.reason)
            else:
                yield Given(identifier=row.identifier, text=row.text, fields=row.fields)


def is_file(argument: str) -> bool:
    """Whether an argument means a file (or stdin) and not a SMILES.

    A SMILES may hold slashes, so an argument that is no existing file is one only by its suffix.

    >>> is_file("-"), is_file("C/C=C/C"), is_file("no/such/file.csv")
    (True, False, True)

    Raises:
        InputError: It is a directory.
    """
    if argument == "-" or argument.lower().endswith(FILE_SUFFIXES):
        return True
    try:
        path = Path(argument)
        if path.is_dir():
            raise InputError(f"'{argument}' is a directory, a file of molecules was expected")
        return path.is_file()
    except (OSError, ValueError):  # longer than a file name may be, or with a NUL in it
        return False


def chunks(rows: Iterable[Given], size: int) -> Iterator[list[Given]]:
    """Lists of up to `size` rows, read as they are needed."""
    part: list[Given] = []
    for row in rows:
        part.append(row)
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part
