"""Parts of molecules: Bemis-Murcko scaffolds and BRICS fragments."""

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
    # Atoms double-bonded to the scaffold are single-bonded in the framework, and are removed too.
    try:
        return MurckoScaffold.GetScaffoldForMol(MurckoScaffold.MakeScaffoldGeneric(mol))
    except (
        RuntimeError,
        ValueError,
    ):  # more bonds on an atom than a carbon can have: no framework but itself
        return mol


def brics_fragments(molecule: Molecule) -> tuple[str, ...]:
    """SMILES of the fragments between the BRICS bonds (Degen 2008), cut ends as numbered dummy atoms.

    A fragment comes as often as it occurs; a molecule without such a bond is its own fragment.

    >>> from molvae.chemistry.molecule import parse
    >>> brics_fragments(parse("CC(=O)NCC"))
    ('[1*]C(C)=O', '[4*]CC', '[5*]N[5*]')
    """
    with rdBase.BlockLogs():
        return tuple(str(Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(molecule.mol))).split("."))
