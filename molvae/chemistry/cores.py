"""Cores that must stay: a SMILES whose attachment points say where it may grow, as a SMARTS pattern."""

from __future__ import annotations

from rdkit import Chem, rdBase

from molvae.chemistry.substructure import pattern
from molvae.errors import UsageError


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
