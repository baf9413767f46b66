"""Cores that must stay: a SMILES whose attachment points say where it may grow, as a SMARTS pattern."""

from __future__ import annotations

import re
from itertools import combinations

from rdkit import Chem, rdBase

from molvae.chemistry.molecule import Molecule, is_valid, parse
from molvae.chemistry.substructure import contains, pattern
from molvae.errors import UsageError

_PLAIN_ATOM = re.compile(r"\[#(\d+)(?:&?H\d?)?(?:&D\d)?(?:&?([+-]\d?))?\]")
_MOST_HYDROGENS = 3  # of aromatic nitrogens


def core_pattern(text: str) -> str:
    """The SMARTS of a core.

    Without attachment points the text is returned as it is: SMARTS, or a SMILES read as SMARTS, which occurs
    wherever its atoms and bonds do. With attachment points (`[*:1]`, `*`) the text is a SMILES, and only the
    atoms they are bonded to may have more neighbors in a molecule than in the core.

    Raises:
        UsageError: The text is neither, or its attachment points are not at the ends of single bonds.

    >>> core_pattern("c1ccccc1C(=O)N")
    'c1ccccc1C(=O)N'
    >>> core_pattern("[*:1]c1ccncc1")
    '[#6]1:[#6&D2]:[#6&D2]:[#7&D2]:[#6&D2]:[#6&D2]:1'
    """
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text) if "*" in text else None
    points = [] if mol is None else [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    if mol is None or not points:
        pattern(text)  # says what is wrong
        return text
    if any(point.GetDegree() != 1 or point.GetBonds()[0].GetBondTypeAsDouble() != 1 for point in points):
        raise UsageError(
            f"an attachment point of the core '{text}' is not at the end of a single bond",
            hint="Write it as in [*:1]c1ccncc1. Without attachment points the core may be any SMARTS.",
        )
    open_atoms = {point.GetNeighbors()[0].GetIdx() for point in points}
    query = Chem.RWMol(mol)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() and atom.GetIdx() not in open_atoms:
            charge = f"&{atom.GetFormalCharge():+d}" if atom.GetFormalCharge() else ""
            query.ReplaceAtom(
                atom.GetIdx(), Chem.AtomFromSmarts(f"[#{atom.GetAtomicNum()}&D{atom.GetDegree()}{charge}]")
            )
    for point in sorted((point.GetIdx() for point in points), reverse=True):
        query.RemoveAtom(point)
    return str(Chem.MolToSmarts(query))


def core_molecule(smarts: str) -> Molecule | None:
    """The core of `core_pattern` as a molecule, with hydrogens where it may grow.

    None where the pattern leaves atoms or bonds open.

    >>> core_molecule(core_pattern("[*:1]c1ccncc1")).smiles
    'c1ccncc1'
    >>> core_molecule("[#6,#7]C") is None
    True
    """
    read = parse(smarts)
    if is_valid(read):
        return read
    drawn = _drawn(Chem.MolFromSmarts(smarts))
    if drawn is None:
        return None
    nitrogens = [a.GetIdx() for a in drawn.GetAtoms() if a.GetAtomicNum() == 7 and a.GetIsAromatic()]  # noqa: PLR2004
    for n in range(_MOST_HYDROGENS + 1):  # a pattern does not say which aromatic nitrogens have a hydrogen
        for chosen in combinations(nitrogens, n):
            tried = Chem.RWMol(drawn)
            for index in chosen:
                tried.GetAtomWithIdx(index).SetNumExplicitHs(1)
            with rdBase.BlockLogs():
                found = parse(Chem.MolToSmiles(tried))
            if is_valid(found) and contains(found, smarts):
                return found
    return None


def _drawn(query: Chem.Mol | None) -> Chem.RWMol | None:
    """The atoms and bonds of a pattern, if it gives them all; hydrogens are left out."""
    matches = [] if query is None else [_PLAIN_ATOM.fullmatch(atom.GetSmarts()) for atom in query.GetAtoms()]
    if query is None or None in matches:
        return None
    drawn = Chem.RWMol()
    for element, charge in (match.groups() for match in matches if match is not None):
        atom = Chem.Atom(int(element))
        atom.SetFormalCharge(int(charge if charge[1:] else f"{charge}1") if charge else 0)
        drawn.AddAtom(atom)
    for bond in query.GetBonds():
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        drawn.AddBond(*ends, bond.GetBondType())
        if bond.GetBondType() == Chem.BondType.AROMATIC:
            for end in ends:
                drawn.GetAtomWithIdx(end).SetIsAromatic(True)
    return drawn
