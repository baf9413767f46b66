"""The profile of a molecule compared with RDKit's counts and complexity."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import GraphDescriptors

from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.profile import PROFILE, complexity, profiles

MOLECULES = (
    "C",
    "CC(C)(C)C",
    "O=C=O",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "C[N+](C)(C)CC(=O)[O-]",
    "[2H]C(Cl)(Br)I",
    "OB(O)c1ccsc1",
    "CC[Si](C)(C)P",
)


def read(text: str) -> Molecule:
    molecule = parse(text)
    assert isinstance(molecule, Molecule)
    return molecule


@pytest.mark.parametrize("text", MOLECULES)
def test_composition_is_what_an_atom_by_atom_count_gives(text: str) -> None:
    molecule = read(text)
    row = dict(zip(PROFILE, profiles([molecule])[0].tolist()))
    atoms = [atom.GetSymbol() for atom in Chem.AddHs(molecule.mol).GetAtoms()]
    assert row["atoms"] == len(atoms)
    assert row["hydrogens"] == atoms.count("H")
    assert row["carbon_atoms"] == atoms.count("C")
    assert row["chlorine_atoms"] == atoms.count("Cl")
    assert row["other_atoms"] == atoms.count("B") + atoms.count("Si")
    assert row["formal_charge"] == Chem.GetFormalCharge(molecule.mol)


@pytest.mark.parametrize("text", MOLECULES[:7])  # ranks tell elements apart, which counts in small molecules
def test_complexity_is_near_the_one_of_rdkit(text: str) -> None:
    mol = read(text).mol
    assert complexity(mol) == pytest.approx(GraphDescriptors.BertzCT(mol), rel=0.08)


def test_complexity_does_not_depend_on_the_order_of_atoms() -> None:
    mol = read(MOLECULES[5]).mol
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms()).tolist()
    assert complexity(Chem.RenumberAtoms(mol, order)) == pytest.approx(complexity(mol))
