from __future__ import annotations

import pytest
from hypothesis import given, settings

from molvae.chemistry.filters import FILTERS, filter_reasons, moses_reasons
from molvae.chemistry.molecule import parse
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import murcko_scaffold
from molvae.errors import UnknownNameError
from tests.strategies import DRUGS, smiles


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pains", "Oc1ccccc1O"),
        ("brenk", "CC(=O)Cl"),
        ("nih", "O=CC=CC"),
        ("chembl", "CC(=O)Cl"),
        ("zinc", "CC(=O)OC(C)=O"),
        ("lipinski", "C" * 40),
        ("veber", "C" * 14),
    ],
)
def test_each_filter_refuses_with_a_reason_and_lets_pass(name, text):
    reasons = filter_reasons(parse(text), [name])
    assert reasons
    assert all(reason.startswith(f"{name}: ") for reason in reasons)
    assert filter_reasons(parse("CC(=O)Nc1ccccc1"), [name]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",  # omeprazole
        "C[S@](=O)CCc1ccccc1",
        "CN1CCC(S(=O)c2ccccc2)CC1",
        "C[Se](=O)Cc1ccccc1",
    ],
)
def test_a_sulfoxide_is_not_blamed_for_charges_of_its_standard_drawing(text):
    names = FILTERS.names()
    assert filter_reasons(standardize(text), names) == filter_reasons(parse(text), names)
    assert moses_reasons(standardize(text)) == moses_reasons(parse(text))
    assert "charged" not in moses_reasons(standardize(text))


def test_reasons_of_rules_give_the_numbers():
    reasons = filter_reasons(parse("C" * 40), ["lipinski"])
    assert reasons == ("lipinski: molecular weight 563.1 over 500", "lipinski: logP 15.85 over 5")


def test_unknown_filters_are_errors():
    with pytest.raises(UnknownNameError, match="did you mean 'pains'"):
        filter_reasons(parse("C"), ["pain"])


@given(smiles())
@settings(max_examples=40)
def test_filters_are_total(text):
    assert isinstance(filter_reasons(parse(text), FILTERS.names()), tuple)


@given(smiles())
def test_a_scaffold_is_its_own_scaffold(text):
    molecule = parse(text)
    scaffold = murcko_scaffold(molecule)
    assert (scaffold == "") == (molecule.mol.GetRingInfo().NumRings() == 0)
    if scaffold:
        assert murcko_scaffold(parse(scaffold)) == scaffold


def test_known_scaffolds():
    assert murcko_scaffold(parse(DRUGS["celecoxib"])) == "c1ccc(-c2ccnn2-c2ccccc2)cc1"
    assert murcko_scaffold(parse("O=C1CCCCC1C")) == "O=C1CCCCC1"
    isomers = {murcko_scaffold(parse(text)) for text in ("C[C@H]1CCO[C@H]1F", "C[C@@H]1CCO[C@H]1F")}
    assert len(isomers) == 1
