"""Small random edits of molecular graphs, each given a copy that it may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem

from molvae.chemistry.pieces import core_side, cut_bond, growing, is_kept, is_kept_bond, joined, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Edit = Callable[[Chem.RWMol, Random], Chem.RWMol | None]

_BONDS = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_ELEMENTS = (6, 7, 8, 9, 16, 17, 35, 15, 53)
_WEIGHTS_OF_ELEMENTS = (
    (),
    (6, 3, 3, 2, 1, 2, 1, 0.3, 0.2),  # hung on by a single bond
    (4, 3, 4, 0, 0.4, 0, 0, 0.1, 0),  # by a double bond
    (1, 1, 0, 0, 0, 0, 0, 0, 0),  # by a triple bond
)
_RING_SIZES, _RING_WEIGHTS = (3, 4, 5, 6, 7), (0.05, 0.05, 0.4, 0.45, 0.05)
_SULFUR = Chem.MolFromSmarts("[#16]")
_PICKS = 10


def _append_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    free = growing(mol)
    if not free:
        return None
    index = rng.choice(free)
    wanted = rng.choices((1, 2, 3), weights=(0.7, 0.25, 0.05))[0]
    order = min(max(1, mol.GetAtomWithIdx(index).GetTotalNumHs()), wanted)  # deuterium does not count
    element = rng.choices(_ELEMENTS, weights=_WEIGHTS_OF_ELEMENTS[order])[0]
    mol.AddBond(index, mol.AddAtom(Chem.Atom(element)), _BONDS[order])
    return mol


def _insert_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    bond = _free_bond(mol, rng)
    if bond is None:
        return None
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
    atom = _free_atom(mol, rng)
    if atom is None:
        return None
    neighbors = [neighbor.GetIdx() for neighbor in atom.GetNeighbors()]
    if not neighbors or sum(map(is_kept, atom.GetNeighbors())) > 1:
        return None
    rng.shuffle(neighbors)
    neighbors.sort(key=lambda index: is_kept(mol.GetAtomWithIdx(index)))
    for other in neighbors[1:]:
        if mol.GetBondBetweenAtoms(neighbors[0], other) is None:
            mol.AddBond(neighbors[0], other, _BONDS[1])
    mol.RemoveAtom(atom.GetIdx())
    return mol


def _change_atom(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    atom = _free_atom(mol, rng)
    if atom is None:
        return None
    element = rng.choices(_ELEMENTS, weights=_WEIGHTS_OF_ELEMENTS[1])[0]
    if element == atom.GetAtomicNum():
        return None
    atom.SetAtomicNum(element)
    atom.SetFormalCharge(0)
    return mol


def _change_order(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    bond = _free_bond(mol, rng)
    if bond is None:
        return None
    order = int(bond.GetBondTypeAsDouble())
    free = min(bond.GetBeginAtom().GetTotalNumHs(), bond.GetEndAtom().GetTotalNumHs())
    allowed = [new for new in (1, 2, 3) if new != order and new - order <= free]
    if not allowed:
        return None
    bond.SetBondType(_BONDS[allowed[0] if len(allowed) == 1 or rng.random() < 0.9 else allowed[1]])  # noqa: PLR2004
    bond.SetStereo(Chem.BondStereo.STEREONONE)
    return mol


def _close_ring(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    free = growing(mol)
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
    if is_kept_bond(bond):
        return None
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return mol


def _oxidize(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    sulfurs = [
        index for (index,) in mol.GetSubstructMatches(_SULFUR) if not is_kept(mol.GetAtomWithIdx(index))
    ]
    if not sulfurs:
        return None
    mol.AddBond(rng.choice(sulfurs), mol.AddAtom(Chem.Atom(8)), _BONDS[2])
    return mol


def _swap_atoms(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    if mol.GetNumAtoms() < 2:  # noqa: PLR2004
        return None
    a, b = (mol.GetAtomWithIdx(index) for index in rng.sample(range(mol.GetNumAtoms()), 2))
    if is_kept(a) or is_kept(b):
        return None
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
    core = opened(pieces[0].mol, rng)
    return None if core is None else joined(core, pieces[1], rng)


def _drop_group(mol: Chem.RWMol, rng: Random) -> Chem.RWMol | None:
    pieces = cut_bond(mol, rng)
    return None if pieces is None else Chem.RWMol(core_side(pieces).mol)


def _free_atom(mol: Chem.Mol, rng: Random) -> Chem.Atom | None:
    """A random atom outside the core, if a few picks find one."""
    picks = (mol.GetAtomWithIdx(rng.randrange(mol.GetNumAtoms())) for _ in range(_PICKS))
    return next((atom for atom in picks if not is_kept(atom)), None)


def _free_bond(mol: Chem.Mol, rng: Random) -> Chem.Bond | None:
    """A random bond outside the core, if there is a bond and a few picks find one."""
    n = mol.GetNumBonds()
    picks = (mol.GetBondWithIdx(rng.randrange(n)) for _ in range(_PICKS if n else 0))
    return next((bond for bond in picks if not is_kept_bond(bond)), None)


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
EDITS, WEIGHTS = list(_CHOICES), list(_CHOICES.values())
