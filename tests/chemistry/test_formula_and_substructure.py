from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from molvae.chemistry import facts as facts_module
from molvae.chemistry.descriptors import DESCRIPTORS, describe, meaning
from molvae.chemistry.facts import Facts, element_counts, facts_of, parse_formula
from molvae.chemistry.molecule import parse
from molvae.chemistry.substructure import contains
from molvae.errors import UsageError
from tests.strategies import DRUGS, smiles

ELEMENTS = ["C", "H", "N", "O", "Cl", "Br", "Si", "Se", "Na", "F"]


@given(st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 999), min_size=1))
def test_formulas_are_read_as_they_are_written(counts):
    assert parse_formula("".join(f"{symbol}{n}" for symbol, n in counts.items())) == counts


@given(smiles())
def test_a_molecule_has_the_formula_rdkit_gives_it(text):
    molecule = parse(text)
    counts = element_counts(molecule)
    assert parse_formula(CalcMolFormula(molecule.mol).rstrip("+-")) == {k: n for k, n in counts.items() if n}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("c7h8n2o2", r"character 1\n.*Did you mean C7H8N2O2\?"),
        ("C7H8Xx", "no element 'Xx'"),
        ("C7 H8", "' ' at character 3"),
        ("C6H12(OH)", r"'\(' at character 6"),
        ("C0H4", "0 atoms of C"),
        ("C1000", "1000 atoms of C"),
        ("NH4+", r"'\+' at character 4"),
    ],
)
def test_an_invalid_formula_is_an_error(text, message):
    with pytest.raises(UsageError, match=message):
        parse_formula(text)


@pytest.mark.parametrize("smarts", ["", "  ", "[C", "C(", "xyz", "C" * 1001, "Cé", "C\udce9"])
def test_an_invalid_pattern_is_an_error(smarts):
    with pytest.raises(UsageError, match="SMARTS pattern"):
        contains(parse("CCO"), smarts)


def test_the_longest_cycle_does_not_depend_on_the_order_of_the_atoms():
    steroid = parse("COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1")
    again = parse("C#C[C@]1(O)CC[C@H]2[C@@H]3CCc4cc(OC)ccc4[C@H]3CC[C@@]21C")
    assert steroid == again
    assert describe(steroid, ["largest_cycle"]) == describe(again, ["largest_cycle"])
    values = [describe(parse(text), ["largest_cycle"])[0] for text in ("CCO", "C1CCCCCCC1", "C1CC1CC1CC1")]
    assert values == [0, 8, 3]


def test_every_descriptor_says_what_it_is():
    assert all(meaning(name) for name in DESCRIPTORS.names())


def test_facts_are_computed_once_and_equal_what_they_stand_for(monkeypatch):
    calls = []
    real = facts_module.sparse_counts
    monkeypatch.setattr(facts_module, "sparse_counts", lambda *a: calls.append(a[1:]) or real(*a))
    facts, target = Facts(parse(DRUGS["aspirin"])), Facts(parse(DRUGS["celecoxib"]))
    first = facts.similarity(target, "morgan", 2)
    assert facts.similarity(target, "morgan", 2) == first
    facts.similarity(target, "morgan", 3)
    assert sorted(calls) == [("morgan", 2)] * 2 + [("morgan", 3)] * 2
    assert facts_of(parse("OCC")) is facts_of(parse("CCO"))
