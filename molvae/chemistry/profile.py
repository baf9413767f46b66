"""The physicochemical profile of a molecule: descriptors that most scores depend on.

A surrogate reads tens of thousands of molecules, so this is written for speed: element counts,
hydrogens and charge come from the formula, the others but complexity from RDKit's compiled descriptors.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import combinations
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from molvae.chemistry.molecule import Molecule

_ELEMENTS = {"C": 0, "N": 1, "O": 2, "F": 3, "P": 4, "S": 5, "Cl": 6, "Br": 7, "I": 8}
_ELEMENT = re.compile(r"([A-Z][a-z]?)(\d*)")
_OTHER_ELEMENT = 9
_COMPILED = {
    "hbd": "NumHBD",
    "hba": "NumHBA",
    "rings": "NumRings",
    "aromatic_rings": "NumAromaticRings",
    "fraction_sp3": "FractionCSP3",
    "tpsa": "tpsa",
    "logp": "CrippenClogP",
}

PROFILE: tuple[str, ...] = (
    *(f"{name}_atoms" for name in ("carbon", "nitrogen", "oxygen", "fluorine", "phosphorus", "sulfur")),
    *(f"{name}_atoms" for name in ("chlorine", "bromine", "iodine", "other")),
    "atoms",
    "hydrogens",
    "formal_charge",
    *_COMPILED,
    "rotatable_bonds",
    "bertz",
)
"""Names of the numbers, in order; `atoms` counts hydrogens too, bonds of amides count as rotatable."""


def profiles(molecules: Sequence[Molecule]) -> np.ndarray:
    """The profile of each molecule, `n x p`, float64; a number RDKit cannot compute is NaN.

    >>> from molvae.chemistry.molecule import parse
    >>> row = dict(zip(PROFILE, profiles([parse("CC(=O)[O-]")])[0].tolist()))
    >>> [row[name] for name in ("carbon_atoms", "oxygen_atoms", "hydrogens", "atoms", "formal_charge")]
    [2.0, 2.0, 3.0, 7.0, -1.0]
    """
    rows = np.full((len(molecules), len(PROFILE)), np.nan)
    n_counted = _OTHER_ELEMENT + 4
    compiled = _compiled()
    with rdBase.BlockLogs():
        for row, molecule in zip(rows, molecules):
            row[:n_counted] = _composition(molecule.mol)
            row[n_counted : n_counted + len(_COMPILED)] = compiled.ComputeProperties(molecule.mol)
            row[-2] = rdMolDescriptors.CalcNumRotatableBonds(molecule.mol, strict=False)
            row[-1] = complexity(molecule.mol)
    return rows


def complexity(mol: Chem.Mol) -> float:
    """Complexity of bonding and of composition, in bits (Bertz, J. Am. Chem. Soc. 103, 3599, 1981).

    Pairs of bonds that meet, counted by bond order, are sorted by the symmetry classes of their three atoms;
    what is summed is the information of that distribution, its size, and the information of the elements.
    Classes are RDKit's canonical ranks, where its BertzCT compares rows of the distance matrix: quicker, and
    the numbers are the same for three drug-like molecules in four, and all but the same for the others.
    """
    if mol.GetNumBonds() == 0:
        return 0.0
    classes = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False))
    around: list[list[tuple[int, float]]] = [[] for _ in classes]
    pairs: dict[tuple[int, ...], float] = {}
    for index in range(mol.GetNumBonds()):  # RDKit's own iterators take longer
        bond = mol.GetBondWithIdx(index)
        a, b, order = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondTypeAsDouble()
        first, second = classes[a], classes[b]
        around[a].append((second, order))
        around[b].append((first, order))
        if order > 1:
            ends = (first, second) if first < second else (second, first)
            pairs[ends] = pairs.get(ends, 0.0) + order * (order - 1) / 2
    for middle, bonds in zip(classes, around):
        for (first, left), (second, right) in combinations(bonds, 2):
            key = (first, middle, second) if first < second else (second, middle, first)
            pairs[key] = pairs.get(key, 0.0) + left * right
    connections = list(pairs.values()) or [1.0]
    total = sum(connections)
    elements = Counter(mol.GetAtomWithIdx(index).GetAtomicNum() for index in range(len(classes)))
    return _information(connections) + total * log2(total) + _information(elements.values())


def _information(counts: Iterable[float]) -> float:
    """Total information of the counts, in bits: n log2 n - sum of n_i log2 n_i."""
    kinds = list(counts)
    total = sum(kinds)
    return -sum(count * log2(count / total) for count in kinds if count > 0)


def _composition(mol: Chem.Mol) -> list[float]:
    """Element counts, all atoms, hydrogens, charge."""
    counts = [0.0] * (_OTHER_ELEMENT + 4)
    n_atoms = hydrogens = 0
    for element, number in _ELEMENT.findall(
        rdMolDescriptors.CalcMolFormula(mol)
    ):  # a charge follows its sign
        count = int(number or 1)
        n_atoms += count
        if element == "H":
            hydrogens += count
        else:
            counts[_ELEMENTS.get(element, _OTHER_ELEMENT)] += count
    counts[_OTHER_ELEMENT + 1 :] = [float(n_atoms), float(hydrogens), float(Chem.GetFormalCharge(mol))]
    return counts


@cache
def _compiled() -> Any:
    return rdMolDescriptors.Properties(list(_COMPILED.values()))
