"""Precedent depends on the molecule, not on its SMILES, and locates the unusual part."""

import pytest

from molvae.chemistry.molecule import parse
from molvae.chemistry.precedent import Places, Precedent
from molvae.chemistry.standardize import standardize
from tests.strategies import reordered

KNOWN = ["CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "O=C1CCCN1c1ccccn1", "CCOC(=O)c1cc[nH]n1"]


def molecule(smiles):
    return standardize(parse(smiles))


@pytest.fixture(scope="module")
def known():
    return Precedent.counted(map(molecule, KNOWN))


@pytest.mark.parametrize("smiles", [*KNOWN, "C[C@@]12CC[C@H]3[C@@H](CCc4cc(O)ccc34)[C@@H]1CC[C@@H]2O"])
def test_the_order_of_atoms_changes_nothing(smiles):
    one = molecule(smiles)
    for seed in range(1, 6):
        other = Places(reordered(one, seed))
        assert sorted(other.bonds) == sorted(Places(one).bonds)
        assert sorted(other.plain) == sorted(Places(one).plain)
        assert sorted(other.rings) == sorted(Places(one).rings)


def test_what_was_counted_has_precedent(known):
    assert all(known.covers(molecule(smiles)) for smiles in KNOWN)
    assert known.n_molecules == len(KNOWN)


@pytest.mark.parametrize(
    ("smiles", "name"),
    [
        ("CC(=O)Nc1ccc(OO)cc1", "bond O-O at atoms 8, 9"),
        ("CC(C)Cc1ccc(C(C)C(=O)OCl)cc1", "bond O-Cl at atoms 12, 13"),
        ("CC(=O)N(F)c1ccc(O)cc1", "bond N-F at atoms 3, 4"),
    ],
)
def test_the_weakest_place_is_named(known, smiles, name):
    weak = known.weakest(parse(smiles))
    assert (weak.count, weak.name) == (0, name)
    assert not known.covers(parse(smiles))


def ring(smiles):
    return Places(molecule(smiles)).rings.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("c1ccccc1", "Cc1ccc(Cl)cc1"),
        ("c1cc[nH]n1", "Cn1cccn1"),
        ("O=C1CCCN1", "CN1CC(C)CC1=O"),
        ("c1ccc2ccccc2c1", "Oc1ccc2cc(C(=O)O)ccc2c1"),
    ],
)
def test_a_ring_system_does_not_depend_on_its_substituents(one, other):
    assert ring(one) == ring(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("c1ccccc1", "C1CCCCC1"),
        ("C1CCC1", "O=C1CCC1"),
        ("O=C1CCC1", "O=C1CCC1=O"),
        ("c1ccncc1", "c1cccnc1C1CC1"),
        ("c1ccc2ccccc2c1", "c1ccc2cccc-2cc1"),
        ("c1cnccn1", "c1cncnc1"),
    ],
)
def test_different_ring_systems_have_different_keys(one, other):
    if (one, other) == ("c1ccncc1", "c1cccnc1C1CC1"):
        assert set(ring(one)) < set(ring(other))
    else:
        assert ring(one) != ring(other)


def test_precedent_of_two_sets_is_the_precedent_of_both(known):
    more = known.joined(Precedent.counted([molecule("COOC")]))
    assert more.covers(molecule("COOC"))
    assert not known.covers(molecule("COOC"))
    assert more.n_molecules == len(KNOWN) + 1


def test_what_is_kept_comes_back(known):
    again = Precedent.of(known.arrays())
    assert again.arrays().keys() == known.arrays().keys()
    assert all((again.arrays()[name] == array).all() for name, array in known.arrays().items())


@pytest.mark.parametrize("smiles", ["C", "[Na]", "CC", "N#N"])
def test_tiny_molecules_are_no_exception(known, smiles):
    assert Places(parse(smiles)).rings.size == 0
    assert known.weakest(parse(smiles)) is None or known.weakest(parse(smiles)).kind == "bond"
