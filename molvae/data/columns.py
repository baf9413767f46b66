"""Choose the columns that hold the SMILES and the names, and say why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import is_valid, parse
from molvae.errors import InputError, UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

SMILES_NAMES = (
    "smiles", "canonicalsmiles", "isomericsmiles", "smilescanonical", "isosmiles", "cansmiles",
    "smilesstring", "molsmiles", "smi", "structure", "mol",
)  # fmt: skip
ID_NAMES = (
    "id", "name", "identifier", "molid", "moleculeid", "compoundid", "zincid", "chemblid", "moleculechemblid",
    "cmpdchemblid", "cid", "title", "catalogid", "iupac",
)  # fmt: skip
_NAME = re.compile(r"[\w .()-]+")
_SHOWN_NAMES, _SHOWN_CHARACTERS = 30, 60  # of the columns in a message
_ENOUGH = 0.5  # share of sampled cells that must be molecules for a column to be taken as SMILES


@dataclass(frozen=True)
class Columns:
    """What each column of a table is.

    Attributes:
        names: All columns, in order.
        smiles: The column that holds the SMILES.
        identifier: The column that holds the names, if any.
        has_header: Whether the first row is a header.
        note: One sentence that says what was chosen and why.
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
    """Decide from the first rows of a table whether it has a header, and which columns to read.

    Args:
        rows: The first rows, the header (if there is one) included; at least one.
        smiles_column: The user's choice, by name, or by number from 1.
        id_column: The same for the names.
        header: Whether the first row is a header, where that is known.

    Raises:
        UsageError: If a chosen column does not exist.
        InputError: If none was chosen and none looks like SMILES.
    """
    first = [cell.strip() for cell in rows[0]]
    if header is None:
        header = _is_header(first, smiles_column)
    names = tuple(_distinct(first)) if header else tuple(f"column{n}" for n in range(1, len(first) + 1))
    sample = [row for row in rows[1 if header else 0 :] if len(row) == len(first)]
    if smiles_column is not None:
        smiles, why = _named(smiles_column, names), "as asked"
    else:
        smiles, why = _find_smiles(names, sample)
    identifier = _named(id_column, names) if id_column is not None else _find_id(names, smiles, header=header)
    named = f", names from '{identifier}'" if identifier else ""
    note = f"SMILES from column '{smiles}' ({why}){named}{'' if header else '; no header'}"
    return Columns(names, smiles, identifier, header, note)


def is_smiles_name(cell: str) -> bool:
    """Tell whether a cell is one of the names people give to a column of SMILES.

    >>> is_smiles_name("Canonical_SMILES"), is_smiles_name("CCO")
    (True, False)
    """
    return _plain(cell) in SMILES_NAMES and _NAME.fullmatch(cell) is not None


def require_columns(wanted: Sequence[str], names: Sequence[str], source: str) -> None:
    """Check that columns exist.

    Raises:
        UsageError: Naming the first that does not, the nearest, and all there are.
    """
    for name in wanted:
        if name not in names:
            raise UsageError(
                f"{source} has no column '{name}'{suggest(name, names)}",
                hint=f"Its columns: {listed(names)}.",
            )


def listed(names: Sequence[str]) -> str:
    """Return the names of columns for a message: printable, and not too many."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:_SHOWN_NAMES]]
    shown = [name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…" for name in shown]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _is_header(first: Sequence[str], smiles_column: str | None) -> bool:
    if smiles_column is not None and smiles_column in first:
        return True
    if any(is_smiles_name(cell) for cell in first):
        return True
    return not any(_is_smiles(cell) for cell in first)


def _is_smiles(cell: str) -> bool:
    """Whether a cell reads as a molecule of more than a letter: N or F may well be column names."""
    return len(cell) > 1 and is_valid(parse(cell))


def _find_smiles(names: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[str, str]:
    by_plain = {_plain(name): name for name in reversed(names)}
    for known in SMILES_NAMES:
        if known in by_plain:
            return by_plain[known], "by its name"
    for name in names:
        if "smiles" in name.lower():
            return name, "by its name"
    shares = [
        sum(_is_smiles(row[n].strip()) for row in sample) / max(len(sample), 1) for n in range(len(names))
    ]
    best = max(range(len(names)), key=shares.__getitem__)
    if shares[best] < _ENOUGH:
        raise InputError(
            f"no column looks like SMILES; the columns are: {listed(names)}",
            hint="Say which one it is with --smiles-column NAME (or its number, from 1).",
        )
    return names[best], f"{shares[best]:.0%} of its first cells are molecules"


def _find_id(names: Sequence[str], smiles: str, *, header: bool) -> str | None:
    if header:
        by_plain = {_plain(name): name for name in reversed(names)}
        return next((by_plain[known] for known in ID_NAMES if known in by_plain), None)
    others = [name for name in names if name != smiles]
    return others[0] if len(others) == 1 else None


def _named(column: str, names: Sequence[str]) -> str:
    if column not in names and column.isdigit() and 1 <= int(column) <= len(names):
        return names[int(column) - 1]
    require_columns([column], names, "the table")
    return column


def _distinct(names: Sequence[str]) -> list[str]:
    """Name nameless columns by their number, and count repeated names up."""
    seen: dict[str, int] = {}
    result = []
    for number, name in enumerate(names, start=1):
        base = name or f"column{number}"
        seen[base] = seen.get(base, 0) + 1
        result.append(base if seen[base] == 1 else f"{base}.{seen[base]}")
    return result


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
