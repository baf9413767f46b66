"""What has no standard form and is refused by name: complexes and radicals."""

from __future__ import annotations

from rdkit import Chem

_NOT_METALS = frozenset(
    {0, 1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54, 85, 86}
)
_ALKALINE = frozenset({3, 11, 19, 37, 55, 4, 12, 20, 38, 56})
_IN_SALTS = _ALKALINE | {13, 30, 47, 83}
"""Metals whose ions go with organic acids as mere counter-ions: alkali, alkaline earth, Al, Zn, Ag, Bi."""
_IN_SALT_BONDS = frozenset({7, 8, 9, 16, 17, 35, 53})
_OXYGEN = 8
_FRAMEWORK = Chem.MolFromSmarts("[$([#6]~[#6]),$([#6;!H0])]")


def why_refused(mol: Chem.Mol) -> str:
    """Why a molecule has no standard form, "" if it has one.

    A complex would become its ligand (cisplatin ammonia), so it is refused; a salt of sodium would not.

    >>> why_refused(Chem.MolFromSmiles("N.N.Cl[Pt]Cl"))
    'organometallic or inorganic (Pt)'
    >>> why_refused(Chem.MolFromSmiles("CC(=O)O[Na]"))
    ''
    """
    metals = [atom for atom in mol.GetAtoms() if is_metal(atom)]
    bound = sorted({atom.GetSymbol() for atom in metals if not _is_counter_ion(atom)})
    if bound:
        return f"organometallic or inorganic ({', '.join(bound)})"
    for atom in mol.GetAtoms():
        if atom.GetNumRadicalElectrons() and not is_metal(atom):
            return f"a radical (unpaired electron at {atom.GetSymbol()})"
    return ""


def is_metal(atom: Chem.Atom) -> bool:
    """Whether an atom is of a metal; wildcards are none."""
    return atom.GetAtomicNum() not in _NOT_METALS


def has_framework(mol: Chem.Mol) -> bool:
    """Whether there is a carbon with a hydrogen or another carbon: carbonates and cyanides have none."""
    return bool(mol.HasSubstructMatch(_FRAMEWORK))


def _is_counter_ion(atom: Chem.Atom) -> bool:
    """Whether a metal atom is an ion, or bound only as salts are drawn: `CC(=O)O[Na]`, not `C[Mg]Br`."""
    number = atom.GetAtomicNum()
    if number not in _IN_SALTS:
        return False
    for bond in atom.GetBonds():
        other = bond.GetOtherAtom(atom).GetAtomicNum()
        chelated = bond.IsInRing() and not (number in _ALKALINE and other == _OXYGEN)
        if other not in _IN_SALT_BONDS or chelated:
            return False
    return True
