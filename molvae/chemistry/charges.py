"""Neutralize charges, settle inner salts, and draw charge-separated groups neutrally for patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNCHARGER = rdMolStandardize.Uncharger(True)
_FIXED_CATION = Chem.MolFromSmarts("[+;H0;!$(*~[-])]")
_ATE = Chem.MolFromSmarts("[#14,#32,P,As,Sb,F,Cl,Br,I;-;H0;!D0]")
"""Anions that are saturated (hexafluorophosphate, triiodide), where RDKit would add a hydrogen."""
_ACIDS = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in (
        "[O;$([OH1,O-]S(=O)=O)]",
        "[O;$([OH1,O-]P=O)]",
        "[O;$([OH1,O-]C=O)]",
    )
)
"""Acids from strong to weak, the atom that holds the proton."""
_SULFOXIDES = Chem.MolFromSmarts("[#16,#34;+]-[O-]")
_PAIRS = Chem.MolFromSmarts("[+]-,=[-]")
_NEXT_ORDER = {
    Chem.BondType.SINGLE: Chem.BondType.DOUBLE,
    Chem.BondType.DOUBLE: Chem.BondType.TRIPLE,
}


def uncharged(mol: Chem.Mol) -> Chem.Mol:
    """The molecule without the charges that protons can remove.

    A cation without hydrogen (a quaternary ammonium) keeps its charge. If the molecule has acids too, as many
    of them stay ionized as balance it: the strongest, and among equals the first in canonical order, so that
    a betaine, its hydrochloride and each of its protonated drawings have one form.

    >>> for text in ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)O", "[NH3+]CC(=O)[O-]"):
    ...     print(Chem.MolToSmiles(uncharged(Chem.MolFromSmiles(text))))
    C[N+](C)(C)CC(=O)[O-]
    C[N+](C)(C)CC(=O)[O-]
    NCC(=O)O
    """
    ate = [index for (index,) in mol.GetSubstructMatches(_ATE)]
    mol = _UNCHARGER.uncharge(mol)
    for index in ate:
        _set_charge(mol, index, -1, 0)
    n_cations = len(mol.GetSubstructMatches(_FIXED_CATION))
    acids = [[atom for (atom,) in mol.GetSubstructMatches(acid)] for acid in _ACIDS] if n_cations else []
    if not any(acids):
        return mol
    for group in acids:
        for atom in group:
            _set_charge(mol, atom, 0, 1)
    order = list(_strongest_first(mol, acids))
    for atom in order[: max(0, Chem.GetFormalCharge(mol))]:
        _set_charge(mol, atom, -1, 0)
    return mol


def _strongest_first(mol: Chem.Mol, acids: list[list[int]]) -> Iterator[int]:
    """Acid atoms in order of deprotonation: every center its first proton before any its second."""
    ranks = list(Chem.CanonicalRankAtoms(mol))
    given: dict[int, int] = {}
    keyed = []
    for strength, group in enumerate(acids):
        for atom in sorted(group, key=ranks.__getitem__):
            center = mol.GetAtomWithIdx(atom).GetNeighbors()[0].GetIdx()
            keyed.append((given.get(center, 0), strength, ranks[atom], atom))
            given[center] = given.get(center, 0) + 1
    return (atom for *_, atom in sorted(keyed))


def _set_charge(mol: Chem.Mol, index: int, charge: int, n_hydrogens: int) -> None:
    atom = mol.GetAtomWithIdx(index)
    atom.SetFormalCharge(charge)
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(n_hydrogens)
    atom.UpdatePropertyCache(False)


def drawn_neutral(mol: Chem.Mol, *, all_groups: bool = False) -> Chem.Mol:
    """The molecule with sulfoxides as S=O, where the standard form is [S+]-[O-]; unchanged if it has none.

    Args:
        mol: A sanitized molecule, which stays as it is.
        all_groups: Draw nitro groups, N-oxides, azides and ylides with double bonds too, whatever the
            valences: for matching patterns, not to be sanitized.

    >>> Chem.MolToSmiles(drawn_neutral(Chem.MolFromSmiles("C[S@@+]([O-])CC")))
    'CC[S@@](C)=O'
    """
    pairs = mol.GetSubstructMatches(_PAIRS if all_groups else _SULFOXIDES)
    if not pairs:
        return mol
    drawn = Chem.RWMol(mol)
    for positive, negative in pairs:
        ends = drawn.GetAtomWithIdx(positive), drawn.GetAtomWithIdx(negative)
        if [atom.GetFormalCharge() for atom in ends] != [1, -1]:  # it was paired with another neighbor
            continue
        bond = drawn.GetBondBetweenAtoms(positive, negative)
        bond.SetBondType(_NEXT_ORDER[bond.GetBondType()])
        for atom in ends:
            atom.SetFormalCharge(0)
    drawn.UpdatePropertyCache(strict=False)
    return drawn.GetMol()
