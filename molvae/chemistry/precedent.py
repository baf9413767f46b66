"""Precedent: how often the bonds and ring systems of a molecule occur in a set of molecules.

A bond is identified by its order and by both ends: element, degree, hydrogens, charge and ring membership of
each end and of its neighbors. A ring system is identified by its atoms and bonds, and by atoms attached by
double bonds; other substituents are left out. A molecule is as unusual as its rarest bond or ring system.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from rdkit import Chem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule

    Keys = NDArray[np.uint64]

_COMMON = 1e-4  # share of the molecules that have a common bond or ring system
_RING_ROUNDS = 6  # rounds of neighbors by which ring systems are distinguished
_SHIFT, _FIRST, _SECOND = np.uint64(33), np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)


@dataclass(frozen=True)
class Weakness:
    """The most unusual place of a molecule.

    Attributes:
        kind: "bond" or "ring system".
        atoms: Indices of its atoms.
        count: Molecules of the set that have such a place.
        name: In words, such as `bond C-O at atoms 3, 4`.
    """

    kind: str
    atoms: tuple[int, ...]
    count: int
    name: str


class Precedent:
    """In how many of a set of molecules each bond and each ring system occurs, by key.

    >>> from molvae.chemistry.molecule import parse
    >>> known = Precedent.counted([parse("CCOc1ccccc1"), parse("CCOC")])
    >>> known.weakest(parse("CCOc1ccccc1")).count
    1
    >>> known.weakest(parse("CCOO")).name
    'bond O-O at atoms 2, 3'
    """

    def __init__(self, n_molecules: int, bonds: Mapping[int, int], rings: Mapping[int, int]) -> None:
        self.n_molecules = n_molecules
        self._bonds, self._rings = dict(bonds), dict(rings)

    @classmethod
    def counted(cls, molecules: Iterable[Molecule]) -> Self:
        """The precedent of standardized molecules; a place that a molecule has twice counts once."""
        bonds: Counter[int] = Counter()
        rings: Counter[int] = Counter()
        n = 0
        for n, molecule in enumerate(molecules, start=1):  # noqa: B007 - the last is their number
            found = Places(molecule)
            bonds.update({*found.bonds.tolist(), *found.plain.tolist()})
            rings.update(set(found.rings.tolist()))
        return cls(n, bonds, rings)

    def joined(self, other: Precedent) -> Precedent:
        """The precedent of both sets together."""
        return Precedent(
            self.n_molecules + other.n_molecules,
            Counter(self._bonds) + Counter(other._bonds),
            Counter(self._rings) + Counter(other._rings),
        )

    @property
    def n_common(self) -> int:
        """Molecules that must have a bond or ring system for it to be common: one in 10,000, at least one."""
        return max(1, round(_COMMON * self.n_molecules))

    def sentence(self, weak: Weakness) -> str:
        """The most unusual place of a molecule and its count in words."""
        return f"{weak.name}: in {weak.count:,} of {self.n_molecules:,} training molecules"

    def at_least(self, n: int) -> Precedent:
        """The bonds and ring systems that `n` molecules or more have."""
        bonds, rings = (
            {key: count for key, count in table.items() if count >= n} for table in (self._bonds, self._rings)
        )
        return Precedent(self.n_molecules, bonds, rings)

    def weakest(self, molecule: Molecule) -> Weakness | None:
        """The place with the lowest count; None for a single atom.

        An unusual atom makes all bonds around it unusual: of those, the one whose elements are rarest is
        named, and a ring system only where its bonds are better known than the whole.
        """
        found = Places(molecule)
        rings = [(self._rings.get(key, 0), i) for i, key in enumerate(found.rings.tolist())]
        bonds = [
            (self._bonds.get(key, 0), self._bonds.get(plain, 0), i)
            for i, (key, plain) in enumerate(zip(found.bonds.tolist(), found.plain.tolist()))
        ]
        if rings and bonds and min(rings)[0] < min(bonds)[0]:
            count, i = min(rings)
            atoms = found.ring_atoms[i]
            return Weakness("ring system", atoms, count, f"ring system of atoms {', '.join(map(str, atoms))}")
        if not bonds:
            return None
        count, _, i = min(bonds)
        a, b = found.bond_atoms[i].tolist()
        return Weakness("bond", (a, b), count, _bond_name(molecule.mol, a, b))

    def covers(self, molecule: Molecule) -> bool:
        """Whether every bond and ring system of a standardized molecule occurs in the set."""
        found = Places(molecule)
        if not all(key in self._bonds for key in found.bonds.tolist()):
            return False
        return all(key in self._rings for key in found.rings.tolist())

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Sorted keys and their counts, to be saved."""
        arrays = {"n_molecules": np.array([self.n_molecules])}
        for name, table in (("bonds", self._bonds), ("rings", self._rings)):
            keys = np.array(sorted(table), dtype=np.uint64)
            arrays[name] = keys.view(np.int64)
            arrays[f"{name}_count"] = np.array([table[key] for key in keys.tolist()], dtype=np.int64)
        return arrays

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.int64]]) -> Self:
        """The inverse of `arrays`."""
        bonds, rings = (
            dict(zip(arrays[n].view(np.uint64).tolist(), arrays[f"{n}_count"].tolist(), strict=True))
            for n in ("bonds", "rings")
        )
        return cls(int(arrays["n_molecules"][0]), bonds, rings)


