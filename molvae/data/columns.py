"""Detect the SMILES and name columns of a table, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import is_valid, parse
from molvae.data.records import MISSING, read_number
from molvae.errors import InputError, UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

SMILES_NAMES = (
    "smiles", "canonicalsmiles", "isomericsmiles", "smilescanonical", "isosmiles", "cansmiles",
    "smilesstring", "molsmiles", "smi", "structure", "mol",
)  # fmt: skip
ID_NAMES = (
    "id", "name", "identifier", "molid", "moleculeid", "compoundid", "zincid", "chemblid", "moleculechemblid",
    "cmpdchemblid", "cid", "title", "catalogid", "iupac", "moleculename", "compoundname", "cmpdid",
    "molecule", "compound", "mol",
)  # fmt: skip
_NAME = re.compile(r"#?[\w .()-]+")
_SHOWN_NAMES, _SHOWN_CHARACTERS = 30, 60  # of the columns in a message
_ENOUGH = 0.5  # share of sampled cells that must be molecules for a column to be taken as SMILES
_ENOUGH_BY_NAME = 0.05  # the same for a column named like SMILES, which may be mostly invalid


@dataclass(frozen=True)
class Columns:
    """The roles of the columns of a table.

    Attributes:
        names: All columns, in order.
        smiles: The column that holds the SMILES.
        identifier: The column that holds the names, if any.
        has_header: Whether the first row is a header.
        note: One sentence on what was chosen and why.
    """

    names: tuple[str, ...]
    smiles: str
    identifier: str | None
    has_header: bool
    note: str


def choose_columns(
    rows: Sequence[Sequence[str]],
    *,
    smiles_column: str | None,
    id_column: str | None,
    header: bool | None = None,
) -> Columns:
    """Detect from the first rows of a table whether it has a header, and which columns to read.

    A chosen column is given by name or by number from 1; `header` skips detection.

    Raises:
        UsageError: If a chosen column does not exist.
        InputError: If none was chosen and none looks like SMILES.
    """
    first = [cell.strip() for cell in rows[0]]
    rest = [row for row in rows[1:] if len(row) == len(first)]
    if header is None:
        header = _is_header(first, rest, [smiles_column, id_column])
    names = tuple(_distinct(first)) if header else tuple(f"column{n}" for n in range(1, len(first) + 1))
    sample = rest if header else [first, *rest]
    if smiles_column is not None:
        smiles, why = find_column(smiles_column, names, "the table"), "as asked"
    else:
        smiles, why = _find_smiles(names, sample)
    if id_column is not None:
        identifier: str | None = find_column(id_column, names, "the table")
    else:
        identifier = _find_id(names, smiles, sample, header=header)
    named = f", names from '{identifier}'" if identifier else ""
    note = f"SMILES from column '{smiles}' ({why}){named}{'' if header else '; no header'}"
    return Columns(names, smiles, identifier, header, note)


def is_smiles_name(cell: str) -> bool:
    """Whether a cell is a common name of a SMILES column.

    >>> is_smiles_name("Canonical_SMILES"), is_smiles_name("CCO")
    (True, False)
    """
    return as_name(cell) in SMILES_NAMES and _NAME.fullmatch(cell) is not None


def find_column(wanted: str, names: Sequence[str], source: str) -> str:
    """The column with this name or, if there is none, this number, counted from 1.

    Raises:
        UsageError: There is no such column; the message suggests the nearest and lists all.
    """
    if wanted in names:
        return wanted
    if wanted in map(str, range(1, len(names) + 1)):
        return names[int(wanted) - 1]
    raise UsageError(
        f"{source} has no column '{wanted}'{suggest(wanted, names)}", hint=f"Its columns: {listed(names)}."
    )


def listed(names: Sequence[str]) -> str:
    """Return the names of columns for a message: printable, and not too many."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:_SHOWN_NAMES]]
    shown = [name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…" for name in shown]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], wanted: Sequence[str | None]) -> bool:
    """Whether the first row is a header: a row with a molecule or a number is data.

    A single letter counts as a molecule only if the cells below it are molecules: N or F may be names.
    """
    if any(name is not None and not name.isdigit() and name in first for name in wanted):
        return True
    if any("smiles" in as_name(cell) or is_smiles_name(cell) or as_name(cell) in ID_NAMES for cell in first):
        return True
    if any(_is_smiles(cell) or _is_number(cell) for cell in first):
        return False
    return not any(
        is_valid(parse(cell, diagnose=False)) and _molecules(rest, n)[0] >= _ENOUGH
        for n, cell in enumerate(first)
    )


def _is_smiles(cell: str) -> bool:
    """Whether a cell is a SMILES of more than one letter: N or F may be column names."""
    return len(cell) > 1 and is_valid(parse(cell, diagnose=False))


def _is_number(cell: str) -> bool:
    return cell.lower() not in MISSING and read_number(cell) is not None


def _molecules(sample: Sequence[Sequence[str]], n: int) -> tuple[float, int]:
    """Share and number of molecules in a column; single letters count only if there are no others."""
    cells = [cell for row in sample if (cell := row[n].strip()).lower() not in MISSING]
    long = [cell for cell in cells if len(cell) > 1] or cells
    count = sum(is_valid(parse(cell, diagnose=False)) for cell in long)
    return count / max(len(long), 1), count


def _find_smiles(names: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[str, str]:
    """The column of molecules; of several, the one with the best name, then the one with the most."""
    found = [_molecules(sample, n) for n in range(len(names))]
    ranks = [_rank(name) for name in names]
    worst = len(SMILES_NAMES) + 1
    by_name = [n for n, rank in enumerate(ranks) if rank < worst]
    fitting = [
        n for n, (share, _) in enumerate(found) if share >= (_ENOUGH_BY_NAME if n in by_name else _ENOUGH)
    ]
    if not fitting and by_name and not any(share >= _ENOUGH for share, _ in found):
        fitting = by_name  # a table of broken molecules
    if not fitting:
        raise InputError(
            f"no column looks like SMILES; the columns are: {listed(names)}",
            hint="Say which one it is with --smiles-column NAME (or its number, from 1).",
        )
    best = min(fitting, key=lambda n: (ranks[n], -found[n][1]))
    others = [names[n] for n in by_name if ranks[n] < ranks[best]]
    if others:
        return names[best], f"by its content: '{others[0]}' holds no molecules"
    if best in by_name:
        return names[best], "by its name"
    return names[best], f"{found[best][0]:.0%} of its first cells are molecules"


def _rank(name: str) -> int:
    """How well a name suits a column of SMILES; 0 is best."""
    plain = as_name(name)
    if plain in SMILES_NAMES:
        return SMILES_NAMES.index(plain)
    return len(SMILES_NAMES) + ("smiles" not in plain)


def _find_id(
    names: Sequence[str], smiles: str, sample: Sequence[Sequence[str]], *, header: bool
) -> str | None:
    """The column of names: by its header, or the only candidate in a table without header."""
    others = [n for n, name in enumerate(names) if name != smiles and _molecules(sample, n)[0] < _ENOUGH]
    if header:
        by_plain = {as_name(names[n]): names[n] for n in reversed(others)}
        return next((by_plain[known] for known in ID_NAMES if known in by_plain), None)
    cells = {n: [cell for row in sample if (cell := row[n].strip()).lower() not in MISSING] for n in others}
    texts = [n for n in others if not all(map(_is_number, cells[n]))]
    if not texts and len(others) == 1 and all(map(str.isdigit, cells[others[0]])):
        texts = others
    return names[texts[0]] if len(texts) == 1 else None


def _distinct(names: Sequence[str]) -> list[str]:
    """Name unnamed columns by number, and number repeated names."""
    seen: dict[str, int] = {}
    result = []
    for number, name in enumerate(names, start=1):
        base = name or f"column{number}"
        seen[base] = seen.get(base, 0) + 1
        result.append(base if seen[base] == 1 else f"{base}.{seen[base]}")
    return result


def as_name(name: str) -> str:
    """A column name normalized for comparison: letters and digits, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
