"""Cut molecules into pieces with open ends, join pieces, and mark the atoms of cores to keep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from rdkit import Chem
from rdkit.Chem import rdqueries

from molvae.chemistry.molecule import Molecule
from molvae.chemistry.substructure import occurrences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_TRIES = 6
_CUTTABLE = Chem.MolFromSmarts("*-;!@*")
_WITH_HYDROGEN = Chem.MolFromSmarts("[!H0]")
_BONDS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE)
_KEPT, _CLOSED = "_kept", "_closed"
_IS_KEPT = rdqueries.HasPropQueryAtom(_KEPT)
_MOST = 8  # ways to place the cores in one molecule

COMMON_GROUPS = (
    "*C *CC *C(C)C *C(C)(C)C *CCC *CC(C)C *C1CC1 *CC1CC1 *C1CCC1 *C1CCCC1 *C1CCCCC1 *C=C *C#C *F *Cl *Br "
    "*C(F)F *C(F)(F)F *CC(F)(F)F *O *OC *OCC *OC(C)C *OC(F)F *OC(F)(F)F *CO *CCO *COC *CCOC *N *NC *N(C)C "
    "*CN *CN(C)C *CCN(C)C *NCC *NC1CC1 *NC(C)=O *NS(C)(=O)=O *C#N *CC#N *[N+](=O)[O-] *C(C)=O *C(=O)O "
    "*CC(=O)O *C(=O)OC *C(=O)OCC *OC(C)=O *C(N)=O *C(=O)NC *C(=O)N(C)C *C(=O)NC1CC1 *NC(N)=O *SC "
    "*S(C)(=O)=O *S(N)(=O)=O *S(=O)(=O)N(C)C *P(=O)(O)O *c1ccccc1 *Cc1ccccc1 *CCc1ccccc1 *Oc1ccccc1 "
    "*Nc1ccccc1 *C(=O)c1ccccc1 *C(=O)Nc1ccccc1 *NC(=O)c1ccccc1 *S(=O)(=O)c1ccccc1 *c1ccc(F)cc1 *c1ccccc1F "
    "*c1ccc(Cl)cc1 *c1ccc(C)cc1 *c1ccc(OC)cc1 *c1ccccn1 *c1cccnc1 *c1ccncc1 *c1ncccn1 *c1cnccn1 *c1cccs1 "
    "*c1ccsc1 *c1ccco1 *c1ccoc1 *n1cccc1 *n1cccn1 *c1cnn(C)c1 *c1ccn[nH]1 *n1ccnc1 *c1c[nH]cn1 *n1cncn1 "
    "*c1nccs1 *c1ccon1 *c1nnn[nH]1 *c1noc(C)n1 *c1nnc(C)o1 *N1CCCC1 *N1CCCCC1 *N1CCOCC1 *N1CCNCC1 "
    "*N1CCN(C)CC1 *N1CCCC1=O *CN1CCOCC1 *CN1CCCC1 *CN1CCN(C)CC1 *C(=O)N1CCCC1 *C(=O)N1CCOCC1 *C1CCNCC1 "
    "*C1CCOCC1 *C1CCCO1 *c1ccc2c(c1)OCO2 *c1ccc2ccccc2c1 *c1c[nH]c2ccccc12 *c1nc2ccccc2s1 "
    "*c1nc2ccccc2[nH]1 *c1ccc2ncccc2c1"
)
"""Groups with one open end, most of them among the commonest substituents of ZINC250k (single bonds cut)."""


@dataclass(frozen=True)
class Piece:
    """Part of a molecule.

    Attributes:
        mol: Its atoms, without aromatic flags.
        ends: Atoms where bonds were cut, one or two (which may be the same atom).
    """

    mol: Chem.Mol
    ends: tuple[int, ...]


def editable(mol: Chem.Mol) -> Chem.Mol:
    """A copy fit for edits: explicit double bonds, and hydrogens that follow from valences where they can."""
    copy = Chem.RWMol(mol)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    before = [
        (atom.GetTotalNumHs(), atom.GetNumExplicitHs(), atom.GetNoImplicit()) for atom in mol.GetAtoms()
    ]
    for atom in copy.GetAtoms():
        if not atom.GetNumRadicalElectrons():
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    copy.UpdatePropertyCache(strict=False)
    for atom, (total, explicit, fixed) in zip(copy.GetAtoms(), before):
        if atom.GetTotalNumHs() != total:
            atom.SetNoImplicit(fixed)
            atom.SetNumExplicitHs(explicit)
    copy.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(copy)
    return copy


def cut_bond(mol: Chem.Mol, rng: Random) -> tuple[Piece, Piece] | None:
    """Both sides of a random single bond outside rings, in random order; None if there is no such bond."""
    matches = mol.GetSubstructMatches(_CUTTABLE)
    bonds = [ends for ends in matches if not is_kept_bond(mol.GetBondBetweenAtoms(*ends))]
    if not bonds:
        return None
    begin, end = rng.choice(bonds)
    pieces = _fragments(mol, [mol.GetBondBetweenAtoms(begin, end).GetIdx()], [(begin,), (end,)])
    return pieces if pieces is None or rng.random() < 0.5 else (pieces[1], pieces[0])  # noqa: PLR2004


def cut_ring(mol: Chem.Mol, rng: Random) -> tuple[Piece, Piece] | None:
    """Both sides of two random bonds of a ring, in random order; nothing if no ring falls in two."""
    rings = mol.GetRingInfo().BondRings()
    if not rings:
        return None
    for _ in range(_TRIES):
        first, second = (mol.GetBondWithIdx(index) for index in rng.sample(rng.choice(rings), 2))
        if is_kept_bond(first) or is_kept_bond(second):
            continue
        atoms = Chem.GetMolFrags(_without(mol, (first, second)))
        if len(atoms) != 2:  # noqa: PLR2004 - a fused ring may hold together
            continue
        side = set(atoms[0])
        ends = [a if a in side else b for a, b in map(_ends, (first, second))]
        others = [b if a in side else a for a, b in map(_ends, (first, second))]
        pieces = _fragments(mol, [first.GetIdx(), second.GetIdx()], [tuple(ends), tuple(others)])
        return pieces if pieces is None or rng.random() < 0.5 else (pieces[1], pieces[0])  # noqa: PLR2004
    return None


def core_side(pieces: tuple[Piece, Piece]) -> Piece:
    """The piece with more atoms of a core, or else the larger."""
    return max(pieces, key=lambda piece: (n_kept(piece.mol), int(piece.mol.GetNumAtoms())))


def growing(mol: Chem.Mol) -> list[int]:
    """Atoms with a hydrogen that can be replaced."""
    free = (index for (index,) in mol.GetSubstructMatches(_WITH_HYDROGEN))
    return [index for index in free if not is_closed(mol.GetAtomWithIdx(index))]


def opened(mol: Chem.Mol, rng: Random) -> Piece | None:
    """The molecule with its open end at a random atom with a replaceable hydrogen."""
    free = growing(mol)
    return Piece(mol, (rng.choice(free),)) if free else None


def joined(a: Piece, b: Piece, rng: Random) -> Chem.RWMol:
    """One molecule of two pieces, end to end; to be sanitized. Bonds that close a ring may be double."""
    shift = a.mol.GetNumAtoms()
    whole = Chem.RWMol(Chem.CombineMols(a.mol, b.mol))
    ends = list(b.ends)
    rng.shuffle(ends)
    pairs = list(zip(a.ends, ends))
    for left, right in pairs:
        order = _BONDS[len(pairs) > 1 and rng.random() < 0.5]  # noqa: PLR2004
        if whole.GetBondBetweenAtoms(left, right + shift) is None:
            whole.AddBond(left, right + shift, order)
    return whole


@cache
def common_groups() -> tuple[Piece, ...]:
    """`COMMON_GROUPS` as pieces."""
    return tuple(_group(text) for text in COMMON_GROUPS.split())


def _group(text: str) -> Piece:
    """The piece that a SMILES with one `*` describes, the star being its open end."""
    mol = Chem.RWMol(Chem.MolFromSmiles(text))
    (star,) = (atom for atom in mol.GetAtoms() if not atom.GetAtomicNum())
    (neighbor,) = star.GetNeighbors()
    end = neighbor.GetIdx() - (neighbor.GetIdx() > star.GetIdx())
    mol = Chem.RWMol(editable(mol))
    mol.RemoveAtom(star.GetIdx())
    mol.UpdatePropertyCache(strict=False)
    return Piece(mol.GetMol(), (end,))


def _ends(bond: Chem.Bond) -> tuple[int, int]:
    return bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()


def _without(mol: Chem.Mol, bonds: Any) -> Chem.RWMol:
    copy = Chem.RWMol(mol)
    for begin, end in map(_ends, bonds):
        copy.RemoveBond(begin, end)
    return copy


def _fragments(mol: Chem.Mol, bonds: list[int], ends: list[tuple[int, ...]]) -> tuple[Piece, Piece] | None:
    copy = _without(mol, [mol.GetBondWithIdx(index) for index in bonds])
    mapping: list[tuple[int, ...]] = []
    found = Chem.GetMolFrags(copy, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=mapping)
    if len(found) != 2:  # noqa: PLR2004
        return None
    pieces = []
    for atoms, part in zip(mapping, found):
        mine = next((e for e in ends if e[0] in atoms), None)
        if mine is None:  # the other fragment of a salt: the cut did not part the molecule
            return None
        part.UpdatePropertyCache(strict=False)
        pieces.append(Piece(part, tuple(atoms.index(atom) for atom in mine)))
    return pieces[0], pieces[1]


def protected(mol: Chem.Mol, molecule: Molecule, cores: Sequence[str]) -> tuple[Chem.Mol, ...]:
    """Copies of an editable molecule with the atoms of its cores marked, one for each place of the cores.

    The molecule itself where it lacks one of them: it has to be changed to get it. `mol` is
    `editable(molecule.mol)`; cores are SMARTS.
    """
    places = islice(product(*(occurrences(molecule, core) for core in cores)), _MOST)
    return tuple(_marked(mol, cores, atoms) for atoms in places) or (mol,)


def is_kept(atom: Chem.Atom) -> bool:
    """Whether an atom belongs to a core: it is neither changed nor taken away."""
    return bool(atom.HasProp(_KEPT))


def is_closed(atom: Chem.Atom) -> bool:
    """Whether an atom belongs to a core that no longer matches if a group is attached to the atom."""
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
    """Whether the core still matches with a methyl group on one of its atoms."""
    grown = Chem.RWMol(mol)
    grown.AddBond(index, grown.AddAtom(Chem.Atom(6)), Chem.BondType.SINGLE)
    if Chem.SanitizeMol(grown, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return False
    return atoms in occurrences(Molecule(str(Chem.MolToSmiles(grown)), grown), core)
