"""Neighbors of a molecule: small random edits of its graph, added groups, and crossovers of two molecules.

The moves are those of graph-based genetic algorithms (Jensen, Chemical Science 10, 2019), and some that keep
the formula: a group moves, two atoms swap. They are carried out on the graph itself, not as reactions, which
is far quicker; what comes out is the SMILES of a standard form, for `parse` to read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

from molvae.chemistry.graph_edits import EDITS, WEIGHTS
from molvae.chemistry.molecule import Invalid, Molecule
from molvae.chemistry.pieces import (
    common_groups,
    core_side,
    cut_bond,
    cut_ring,
    editable,
    joined,
    n_kept,
    opened,
    protected,
)
from molvae.chemistry.standardize import is_plain, standardize
from molvae.chemistry.substructure import contains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_TRIES = 10
_SMALL_RING, _LARGEST_RING = 4, 7
_ALLENE_IN_RING = Chem.MolFromSmarts("[R]=[R]=[R]")
_PREPARED = 4096


def mutated(molecule: Molecule, rng: Random, *, n_edits: int = 1, cores: tuple[str, ...] = ()) -> str | None:
    """The molecule after random edits, one after the other, as SMILES; nothing where none was found.

    Cores are SMARTS: where the molecule has them, their atoms and bonds are unchanged, no group is attached
    where the core would no longer match, and the results contain them.

    >>> from random import Random
    >>> from molvae.chemistry.molecule import parse
    >>> mutated(parse("CO"), Random(0)) in {None, "CO"}
    False
    """
    with rdBase.BlockLogs():
        mol, cores = _prepared(molecule.smiles, cores, rng)
        limits, smiles = _limits(mol), None
        for number in range(1, n_edits + 1):
            child, smiles = _edited(mol, molecule.smiles, limits, rng, cores)
            if child is None:
                return None
            if number < n_edits:
                mol = editable(child)
    return smiles


def crossed(a: Molecule, b: Molecule, rng: Random, *, cores: tuple[str, ...] = ()) -> str | None:
    """A child of two molecules, as SMILES: a piece of each, joined where a bond or a ring was cut.

    With cores, as in `mutated`, the piece of the first molecule is that with its cores.
    """
    with rdBase.BlockLogs():
        left, cores = _prepared(a.smiles, cores, rng)
        (right,) = _editable(b.smiles, ())
        for _ in range(_TRIES):
            cut = cut_bond if rng.random() < 0.5 else cut_ring  # noqa: PLR2004
            first, second = cut(left, rng), cut(right, rng)
            if first is None or second is None:
                continue
            mine = core_side(first) if cores else first[0]
            child = _finished(joined(mine, second[0], rng), _limits(left, right), cores)
            if child is not None and child not in {a.smiles, b.smiles}:
                return child
    return None


def decorated(molecule: Molecule, rng: Random, *, cores: tuple[str, ...] = ()) -> str | None:
    """The molecule with a group attached, or replacing another, as SMILES.

    Groups are those common in drug-like molecules; cores are kept as in `mutated`.
    """
    with rdBase.BlockLogs():
        mol, cores = _prepared(molecule.smiles, cores, rng)
        for _ in range(_TRIES):
            if rng.random() < 0.5:  # noqa: PLR2004
                pieces = cut_bond(mol, rng)
                core = None if pieces is None else core_side(pieces)
            else:
                core = opened(mol, rng)
            if core is None:
                continue
            smiles = _finished(joined(core, rng.choice(common_groups()), rng), _limits(mol), cores)
            if smiles is not None and smiles != molecule.smiles:
                return smiles
    return None


def offspring(population: Sequence[tuple[float, str]], n: int, rng: Random) -> list[str]:
    """About `n` SMILES of children by `mol_ga`, sorted; fewer where crossovers fail. The baseline for moves.

    Parents are drawn uniformly from the best 0.1 % to 100 % of the population, evenly on a logarithmic scale;
    nine children of ten are crossovers, the others mutations (Tripp and Hernandez-Lobato, arXiv:2310.09267).
    The population is the score (higher is better, never NaN) and SMILES of each member.
    """
    with rdBase.BlockLogs():  # the package turns logs off for good, here no longer than it works
        from mol_ga.graph_ga.gen_candidates import graph_ga_blended_generation
        from mol_ga.sample_population import uniform_quantile_sampling

        parents = uniform_quantile_sampling(list(population), 2 * n, rng)
        return sorted(graph_ga_blended_generation(parents, n, rng))


def _prepared(smiles: str, cores: tuple[str, ...], rng: Random) -> tuple[Chem.Mol, tuple[str, ...]]:
    """A molecule to edit, its cores marked, and the cores; none if it lacks them."""
    mols = _editable(smiles, cores)
    mol = mols[0] if len(mols) == 1 else rng.choice(mols)
    return mol, cores if n_kept(mol) else ()


@lru_cache(maxsize=_PREPARED)
def _editable(smiles: str, cores: tuple[str, ...]) -> tuple[Chem.Mol, ...]:
    # read again from canonical SMILES: what a seed brings must not depend on how a parent was once written
    molecule = Molecule(smiles, Chem.MolFromSmiles(smiles))
    return protected(editable(molecule.mol), molecule, cores)


def _edited(
    mol: Chem.Mol, before: str, limits: tuple[int, int], rng: Random, cores: tuple[str, ...]
) -> tuple[Chem.Mol | None, str | None]:
    for _ in range(_TRIES):
        child = rng.choices(EDITS, weights=WEIGHTS)[0](Chem.RWMol(mol), rng)
        smiles = None if child is None else _finished(child, limits, cores)
        if smiles is not None and smiles != before:
            return child, smiles
    return None, None


def _finished(mol: Chem.RWMol, limits: tuple[int, int], cores: tuple[str, ...]) -> str | None:
    """Standard SMILES of a child in one piece with its cores, sensible rings, and no new net charge."""
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
    return form.smiles if all(contains(form, core) for core in cores) else None


def _limits(*mols: Chem.Mol) -> tuple[int, int]:
    """Atoms of the largest ring, and the largest net charge, of the parents."""
    rings = (len(ring) for mol in mols for ring in mol.GetRingInfo().AtomRings())
    return max(rings, default=0), max(abs(Chem.GetFormalCharge(mol)) for mol in mols)