class Places:
    """Where a molecule can be unusual, known by keys that are the same for every order of its atoms.

    Attributes:
        bond_atoms: The two atoms of each bond, `b x 2`.
    """

    def __init__(self, molecule: Molecule) -> None:
        self._mol = mol = molecule.mol
        orders = (2 * Chem.GetAdjacencyMatrix(mol, useBO=True)).astype(np.uint64)  # n x n; aromatic is 3
        self._begin, self._end = np.nonzero(orders)  # each bond twice, atoms in ascending order
        self._order = orders[self._begin, self._end]
        self._once = self._begin < self._end
        self.bond_atoms = np.stack([self._begin[self._once], self._end[self._once]], axis=1)
        self._atoms = np.array(
            [
                (
                    atom.GetAtomicNum(),
                    atom.GetFormalCharge() + 8,
                    atom.GetDegree(),
                    atom.GetTotalNumHs(),
                    atom.IsInRing() + atom.GetIsAromatic(),
                )
                for atom in map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))
            ],
            dtype=np.uint64,
        )

    @cached_property
    def bonds(self) -> Keys:
        """Key of each bond, `b`."""
        labels = _refined(_packed(self._atoms), self._begin, self._end, self._order, rounds=1)
        return self._keys(labels)

    @cached_property
    def plain(self) -> Keys:
        """Key of each bond by elements, charges and order alone, `b`."""
        return self._keys(_packed(self._atoms[:, :2]))

    @cached_property
    def ring_atoms(self) -> tuple[tuple[int, ...], ...]:
        """Atoms of each of `r` ring systems: rings that share an atom belong together."""
        systems: list[set[int]] = []
        for ring in map(set, self._mol.GetRingInfo().AtomRings()):
            apart = [system for system in systems if not system & ring]
            systems = [*apart, ring.union(*(system for system in systems if system & ring))]
        return tuple(tuple(sorted(system)) for system in systems)

    @cached_property
    def rings(self) -> Keys:
        """Key of each ring system, `r`."""
        if not self.ring_atoms:
            return np.empty(0, dtype=np.uint64)
        begin, end, order = self._begin, self._end, self._order
        member = np.full(len(self._atoms), -1)
        for number, system in enumerate(self.ring_atoms):
            member[list(system)] = number
        a, b = member[begin], member[end]
        kept = ((a == b) & (a >= 0)) | ((order == 4) & (a != b) & ((a < 0) | (b < 0)))  # noqa: PLR2004 - double
        labels = _packed(self._atoms[:, :2])
        labels = _refined(labels, begin[kept], end[kept], order[kept], rounds=_RING_ROUNDS)
        keys = [_mixed(labels[list(system)]).sum(dtype=np.uint64) for system in self.ring_atoms]
        return np.array(keys, dtype=np.uint64)

    def _keys(self, labels: Keys) -> Keys:
        begin, end = self._begin[self._once], self._end[self._once]
        return _mixed(_mixed(labels[begin]) + _mixed(labels[end]) + self._order[self._once])


def _refined(
    labels: Keys, begin: NDArray[np.int64], end: NDArray[np.int64], order: Keys, *, rounds: int
) -> Keys:
    """Labels of atoms refined by those of their neighbors (Weisfeiler and Lehman, 1968), `n`.

    Each bond occurs twice in `begin`, `end` and `order`, `2 b` each, by ascending `begin`.
    """
    if not len(begin):
        return labels
    first = np.flatnonzero(np.diff(begin, prepend=-1))
    for _ in range(rounds):
        sums = np.zeros_like(labels)
        sums[begin[first]] = np.add.reduceat(_mixed(labels[end] + order), first)
        labels = _mixed(labels * np.uint64(31) + sums)
    return labels


def _packed(numbers: Keys) -> Keys:
    """One label for each row of small numbers."""
    packed = np.zeros(len(numbers), dtype=np.uint64)
    for column in numbers.T:
        packed = packed * np.uint64(256) + column
    return _mixed(packed)


def _mixed(x: Keys) -> Keys:
    """A hash of 64-bit integers: the finalizer of MurmurHash3, which is a permutation."""
    x = x ^ (x >> _SHIFT)
    x = x * _FIRST
    x = x ^ (x >> _SHIFT)
    x = x * _SECOND
    return x ^ (x >> _SHIFT)


def _bond_name(mol: Chem.Mol, a: int, b: int) -> str:
    sign = {1.0: "-", 1.5: ":", 2.0: "=", 3.0: "#"}.get(
        mol.GetBondBetweenAtoms(a, b).GetBondTypeAsDouble(), "~"
    )
    symbols = [mol.GetAtomWithIdx(i).GetSymbol() for i in (a, b)]
    return f"bond {symbols[0]}{sign}{symbols[1]} at atoms {a}, {b}"
