"""The definitions of the distribution metrics, for any generated text."""

from __future__ import annotations

import csv
import gzip
import math
import os
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chemistry.admission import Rules
from molvae.chemistry.filters import _alerts, moses_reasons
from molvae.chemistry.molecule import parse
from molvae.chemistry.standardize import standardize
from molvae.errors import InputError
from molvae.evaluation.base import Metric, MetricTable
from molvae.evaluation.distribution import canonical_set, kl_score, measure
from molvae.evaluation.molecules import MoleculeSet
from molvae.evaluation.profile import internal_diversity, nearest_other, nearest_similarity

SMILES = [
    "CC(=O)Nc1ccc(O)cc1",
    "OCC",
    "CCO",
    "c1ccc2ccccc2c1",
    "C1CCC(C2CCCCC2)CC1",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "O=C1NC(=S)SC1=Cc1ccccc1",
    "C1CCCCCCC1",
    "C[N+](C)(C)C",
    "CCI",
]
BROKEN = ["", "C1CC", "not a molecule"]
HEAVY = ("fingerprints", "fragments", "scaffolds", "descriptors", "filters")

with_data = pytest.mark.skipif("MOLVAE_DATA" not in os.environ, reason="needs the real data sets")


def test_a_set_is_like_itself_and_invalid_texts_are_counted():
    samples = MoleculeSet(SMILES + BROKEN)
    table = measure(
        samples,
        references=[MoleculeSet(SMILES, name="self")],
        training={"CCO"},
        fcd=False,
        progress=_Quiet(),
    )
    assert table["valid"] == pytest.approx(10 / 13)
    assert samples.profile(()).reasons["the text is empty"] == 1
    assert table["unique"] == 0.9
    assert math.isnan(table["unique@1k"]), "no share of a thousand among ten"
    assert table["novelty"] == pytest.approx(8 / 9), "of the different ones"
    for name in ("SNN/self", "Frag/self", "Scaf/self"):
        assert table[name] == pytest.approx(1.0)
    for name in ("logP/self", "SA/self", "QED/self", "weight/self"):
        assert table[name] == pytest.approx(0.0, abs=1e-12)
    assert table["Filters"] == pytest.approx(6 / 10)
    assert "without the 22" in table.notes[0]
    assert samples.profile(()).scaffolds == {
        "c1ccc2ccccc2c1": 1,
        "C1CCC(C2CCCCC2)CC1": 1,
        "O=C1NC(=S)SC1=Cc1ccccc1": 1,
    }


def test_without_a_valid_molecule_only_validity_has_a_value():
    table = measure(
        MoleculeSet(BROKEN), references=[MoleculeSet(SMILES, name="r")], fcd=False, training=set()
    )
    assert table["valid"] == 0.0
    assert all(math.isnan(row.value) for row in table if row.name != "valid")
    assert table.to_json()["metrics"][3]["value"] is None
    with pytest.raises(InputError, match="no molecule to evaluate"):
        measure(MoleculeSet([]))
    with pytest.raises(InputError, match="the reference bad has no molecule"):
        measure(MoleculeSet(SMILES), references=[MoleculeSet(BROKEN, name="bad")], fcd=False)


def test_similarities_are_those_of_rdkit():
    profile = MoleculeSet(SMILES).profile(("fingerprints",))
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in SMILES]
    matrix = np.array([DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints])
    bits = profile.fingerprints
    one, two = internal_diversity(bits)
    assert one == pytest.approx(1 - matrix.mean(), abs=1e-6)
    assert two == pytest.approx(1 - np.sqrt((matrix**2).mean(axis=1)).mean(), abs=1e-6)
    np.testing.assert_allclose(nearest_similarity(bits, bits[3:6]), matrix[:, 3:6].max(axis=1), atol=1e-6)
    np.fill_diagonal(matrix, 0.0)
    np.testing.assert_allclose(nearest_other(bits), matrix.max(axis=1), atol=1e-6)
    empty = np.zeros((1, 128), dtype=np.uint8)
    assert nearest_similarity(empty, np.vstack([bits, empty])).tolist() == [1.0]


def test_blocks_do_not_change_a_similarity(monkeypatch):
    bits = np.random.default_rng(0).integers(0, 256, (37, 16), dtype=np.uint8)
    whole = nearest_similarity(bits, bits[::-2]), nearest_other(bits), internal_diversity(bits)
    monkeypatch.setattr("molvae.evaluation.profile._ROWS", 5)
    monkeypatch.setattr("molvae.evaluation.profile._COLUMNS", 7)
    np.testing.assert_allclose(nearest_similarity(bits, bits[::-2]), whole[0], atol=1e-6)
    np.testing.assert_allclose(nearest_other(bits), whole[1], atol=1e-6)
    np.testing.assert_allclose(internal_diversity(bits), whole[2], atol=1e-6)


def test_cached_profiles_are_reused_and_damaged_ones_replaced(tmp_path):
    def fresh():
        return MoleculeSet(SMILES + BROKEN, cache=tmp_path)

    first = fresh().profile(("fingerprints", "fragments"))
    kept = fresh().profile(("fragments",))
    assert (kept.smiles, kept.fragments, kept.n_texts) == (first.smiles, dict(first.fragments), 13)
    wider = fresh().profile(HEAVY)
    np.testing.assert_array_equal(wider.fingerprints, first.fingerprints)
    again = fresh().profile(HEAVY)
    np.testing.assert_array_equal(again.descriptors, wider.descriptors)
    np.testing.assert_array_equal(again.filters, wider.filters)
    assert (again.scaffolds, again.reasons) == (wider.scaffolds, first.reasons)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert fresh().profile(("fragments",)).fragments == first.fragments


