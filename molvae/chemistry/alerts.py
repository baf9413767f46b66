"""The MOSES filters: rings, charges, elements, and the structural alerts of medicinal chemistry and PAINS."""

from __future__ import annotations

import csv
from functools import cache
from typing import TYPE_CHECKING, Any

from rdkit import Chem, DataStructs, rdBase

from molvae.chemistry.charges import drawn_neutral
from molvae.chemistry.filters import filter_reasons
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from molvae.chemistry.molecule import Molecule

ALERT_FILES = ("mcf.csv", "wehi_pains.csv")
"""The 22 medicinal-chemistry and 480 PAINS alerts of MOSES: columns names, smarts; and smarts, name."""

_ELEMENTS = frozenset({"C", "N", "S", "O", "F", "Cl", "Br", "H"})
_LARGEST_RING = 7
_SCREEN_BITS = 1024


def moses_reasons(molecule: Molecule, alerts: Path | None = None) -> tuple[str, ...]:
    """Why the MOSES filters refuse a molecule; empty when it passes (Polykovskiy 2020).

    No ring of eight or more atoms, no formal charge (those of a sulfoxide do not count), only C N S O F Cl Br
    H, and none of the alerts, which are matched with all hydrogens explicit.

    Args:
        molecule: The molecule.
        alerts: Directory of the `ALERT_FILES`. Without it, RDKit's own PAINS catalog stands in, which holds
            the 480 PAINS alerts but not the 22 of medicinal chemistry.

    Raises:
        InputError: The files are missing or not alerts.

    >>> from molvae.chemistry.molecule import parse
    >>> moses_reasons(parse("C1CCCCCCC1"))
    ('a ring of 8 atoms',)
    >>> moses_reasons(parse("C[N+](C)(C)CI"))
    ('charged', 'element I')
    """
    mol = drawn_neutral(molecule.mol)
    found = list(_simple_reasons(mol))
    if alerts is None:
        return (*found, *filter_reasons(molecule, ["pains"]))
    with rdBase.BlockLogs():
        explicit = Chem.AddHs(mol)
        bits = Chem.PatternFingerprint(explicit, _SCREEN_BITS)
        return (*found, *_alert_names(explicit, bits, alerts))


def _simple_reasons(mol: Chem.Mol) -> Iterator[str]:
    rings = [len(ring) for ring in mol.GetRingInfo().AtomRings()]
    if rings and max(rings) > _LARGEST_RING:
        yield f"a ring of {max(rings)} atoms"
    if any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        yield "charged"
    yield from (f"element {symbol}" for symbol in sorted(_symbols(mol) - _ELEMENTS))


def _symbols(mol: Chem.Mol) -> set[str]:
    return {atom.GetSymbol() for atom in mol.GetAtoms()}


def _alert_names(mol: Chem.Mol, bits: Any, directory: Path) -> Iterator[str]:
    # A pattern's bits are among those of every molecule it matches: few are left to be matched in earnest.
    for name, query, query_bits in _alerts(directory):
        if DataStructs.AllProbeBitsMatch(query_bits, bits) and mol.HasSubstructMatch(query):
            yield name


@cache
def _alerts(directory: Path) -> tuple[tuple[str, Any, Any], ...]:
    alerts = []
    for name, smarts in _read(directory):
        with rdBase.BlockLogs():
            query = Chem.MolFromSmarts(smarts)
        if query is None:
            raise InputError(f"the alert '{name}' in {directory} is not SMARTS: {smarts[:80]}")
        alerts.append((name, query, Chem.PatternFingerprint(query, _SCREEN_BITS)))
    return tuple(alerts)


def _read(directory: Path) -> Iterator[tuple[str, str]]:
    medicinal, pains = (directory / name for name in ALERT_FILES)
    try:
        with medicinal.open(encoding="utf-8", newline="") as file:
            yield from ((row["names"].strip(), row["smarts"].strip()) for row in csv.DictReader(file))
        with pains.open(encoding="utf-8", newline="") as file:
            for smarts, name in csv.reader(file):
                yield name.strip(' "<>').removeprefix("regId="), smarts.strip()
    except (OSError, KeyError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(
            f"cannot read the alerts of {directory}: {error}",
            hint=f"It must hold {' and '.join(ALERT_FILES)} as in the MOSES repository.",
        ) from None
