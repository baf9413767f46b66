from __future__ import annotations

import pytest
from hypothesis import given, settings

from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import inchikey, standardize
from molvae.errors import UnknownNameError
from tests.strategies import smiles


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("[Na+].CC(=O)[O-]", "CC(=O)O"),
        ("C[NH+](C)C.[Cl-]", "CN(C)C"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CS(C)=O", "C[S+](C)[O-]"),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C"),
        ("[CH3:1][CH2:2]O", "CCO"),
        ("O.O.O.CCN", "CCN"),
        ("[NH3+]CC(=O)[O-]", "NCC(=O)O"),
        ("CC(=O)O[Na]", "CC(=O)O"),
    ],
)
def test_basic(text, standard):
    assert standardize(parse(text)).smiles == standard


@pytest.mark.parametrize(
    "text",
    ["OC(=O)C[C@H](N)C", "CS(=O)(=O)c1cc[nH]c1", "C[N+](=O)[O-]", "C/C=C/Cl", "Cn1ccnc1Sc1ccco1"],
)
def test_what_is_standard_already_comes_back_as_it_is(text):
    """The short way and the long one agree: the long one is taken for the same molecule beside a salt."""
    molecule = parse(text)
    assert standardize(molecule).smiles == molecule.smiles
    assert standardize(parse(f"{text}.[Na+].[Cl-]")).smiles == molecule.smiles


def test_parent_drops_isotopes_and_settles_tautomers():
    assert standardize(parse("[2H]C([2H])([2H])O"), "parent").smiles == "CO"
    two = [standardize(parse(text), "parent") for text in ("Oc1ccccn1", "O=c1cccc[nH]1")]
    assert two[0] == two[1]
    assert standardize(parse("C[C@H](N)c1ccccc1"), "parent").smiles == "C[C@H](N)c1ccccc1"


def test_none_changes_nothing_but_stereo_when_asked():
    salt = parse("[Na+].C/C=C/[C@H](N)C(=O)[O-]")
    assert standardize(salt, "none") is salt
    flat = standardize(salt, "none", keep_stereo=False)
    assert flat.smiles == "CC=CC(N)C(=O)[O-].[Na+]"
    assert "@" in salt.smiles


@given(smiles())
@settings(max_examples=60)
def test_standardizing_twice_is_standardizing_once(text):
    for keep_stereo in (True, False):
        once = standardize(parse(text), keep_stereo=keep_stereo)
        assert isinstance(once, Molecule)
        assert standardize(once, keep_stereo=keep_stereo) == once


def test_unknown_levels_are_told():
    with pytest.raises(UnknownNameError, match="did you mean 'basic'"):
        standardize(parse("C"), "basics")


def test_inchikeys():
    assert inchikey(parse("Oc1ccccn1")) == inchikey(parse("O=c1cccc[nH]1"))
    assert inchikey(parse("C[C@H](N)O")) != inchikey(parse("C[C@@H](N)O"))
    assert inchikey(parse("*CC")) != inchikey(parse("*CCC"))
