"""Neighbors of a molecule: small random edits of its graph, added groups, and crossovers of two molecules.

The moves are those of graph-based genetic algorithms (Jensen, Chemical Science 10, 2019), and some that keep
the formula: a group moves, two atoms swap. They are carried out on the graph itself, not as reactions, which
is far quicker; what comes out is the SMILES of a standard form, for `parse` to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

from molvae.chemistry.graph_edits import EDITS, WEIGHTS
from molvae.chemistry.molecule import Invalid, Molecule
from molvae.chemistry.pieces import (
    Piece,
    common_groups,
    core_side,
    cut_bond,
    cut_ring,
    editable,
    joined,
    opened,
)
from molvae.chemistry.protection import n_kept, protected
from molvae.chemistry.standardize import is_plain, standardize
from molvae.chemistry.substructure import contains

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_TRIES = 10
_SMALL_RING, _LARGEST_RING = 4, 7
_ALLENE_IN_RING = Chem.MolFromSmarts("[R]=[R]=[R]")
_PREPARED = 4096


@dataclass(frozen=True)
class Requirements:
    """What children must be like; a move whose child is not tries other places and groups.

    Attributes:
        passes: Whether a child is acceptable.
        cores: SMARTS of cores. Where the parent has them, their atoms and bonds stay, nothing is hung where
            it would hide them, and the child has them too.
    """

    passes: Callable[[Molecule], bool] | None = None
    cores: tuple[str, ...] = ()

    def met_by(self, child: Molecule) -> bool:
        """Whether a child has the cores and is acceptable."""
        kept = all(contains(child, core) for core in self.cores)
        return kept and (self.passes is None or self.passes(child))


_NONE = Requirements()


def mutated(
    molecule: Molecule, rng: Random, *, n_edits: int = 1, required: Requirements = _NONE
) -> str | None:
    """The molecule after random edits, as SMILES; nothing where none was found.

    Args:
        molecule: Stays as it is.
        rng: Draws everything.
        n_edits: How many, one after the other.
        required: Of the result of each.

    >>> from random import Random
    >>> from molvae.chemistry.molecule import parse
    >>> mutated(parse("CO"), Random(0)) in {None, "CO"}
    False
    """
    with rdBase.BlockLogs():
        mol, required = _prepared(molecule.smiles, required, rng)
        limits, smiles = _limits(mol), None
        for number in range(1, n_edits + 1):
            child, smiles = _edited(mol, molecule.smiles, limits, rng, required)
            if child is None:
                return None
            if number < n_edits:
                mol = editable(child)
    return smiles


def crossed(a: Molecule, b: Molecule, rng: Random, *, required: Requirements = _NONE) -> str | None:
    """A child of two molecules, as SMILES: a piece of each, joined where a bond or a ring was cut.

    With cores, the piece of the first molecule is that with its cores.
    """
    with rdBase.BlockLogs():
        left, required = _prepared(a.smiles, required, rng)
        (right,) = _editable(b.smiles, ())
        for _ in range(_TRIES):
            cut = cut_bond if rng.random() < 0.5 else cut_ring  # noqa: PLR2004
            first, second = cut(left, rng), cut(right, rng)
            if first is None or second is None:
                continue
            mine = core_side(first) if required.cores else first[0]
            child = _finished(joined(mine, second[0], rng), _limits(left, right), required)
            if child is not None and child not in {a.smiles, b.smiles}:
                return child
    return None


def decorated(
    molecule: Molecule,
    rng: Random,
    groups: Sequence[Piece] | None = None,
    *,
    required: Requirements = _NONE,
) -> str | None:
    """The molecule with a group hung on it, or put in the place of another, as SMILES.

    Args:
        molecule: Stays as it is.
        rng: Draws everything.
        groups: To choose from; those common in drug-like molecules by default.
        required: Of the child.
    """
    bank = common_groups() if groups is None else groups
    with rdBase.BlockLogs():
        mol, required = _prepared(molecule.smiles, required, rng)
        for _ in range(_TRIES):
            core = _core(mol, rng) if rng.random() < 0.5 else opened(mol, rng)  # noqa: PLR2004
            if core is None:
                continue
            smiles = _finished(joined(core, rng.choice(bank), rng), _limits(mol), required)
            if smiles is not None and smiles != molecule.smiles:
                return smiles
    return None


def _prepared(smiles: str, required: Requirements, rng: Random) -> tuple[Chem.Mol, Requirements]:
    """A molecule to edit, its cores marked, and what is required; without the cores if it lacks them."""
    mols = _editable(smiles, required.cores)
    mol = mols[0] if len(mols) == 1 else rng.choice(mols)
    return mol, required if not required.cores or n_kept(mol) else replace(required, cores=())


@lru_cache(maxsize=_PREPARED)
def _editable(smiles: str, cores: tuple[str, ...]) -> tuple[Chem.Mol, ...]:
    # read again from canonical SMILES: what a seed brings must not depend on how a parent was once written
    molecule = Molecule(smiles, Chem.MolFromSmiles(smiles))
    return protected(editable(molecule.mol), molecule, cores)


def _edited(
    mol: Chem.Mol, before: str, limits: tuple[int, int], rng: Random, required: Requirements
) -> tuple[Chem.Mol | None, str | None]:
    for _ in range(_TRIES):
        child = rng.choices(EDITS, weights=WEIGHTS)[0](Chem.RWMol(mol), rng)
        smiles = None if child is None else _finished(child, limits, required)
        if smiles is not None and smiles != before:
            return child, smiles
    return None, None


def _finished(mol: Chem.RWMol, limits: tuple[int, int], required: Requirements) -> str | None:
    """Standard SMILES of a child in one piece, with possible valences, sensible rings, no new net charge."""
    largest_ring, largest_charge = limits
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    rings = mol.GetRingInfo().AtomRings()
    if rings:
        if max(map(len, rings)) > max(largest_ring, _LARGEST_RING) or mol.HasSubstructMatch(_ALLENE_IN_RING):
            return None
        small = [ring for ring in mol.GetRingInfo().BondRings() if len(ring) <= _SMALL_RING]
        double = Chem.BondType.DOUBLE
        if any(mol.GetBondWithIdx(bond).GetBondType() == double for ring in small for bond in ring):
            return None
    child = Molecule(str(Chem.MolToSmiles(mol)), mol)
    if "." in child.smiles:
        return None
    form = child if is_plain(child) else standardize(child.smiles)
    if isinstance(form, Invalid) or abs(Chem.GetFormalCharge(form.mol)) > largest_charge:
        return None
    return form.smiles if required.met_by(form) else None


def _limits(*mols: Chem.Mol) -> tuple[int, int]:
    """Atoms of the largest ring, and the largest net charge, of the parents."""
    rings = (len(ring) for mol in mols for ring in mol.GetRingInfo().AtomRings())
    return max(rings, default=0), max(abs(Chem.GetFormalCharge(mol)) for mol in mols)


def _core(mol: Chem.Mol, rng: Random) -> Piece | None:
    """The side of a random cut that is kept."""
    pieces = cut_bond(mol, rng)
    return None if pieces is None else core_side(pieces)
