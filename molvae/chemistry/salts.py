"""Salts, solvents and metals: find the main fragment, and reject molecules without a standard form."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import Descriptors

from molvae.chemistry.charges import uncharged

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
    """Whether an atom is a metal; wildcards are not."""
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


def main_fragment(mol: Chem.Mol) -> tuple[Chem.Mol, str]:
    """The main fragment, and why the choice is ambiguous ("" if it is not).

    Known counter-ions, solvents and what has no carbon framework are set aside; of the rest the fragment with
    most heavy atoms is kept. If nothing is left, a known organic acid, base or solvent is kept, else an
    inorganic one. The choice is doubtful where different molecules are left to choose from.

    >>> kept, doubt = main_fragment(Chem.MolFromSmiles("NCCS.OC(=O)C(O)C(O)C(=O)O"))
    >>> Chem.MolToSmiles(kept), doubt
    ('NCCS', '')
    >>> main_fragment(Chem.MolFromSmiles("CC(=O)Nc1ccccc1.CN1CCCC1=S"))[1]
    'a mixture of 2 molecules, the largest is kept'
    """
    tiers: dict[int, list[Chem.Mol]] = {}
    for fragment in Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False):
        tiers.setdefault(_tier(fragment), []).append(fragment)
    best = min(tiers)
    candidates = tiers[best]
    doubt = "inorganic, the largest part is kept" if best == _INORGANIC else ""
    if len(candidates) > 1:
        # the weight is a sum: its last digits depend on the order of atoms
        named = [(-f.GetNumHeavyAtoms(), -round(Descriptors.MolWt(f), 3), _neutral(f), f) for f in candidates]
        different = len({name for _, _, name, _ in named})
        if different > 1 and not doubt:
            doubt = f"a mixture of {different} molecules, the largest is kept"
        candidates = [min(named, key=lambda entry: entry[:3])[-1]]
    return candidates[0], doubt


_UNKNOWN, _SET_ASIDE, _INORGANIC = range(3)


def _tier(fragment: Chem.Mol) -> int:
    if not has_framework(fragment):
        return _INORGANIC
    known = _known().get(_heavy(fragment))
    return _SET_ASIDE if known and _flat(str(Chem.MolToSmiles(fragment))) in known else _UNKNOWN


def _heavy(mol: Chem.Mol) -> tuple[int, ...]:
    """The heavy atoms by element, which most fragments share with no known counter-ion."""
    return tuple(sorted(atom.GetAtomicNum() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1))


def _neutral(mol: Chem.Mol) -> str:
    return str(Chem.MolToSmiles(uncharged(mol)))


@lru_cache(maxsize=1024)
def _flat(smiles: str) -> str:
    """Without the charges that protons remove, isotopes and stereochemistry; "" for what cannot be read."""
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return ""
    mol = uncharged(mol)
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    Chem.RemoveStereochemistry(mol)
    return str(Chem.MolToSmiles(Chem.RemoveHs(mol)))


@cache
def _known() -> dict[tuple[int, ...], set[str]]:
    """The known counter-ions and solvents, listed in ``salts.txt``, by their heavy atoms."""
    found: dict[tuple[int, ...], set[str]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            smiles = _flat(line.rpartition(" ")[2])
            found.setdefault(_heavy(Chem.MolFromSmiles(smiles)), set()).add(smiles)
    return found