def test_filters_say_why_and_screening_loses_no_alert(tmp_path):
    (tmp_path / "mcf.csv").write_text("names,smarts\nMCF1,[#6]-[OX2]-[#1]\nMCF2,C#N\n")
    (tmp_path / "wehi_pains.csv").write_text('"c1ccccc1-[#7](-[#1])"   ,"<regId=anil(1)>"\n')
    assert moses_reasons(parse("CCO"), tmp_path) == ("MCF1",), "hydrogens are explicit"
    assert moses_reasons(parse("Nc1ccccc1C#N"), tmp_path) == ("MCF2", "anil(1)")
    assert moses_reasons(parse("COC"), tmp_path) == ()
    assert moses_reasons(parse("C1CCCCCCC1Br"), tmp_path) == ("a ring of 8 atoms",)
    assert moses_reasons(parse("O=C1NC(=S)SC1=Cc1ccccc1")) == ("pains: ene_rhod_A(235)",)
    (tmp_path / "mcf.csv").write_text("names,smarts\nMCF1,((\n")
    _alerts.cache_clear()
    with pytest.raises(InputError, match="the alert 'MCF1' in"):
        moses_reasons(parse("CCO"), tmp_path)
    with pytest.raises(InputError, match="cannot read the alerts"):
        moses_reasons(parse("CCO"), tmp_path / "nowhere")


def test_metric_names_are_unique():
    with pytest.raises(ValueError, match="repeated"):
        MetricTable((Metric("a", 1.0, 1), Metric("a", 2.0, 1)))
    table = MetricTable((Metric("a", math.nan, 3, "lower"), Metric("b", 0.25, 4)), ("a note",))
    assert table.to_json() == {
        "metrics": [
            {"name": "a", "value": None, "n": 3, "direction": "lower"},
            {"name": "b", "value": 0.25, "n": 4, "direction": "neither"},
        ],
        "notes": ["a note"],
    }
    assert "a" in table
    assert "c" not in table


def test_the_kl_score_is_one_for_the_same_and_lower_for_others():
    chains = ["C" * k + tail for k in range(1, 25) for tail in ("O", "N", "c1ccccc1", "C(=O)O")]
    rings = ["C1CC1" + "N" * (k % 3) + "C(=O)c1ccc(O)cc1" + "C" * k for k in range(40)]
    assert kl_score(chains, chains)[0] == pytest.approx(1.0)
    score, n = kl_score(rings, chains)
    assert (0.0 < score < 0.95, n) == (True, 40)
    assert math.isnan(kl_score(["CCO"], chains)[0])
    assert canonical_set(["OCC", "C(", "CCO"]) == {"CCO"}


@pytest.mark.parametrize(
    "drawings",
    [
        ("CC[NH+](CC)CCc1ccccc1", "C[NH2+]Cc1ccc(C(=O)[O-])cc1", "[NH3+]CC(=O)Nc1ccccc1"),
        ("CS(=O)c1ccccc1", "CCS(=O)CCN", "CN(=O)=O"),
        ("Cl.CCNCCc1ccccc1", "[Na+].CC(=O)[O-]", "O.CC(=O)Nc1ccccc1"),
        ("C[N+](C)(C)CC(=O)O.[Cl-]", "C[n+]1cccc(C(=O)O)c1.[I-]", "CC(=O)OCC[N+](C)(C)C.[Cl-]"),
    ],
)
def test_samples_are_standardized_like_the_corpus(drawings):
    corpus = [standardize(text).smiles for text in drawings]
    table = measure(
        MoleculeSet(drawings, rules=Rules("basic")),
        references=[MoleculeSet(corpus, name="corpus")],
        training=set(corpus),
        parts=HEAVY,
        fcd=False,
    )
    assert table["novelty"] == 0
    assert table["SNN/corpus"] == 1
    assert [table[f"{name}/corpus"] for name in ("logP", "SA", "QED", "weight")] == [0, 0, 0, 0]
    assert canonical_set(drawings, rules=Rules("basic")) == set(corpus)


@with_data
def test_the_golden_molecules_give_what_was_published():
    data = Path(os.environ["MOLVAE_DATA"])
    with gzip.open(data / "golden" / "jtnn_moses_30k.txt.gz", "rt", newline="") as file:
        texts = [row["SMILES"] for row in csv.DictReader(file)][:1000]
    table = measure(MoleculeSet(texts), parts=("fingerprints",), fcd=False)
    assert (table["valid"], table["unique@1k"]) == (1.0, 1.0)
    assert table["IntDiv"] == pytest.approx(0.85117, rel=0.01)
    assert table["IntDiv2"] == pytest.approx(0.84531, rel=0.01)
    alerts = data / "filters"
    for text in texts[:25]:
        molecule = parse(text)
        explicit = Chem.AddHs(molecule.mol)
        every = [name for name, query, _ in _alerts(alerts) if explicit.HasSubstructMatch(query)]
        assert [name for name in moses_reasons(molecule, alerts) if name in every] == every


class _Quiet:
    def __getattr__(self, name):
        return lambda *_, **__: None
