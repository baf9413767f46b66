"""The physicochemical profile of a molecule: the few numbers that most scores are made of.

A surrogate reads tens of thousands of molecules, so this is written for speed: element counts, hydrogens and
charge come from one walk over its atoms, the others from RDKit's compiled descriptors.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import rdBase
from rdkit.Chem import GraphDescriptors, rdMolDescriptors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

_ELEMENTS = {6: 0, 7: 1, 8: 2, 9: 3, 15: 4, 16: 5, 17: 6, 35: 7, 53: 8}
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
    n_walked = _OTHER_ELEMENT + 4
    compiled = _compiled()
    with rdBase.BlockLogs():
        for row, molecule in zip(rows, molecules):
            row[:n_walked] = _walked(molecule.mol)
            row[n_walked : n_walked + len(_COMPILED)] = compiled.ComputeProperties(molecule.mol)
            row[-2] = rdMolDescriptors.CalcNumRotatableBonds(molecule.mol, strict=False)
            row[-1] = GraphDescriptors.BertzCT(molecule.mol)
    return rows


def _walked(mol: Any) -> list[float]:
    """Element counts, all atoms, hydrogens, charge."""
    counts = [0.0] * (_OTHER_ELEMENT + 4)
    hydrogens = heavy = charge = 0
    for atom in mol.GetAtoms():
        number = atom.GetAtomicNum()
        hydrogens += atom.GetTotalNumHs()
        charge += atom.GetFormalCharge()
        if number == 1:
            hydrogens += 1
            continue
        heavy += 1
        counts[_ELEMENTS.get(number, _OTHER_ELEMENT)] += 1.0
    counts[_OTHER_ELEMENT + 1 :] = [float(heavy + hydrogens), float(hydrogens), float(charge)]
    return counts


@cache
def _compiled() -> Any:
    return rdMolDescriptors.Properties(list(_COMPILED.values()))
