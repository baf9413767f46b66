"""What the user gave on the command line: files, `-` for stdin, or SMILES written out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.output import Session
    from molvae.data.readers import Table
    from molvae.latent.codec import MolVAE

FILE_SUFFIXES = (
    ".csv", ".tsv", ".smi", ".smiles", ".cxsmiles", ".ism", ".txt", ".sdf", ".sd", ".mol", ".parquet", ".gz",
)  # fmt: skip


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
        UsageError: A column is named and there is no file.
    """
    yield from _each(
        arguments,
        (smiles_column, id_column),
        lambda argument: _molecules(argument, session, smiles_column, id_column),
    )


def given_vectors(
    arguments: Sequence[str],
    session: Session,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
) -> Iterator[Given]:
    """As `given`; a file with a column z0 (and stdin always) holds latent vectors, which stay in `fields`.

    Raises:
        InputError: A file is missing or cannot be read as a table.
        UsageError: A column is named and there is no file.
    """
    yield from _each(
        arguments,
        (smiles_column, id_column),
        lambda argument: _vectors(argument, session, smiles_column, id_column),
    )


def _each(
    arguments: Sequence[str], columns: tuple[str | None, str | None], read: Callable[[str], Iterator[Given]]
) -> Iterator[Given]:
    """SMILES as they are, numbered by their position, and what `read` finds in files."""
    from molvae.chemistry.molecule import cut_extension

    name = columns[0] or columns[1]
    if name is not None and arguments and not any(map(is_file, arguments)):
        raise UsageError(
            f"the column '{name}' of no file: molecules are given as SMILES",
            hint="Leave --smiles-column and --id-column out.",
        )
    for position, argument in enumerate(arguments, start=1):
        if is_file(argument):
            yield from read(argument)
        else:
            name = cut_extension(argument)[2]  # of a CXSMILES
            yield Given(identifier=name or str(position), text=argument)


def _molecules(
    argument: str, session: Session, smiles_column: str | None, id_column: str | None
) -> Iterator[Given]:
    table = _opened(argument, smiles_column, id_column)
    session.note(f"{argument}: {table.note}")
    yield from _rows(table)


def _vectors(
    argument: str, session: Session, smiles_column: str | None, id_column: str | None
) -> Iterator[Given]:
    table = _vector_table(argument, id_column)
    if table is None:
        yield from _molecules(argument, session, smiles_column, id_column)
        return
    for row in _rows(table):
        text = row.text if row.reason else row.fields.get("smiles", "")
        yield Given(row.identifier, text, row.reason, row.fields)


def _opened(argument: str, smiles_column: str | None, id_column: str | None) -> Table:
    from molvae.data.readers import open_table

    return open_table(
        argument if argument == "-" else Path(argument), smiles_column=smiles_column, id_column=id_column
    )


def _vector_table(argument: str, id_column: str | None) -> Table | None:
    if argument != "-" and argument.lower().removesuffix(".gz").endswith((".sdf", ".sd", ".mol")):
        return None
    try:
        return _opened(argument, "z0", id_column)
    except UsageError:
        if argument == "-":  # it cannot be read again
            raise
        return None


def _rows(table: Table) -> Iterator[Given]:
    from molvae.data.readers import BadRow

    for row in table.rows():
        if isinstance(row, BadRow):
            yield Given(identifier=f"line {row.line}", text=row.text, reason=row.reason)
        else:
            yield Given(identifier=row.identifier, text=row.text, fields=row.fields)


def prepared(model: MolVAE, rows: Sequence[Given]) -> list[Molecule | Invalid]:
    """The molecules of rows, standardized as the model's training data were; unreadable rows stay so."""
    from molvae.chemistry.molecule import Invalid

    made = model.prepare([row.text for row in rows])
    return [
        Invalid(row.text, row.reason) if row.reason else item for row, item in zip(rows, made, strict=True)
    ]


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
    """Lists of up to `size` rows; the first is read now, so that a missing file is told before any output."""
    iterator = iter(rows)
    first = list(islice(iterator, size))
    return _chunks(first, iterator, size)


def _chunks(part: list[Given], rest: Iterator[Given], size: int) -> Iterator[list[Given]]:
    while part:
        yield part
        part = list(islice(rest, size))
