"""Atoms of a core that graph edits leave alone: marks that follow atoms through copies and pieces."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from rdkit import Chem
from rdkit.Chem import rdqueries

from molvae.chemistry.molecule import Molecule
from molvae.chemistry.substructure import occurrences

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT, _CLOSED = "_kept", "_closed"
_IS_KEPT = rdqueries.HasPropQueryAtom(_KEPT)
_MOST = 8  # ways to place the cores in one molecule


def protected(mol: Chem.Mol, molecule: Molecule, cores: Sequence[str]) -> tuple[Chem.Mol, ...]:
    """Copies of an editable molecule with the atoms of its cores marked, one for each place of the cores.

    The molecule itself where it lacks one of them: it has to be changed to get it.

    Args:
        mol: `editable(molecule.mol)`.
        molecule: The same in its standard form, atoms in the same order.
        cores: SMARTS.
    """
    places = islice(product(*(occurrences(molecule, core) for core in cores)), _MOST)
    return tuple(_marked(mol, cores, atoms) for atoms in places) or (mol,)


def is_kept(atom: Chem.Atom) -> bool:
    """Whether an atom belongs to a core: it is neither changed nor taken away."""
    return bool(atom.HasProp(_KEPT))


def is_closed(atom: Chem.Atom) -> bool:
    """Whether an atom belongs to a core that is lost where something is hung on the atom."""
    return bool(atom.HasProp(_CLOSED))


def is_kept_bond(bond: Chem.Bond) -> bool:
    """Whether both ends of a bond belong to a core."""
    return is_kept(bond.GetBeginAtom()) and is_kept(bond.GetEndAtom())


def n_kept(mol: Chem.Mol) -> int:
    """How many atoms belong to a core."""
    return len(mol.GetAtomsMatchingQuery(_IS_KEPT))


def _marked(mol: Chem.Mol, cores: Sequence[str], places: Sequence[frozenset[int]]) -> Chem.Mol:
    marked = Chem.Mol(mol)
    for core, atoms in zip(cores, places):
        for atom in map(marked.GetAtomWithIdx, atoms):
            atom.SetBoolProp(_KEPT, True)
            if atom.GetTotalNumHs() and not _may_grow(mol, atom.GetIdx(), core, atoms):
                atom.SetBoolProp(_CLOSED, True)
    return marked


def _may_grow(mol: Chem.Mol, index: int, core: str, atoms: frozenset[int]) -> bool:
    """Whether the core is still there with a methyl group on one of its atoms."""
    grown = Chem.RWMol(mol)
    grown.AddBond(index, grown.AddAtom(Chem.Atom(6)), Chem.BondType.SINGLE)
    if Chem.SanitizeMol(grown, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return False
    return atoms in occurrences(Molecule(str(Chem.MolToSmiles(grown)), grown), core)
