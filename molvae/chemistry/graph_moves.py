"""Small random edits of molecular graphs, and crossovers of two: where neighbors of a molecule come from.

The moves are those of graph-based genetic algorithms (Jensen, Chemical Science 10, 2019), and some that keep
the formula: a group moves, two atoms swap. They are carried out on the graph itself, not as reactions, which
is far quicker; what comes out is the SMILES of a standard form, for `parse` to read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

from molvae.chemistry.molecule import Invalid, Molecule
from molvae.chemistry.pieces import Piece, common_groups, cut_bond, cut_ring, editable, joined
from molvae.chemistry.standardize import is_plain, standardize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Edit = Callable[[Chem.RWMol, Random], Chem.RWMol | None]

_TRIES = 10
_BONDS = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_ELEMENTS = (6, 7, 8, 9, 16, 17, 35, 15, 53)
_WEIGHTS_OF_ELEMENTS = (
    (),
    (6, 3, 3, 2, 1, 2, 1, 0.3, 0.2),  # hung on by a single bond
    (4, 3, 4, 0, 0.4, 0, 0, 0.1, 0),  # by a double bond
    (1, 1, 0, 0, 0, 0, 0, 0, 0),  # by a triple bond
)
_RING_SIZES, _RING_WEIGHTS = (3, 4, 5, 6, 7), (0.05, 0.05, 0.4, 0.45, 0.05)
_SMALL_RING, _LARGEST_RING = 4, 7
_WITH_HYDROGEN = Chem.MolFromSmarts("[!H0]")
_ALLENE_IN_RING = Chem.MolFromSmarts("[R]=[R]=[R]")
_PREPARED = 4096
_SULFUR = 16


def mutated(molecule: Molecule, rng: Random, *, n_edits: int = 1) -> str | None:
    """The molecule after random edits, as SMILES; nothing where none was found.

    Args:
        molecule: Stays as it is.
        rng: Draws everything.
        n_edits: How many, one after the other.

    >>> from random import Random
    >>> from molvae.chemistry.molecule import parse
    >>> mutated(parse("CO"), Random(0)) in {None, "CO"}
    False
    """
    with rdBase.BlockLogs():
        mol, smiles = _prepared(molecule.smiles), None
        limits = _limits(mol)
        for number in range(n_edits):
            child, smiles = _edited(mol, molecule.smiles, limits, rng)
            if child is None:
                return None
            if number + 1 < n_edits:
                mol = editable(child)
    return smiles


def crossed(a: Molecule, b: Molecule, rng: Random) -> str | None:
    """A child of two molecules, as SMILES: a piece of each, joined where a bond or a ring was cut."""
    with rdBase.BlockLogs():
        left, right = _prepared(a.smiles), _prepared(b.smiles)
        for _ in range(_TRIES):
            cut = cut_bond if rng.random() < 0.5 else cut_ring  # noqa: PLR2004
            first, second = cut(left, rng), cut(right, rng)
            if first is None or second is None:
                continue
            smiles = _finished(joined(first[0], second[0], rng), _limits(left, right))
            if smiles is not None and smiles not in {a.smiles, b.smiles}:
                return smiles
    return None


def decorated(molecule: Molecule, rng: Random, groups: Sequence[Piece] | None = None) -> str | None:
    """The molecule with a group hung on it, or put in the place of another, as SMILES.

    Args:
        molecule: Stays as it is.
        rng: Draws everything.
        groups: To choose from; those common in drug-like molecules by default.
    """
    bank = common_groups() if groups is None else groups
    with rdBase.BlockLogs():
        mol = _prepared(molecule.smiles)
        for _ in range(_TRIES):
            core = _core(mol, rng) if rng.random() < 0.5 else _opened(mol, rng)  # noqa: PLR2004
            if core is None:
                continue
            smiles = _finished(joined(core, rng.choice(bank), rng), _limits(mol))
            if smiles is not None and smiles != molecule.smiles:
                return smiles
    return None


@lru_cache(maxsize=_PREPARED)
def _prepared(smiles: str) -> Chem.Mol:
    # read again from canonical SMILES: what a seed brings must not depend on how a parent was once written
    return editable(Chem.MolFromSmiles(smiles))


def _edited(
    mol: Chem.Mol, before: str, limits: tuple[int, int], rng: Random
) -> tuple[Chem.Mol | None, str | None]:
    for _ in range(_TRIES):
        child = rng.choices(_EDITS, weights=_WEIGHTS)[0](Chem.RWMol(mol), rng)
        smiles = None if child is None else _finished(child, limits)
        if smiles is not None and smiles != before:
            return child, smiles
    return None, None


def _finished(mol: Chem.RWMol, limits: tuple[int, int]) -> str | None:
    """Standard SMILES of a child in one piece, with possible valences, sensible rings, no new net charge."""
    largest_ring, largest_charge = limits
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    rings = mol.GetRingInfo().AtomRings()
    if rings:
        if max(map(len, rings)) > max(largest_ring, _LARGEST_RING) or mol.HasSubstructMatch(_ALLENE_IN_RING):
            return None
        small = [ring for ring in mol.GetRingInfo().BondRings() if len(ring) <= _SMALL_RING]
        if any(mol.GetBondWithIdx(bond).GetBondType() == _BONDS[2] for ring in small for bond in ring):
            return None
    child = Molecule(str(Chem.MolToSmiles(mol)), mol)
    if "." in child.smiles:
        return None
    form = child if is_plain(child) else standardize(child.smiles)
    if isinstance(form, Invalid) or abs(Chem.GetFormalCharge(form.mol)) > largest_charge:
        return None
    return form.smiles


def _limits(*mols: Chem.Mol) -> tuple[int, int]:
    """Atoms of the largest ring, and the largest net charge, of the parents."""
    rings = (len(ring) for mol in mols for ring in mol.GetRingInfo().AtomRings())
    return max(rings, default=0), max(abs(Chem.GetFormalCharge(mol)) for mol in mols)


def _free(mol: Chem.Mol) -> list[int]:
    """Atoms that have a hydrogen to give."""
    return [index for (index,) in mol.GetSubstructMatches(_WITH_HYDROGEN)]


def _append_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    free = _free(mol)
    if not free:
        return None
    index = rng.choice(free)
    wanted = rng.choices((1, 2, 3), weights=(0.7, 0.25, 0.05))[0]
    order = min(max(1, mol.GetAtomWithIdx(index).GetTotalNumHs()), wanted)  # deuterium does not count
    element = rng.choices(_ELEMENTS, weights=_WEIGHTS_OF_ELEMENTS[order])[0]
    mol.AddBond(index, mol.AddAtom(Chem.Atom(element)), _BONDS[order])
    return mol


def _insert_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    if not mol.GetNumBonds():
        return None
    bond = mol.GetBondWithIdx(rng.randrange(mol.GetNumBonds()))
    ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
    rng.shuffle(ends)
    order = bond.GetBondTypeAsDouble()
    mol.RemoveBond(*ends)
    middle = mol.AddAtom(Chem.Atom(rng.choices((6, 7, 8, 16), weights=(5, 3, 2, 1))[0]))
    kept = 2 if order == 2 or rng.random() < 0.3 else 1  # noqa: PLR2004
    mol.AddBond(ends[0], middle, _BONDS[kept])
    mol.AddBond(middle, ends[1], _BONDS[1])
    return mol


def _delete_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    atom = mol.GetAtomWithIdx(rng.randrange(mol.GetNumAtoms()))
    neighbors = [neighbor.GetIdx() for neighbor in atom.GetNeighbors()]
    if not neighbors:
        return None
    rng.shuffle(neighbors)
    for other in neighbors[1:]:
        if mol.GetBondBetweenAtoms(neighbors[0], other) is None:
            mol.AddBond(neighbors[0], other, _BONDS[1])
    mol.RemoveAtom(atom.GetIdx())
    return mol


def _change_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    atom = mol.GetAtomWithIdx(rng.randrange(mol.GetNumAtoms()))
    element = rng.choices(_ELEMENTS, weights=_WEIGHTS_OF_ELEMENTS[1])[0]
    if element == atom.GetAtomicNum():
        return None
    atom.SetAtomicNum(element)
    atom.SetFormalCharge(0)
    return mol


def _change_order(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    if not mol.GetNumBonds():
        return None
    bond = mol.GetBondWithIdx(rng.randrange(mol.GetNumBonds()))
    order = int(bond.GetBondTypeAsDouble())
    free = min(bond.GetBeginAtom().GetTotalNumHs(), bond.GetEndAtom().GetTotalNumHs())
    allowed = [new for new in (1, 2, 3) if new != order and new - order <= free]
    if not allowed:
        return None
    bond.SetBondType(_BONDS[allowed[0] if len(allowed) == 1 or rng.random() < 0.9 else allowed[1]])  # noqa: PLR2004
    bond.SetStereo(Chem.BondStereo.STEREONONE)
    return mol


def _close_ring(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    free = _free(mol)
    if len(free) < 3:  # noqa: PLR2004
        return None
    start = rng.choice(free)
    distances = Chem.GetDistanceMatrix(mol)[start]
    size = rng.choices(_RING_SIZES, weights=_RING_WEIGHTS)[0]
    ends = [index for index in free if distances[index] == size - 1]
    if not ends:
        return None
    mol.AddBond(start, rng.choice(ends), _BONDS[1])
    return mol


def _open_ring(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    rings = mol.GetRingInfo().BondRings()
    if not rings:
        return None
    bond = mol.GetBondWithIdx(rng.choice(rng.choice(rings)))
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return mol


def _oxidize(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    sulfurs = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() == _SULFUR]
    if not sulfurs:
        return None
    mol.AddBond(rng.choice(sulfurs), mol.AddAtom(Chem.Atom(8)), _BONDS[2])
    return mol


def _swap_atoms(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    if mol.GetNumAtoms() < 2:  # noqa: PLR2004
        return None
    a, b = (mol.GetAtomWithIdx(index) for index in rng.sample(range(mol.GetNumAtoms()), 2))
    first, second = (a.GetAtomicNum(), a.GetFormalCharge()), (b.GetAtomicNum(), b.GetFormalCharge())
    if first == second:
        return None
    for atom, (element, charge) in ((a, second), (b, first)):
        atom.SetAtomicNum(element)
        atom.SetFormalCharge(charge)
    return mol


def _move_group(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    pieces = cut_bond(mol, rng)
    if pieces is None:
        return None
    core = _opened(pieces[0].mol, rng)
    return None if core is None else joined(core, pieces[1], rng)


def _drop_group(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    core = _core(mol, rng)
    return None if core is None else Chem.RWMol(core.mol)


def _core(mol: Chem.Mol, rng: Random) -> Piece | None:
    """The larger side of a random single bond outside rings."""
    pieces = cut_bond(mol, rng)
    return None if pieces is None else max(pieces, key=lambda piece: int(piece.mol.GetNumAtoms()))


def _opened(mol: Chem.Mol, rng: Random) -> Piece | None:
    """The molecule with its open end at a random atom that has a hydrogen to give."""
    free = _free(mol)
    return Piece(mol, (rng.choice(free),)) if free else None


_CHOICES: dict[Edit, float] = {
    _append_atom: 3.0,
    _insert_atom: 2.0,
    _delete_atom: 2.5,
    _change_atom: 3.0,
    _change_order: 1.5,
    _close_ring: 1.0,
    _open_ring: 1.0,
    _oxidize: 0.2,
    _swap_atoms: 1.5,
    _move_group: 1.5,
    _drop_group: 1.0,
}
_EDITS, _WEIGHTS = list(_CHOICES), list(_CHOICES.values())
