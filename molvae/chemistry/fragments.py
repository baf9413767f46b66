"""BRICS fragments: what a molecule falls into at the bonds a chemist would make it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule


def brics_fragments(molecule: Molecule) -> tuple[str, ...]:
    """SMILES of the fragments between the BRICS bonds (Degen 2008), cut ends as numbered dummy atoms.

    A fragment comes as often as it occurs; a molecule without such a bond is its own fragment.

    >>> from molvae.chemistry.molecule import parse
    >>> brics_fragments(parse("CC(=O)NCC"))
    ('[1*]C(C)=O', '[4*]CC', '[5*]N[5*]')
    """
    with rdBase.BlockLogs():
        return tuple(str(Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(molecule.mol))).split("."))
