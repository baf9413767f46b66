"""Bemis-Murcko scaffolds: the rings of a molecule and what links them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule


def murcko_scaffold(molecule: Molecule, *, generic: bool = False, keep_stereo: bool = False) -> str:
    """SMILES of the scaffold; empty for a molecule without rings (Bemis and Murcko 1996).

    Args:
        molecule: The molecule.
        generic: Every atom a carbon and every bond single: the framework.
        keep_stereo: Whether the scaffold keeps its stereo marks.

    Stereochemistry is left out unless asked for, so that isomers share a scaffold and a scaffold split keeps
    them together.

    >>> from molvae.chemistry.molecule import parse
    >>> murcko_scaffold(parse("Cc1ccc(C(=O)NC2CC2)cc1"))
    'O=C(NC1CC1)c1ccccc1'
    >>> murcko_scaffold(parse("Cc1ccc(C(=O)NC2CC2)cc1"), generic=True)
    'C1CCC(CCC2CC2)CC1'
    >>> murcko_scaffold(parse("CCO"))
    ''
    """
    with rdBase.BlockLogs():
        mol = MurckoScaffold.GetScaffoldForMol(molecule.mol)
        if generic and mol.GetNumAtoms():
            mol = _generic(mol)
        return str(Chem.MolToSmiles(mol, isomericSmiles=keep_stereo))


def _generic(mol: Chem.Mol) -> Chem.Mol:
    # What hung on the scaffold by a double bond hangs on the framework by a single one, and goes too.
    try:
        return MurckoScaffold.GetScaffoldForMol(MurckoScaffold.MakeScaffoldGeneric(mol))
    except (
        RuntimeError,
        ValueError,
    ):  # more bonds on an atom than a carbon can have: no framework but itself
        return mol
