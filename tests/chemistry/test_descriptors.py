from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from molvae.chemistry.descriptors import DESCRIPTORS, describe, describe_many, describe_smiles
from molvae.chemistry.molecule import Invalid, parse
from molvae.errors import UnknownNameError
from tests.strategies import DRUGS, smiles, smiles_like

# (SMILES, Crippen logP, synthetic accessibility), RDKit 2026.09.1
LOGP_SA = [
    ("CC(C)(C)c1ccc2occ(CC(=O)Nc3ccccc3F)c2c1", 5.0506, 2.0841),
    ("CN1CCC[C@H]1c1cccnc1", 1.8483, 2.4999),
    ("C1CCCCCCC1", 3.1208, 1.0000),
    ("C" * 40, 15.85, 1.2245),
]


@pytest.mark.parametrize(("text", "logp", "sa"), LOGP_SA)
def test_logp_and_sa_golden(text, logp, sa):
    assert describe(parse(text), ["logp", "sa"]).tolist() == pytest.approx([logp, sa], abs=1e-3)


@pytest.mark.parametrize(("name", "qed"), [("celecoxib", 0.7541), ("aspirin", 0.5501), ("caffeine", 0.5385)])
def test_qed_golden(name, qed):
    assert describe(parse(DRUGS[name]), ["qed"])[0] == pytest.approx(qed, abs=1e-3)


def test_sitagliptin_golden():
    values = describe(parse("NC(CC(=O)N1CCn2c(nnc2C(F)(F)F)C1)Cc1cc(F)c(F)cc1F"), ["logp", "tpsa", "bertz"])
    assert values.tolist() == pytest.approx([2.0165, 77.04, 896.380485], abs=1e-4)


def test_counts_of_aspirin():
    names = ["mw", "hba", "hbd", "rotatable_bonds", "rings", "aromatic_rings", "heavy_atoms", "fraction_sp3"]
    values = describe(parse(DRUGS["aspirin"]), names).tolist()
    assert values == pytest.approx([180.159, 3, 1, 2, 1, 1, 13, 1 / 9], abs=1e-3)
    names = ["carbon_atoms", "hydrogens", "oxygen_atoms", "formal_charge", "stereocenters", "largest_ring"]
    assert describe(parse(DRUGS["aspirin"]), names).tolist() == [9, 8, 4, 0, 0, 6]


@given(smiles())
@settings(max_examples=60)
def test_every_descriptor_is_total_and_bounded(text):
    names = DESCRIPTORS.names()
    row = dict(zip(names, describe(parse(text), names)))
    assert 0 <= row["qed"] <= 1
    assert 1 <= row["sa"] <= 10
    assert all(math.isfinite(value) for value in row.values())


@given(smiles_like())
@settings(max_examples=150)
def test_no_molecule_makes_a_descriptor_raise(text):
    names = DESCRIPTORS.names()
    row = describe(parse(text), names)
    assert row.shape == (len(names),)
    assert not np.isinf(row).any()


def test_invalid_rows_are_nan_and_rows_are_kept():
    rows = describe_many([parse("C"), Invalid("x", "because"), parse("CC")], ["heavy_atoms", "rings"])
    assert rows.tolist()[::2] == [[1, 0], [2, 0]]
    assert np.isnan(rows[1]).all()
    assert describe_smiles([], ["qed"]).shape == (0, 1)


def test_a_failing_descriptor_is_nan(monkeypatch):
    def raises(mol):
        raise KeyError(mol)

    monkeypatch.setitem(DESCRIPTORS._entries, "raises", raises)
    monkeypatch.setitem(DESCRIPTORS._entries, "infinite", lambda _: math.inf)
    monkeypatch.setitem(DESCRIPTORS._entries, "nothing", lambda _: None)
    row = describe(parse("CCO"), ["raises", "infinite", "nothing", "heavy_atoms"])
    assert np.isnan(row[:3]).all()
    assert row[3] == 3


def test_unknown_names_are_errors_with_the_nearest_match():
    with pytest.raises(UnknownNameError, match="did you mean 'logp'"):
        describe_many([], ["logP2"])


def test_workers_give_the_same_rows():
    texts = [*DRUGS.values(), "not a molecule"]
    names = ["qed", "sa", "logp"]
    alone, shared = (describe_smiles(texts, names, workers=workers) for workers in (0, 1))
    np.testing.assert_array_equal(alone, shared)
    np.testing.assert_array_equal(alone, describe_many([parse(text) for text in texts], names))
