from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chemistry.molecule import parse
from molvae.errors import UnknownNameError, UsageError
from molvae.oracles.base import Score
from molvae.oracles.computed import descriptor_oracle
from molvae.oracles.plugins import load_oracle
from tests.strategies import DRUGS, smiles


@given(smiles())
def test_scores_are_in_order_and_in_range(text):
    molecules = [parse(text), parse("C"), parse(text)]
    for name, low, high in (("qed", 0, 1), ("sa", 1, 10), (f"similarity:{DRUGS['celecoxib']}", 0, 1)):
        scores = load_oracle(name)(molecules)
        assert len(scores) == 3
        assert scores[0] == scores[2]
        assert all(low <= score.value <= high for score in scores)


def test_qed_golden():
    scores = load_oracle("qed")([parse(DRUGS[name]) for name in ("celecoxib", "aspirin", "caffeine")])
    assert [score.value for score in scores] == pytest.approx([0.7541, 0.5501, 0.5385], abs=1e-3)


def test_celecoxib_rediscovery_golden():
    target = parse(DRUGS["celecoxib"])
    assert load_oracle(f"similarity:{target.smiles}")([target]) == [Score.ok(1.0)]


def test_a_similarity_has_the_fingerprint_that_is_asked_for():
    camphor, menthol = "CC1(C)C2CCC1(C)C(=O)C2", parse("CC(C)C1CCC(C)CC1O")
    tadalafil = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
    assert math.sqrt(load_oracle(f"similarity:{camphor}")([menthol])[0].value) == pytest.approx(0.4, abs=1e-3)
    score = load_oracle(f"similarity[ECFP6]:{tadalafil}")([parse(DRUGS["sildenafil"])])[0]
    assert math.sqrt(score.value) == pytest.approx(0.3624, abs=1e-3)
    values = {
        name: load_oracle(f"similarity[{name}]:{camphor}")([menthol])[0].value
        for name in ("ecfp4", "ecfp6", "ecfp4_bits", "fcfp4", "fcfp6", "atom_pair")
    }
    assert len(set(values.values())) == 6
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    bits = [generator.GetFingerprint(molecule.mol) for molecule in (parse(camphor), menthol)]
    assert values["ecfp4_bits"] == DataStructs.TanimotoSimilarity(*bits)


@pytest.mark.parametrize(
    "drawings",
    [
        (  # omeprazole
            "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
            "COc1ccc2[nH]c([S+]([O-])Cc3ncc(C)c(OC)c3C)nc2c1",
            "[Na+].COc1ccc2[n-]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
        ),
        ("C[C@H](N)C(=O)O", "C[C@H]([NH3+])C(=O)[O-]", "C[C@H]([NH3+])C(=O)O.[Cl-]"),
        ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)O.[Cl-]"),
        ("Cc1ccccc1N(=O)=O", "Cc1ccccc1[N+](=O)[O-]"),
        ("CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Oc1ccccc1C(=O)O[Na]", "CC(=O)Oc1ccccc1C(=O)[O-].[Ca+2]"),
    ],
)
@pytest.mark.parametrize("oracle", ["similarity", "rediscovery", "similarity[atom_pair]", "similarity[phco]"])
def test_every_drawing_of_the_target_is_the_target(oracle, drawings):
    for target in drawings:
        scores = load_oracle(f"{oracle}:{target}")([parse(text) for text in drawings])
        assert [score.value for score in scores] == [1.0] * len(drawings)


@pytest.mark.parametrize(
    ("smarts", "texts"),
    [
        ("CS(=O)C", ("CS(C)=O", "C[S+](C)[O-]")),
        ("[S+][O-]", ("CS(C)=O", "C[S+](C)[O-]")),
        ("N(=O)=O", ("CN(=O)=O", "C[N+](=O)[O-]")),
        ("n=O", ("[O-][n+]1ccccc1",)),
        ("N=N#N", ("CN=[N+]=[N-]",)),
        ("C(=O)[OH]", ("CC(=O)[O-].[Na+]", "CC(=O)O")),
        ("[H]Nc", ("Nc1ccccc1", "[NH3+]c1ccccc1.[Cl-]")),
        ("[#1]Oc", ("Oc1ccccc1",)),
        ("[H]N([H])C", ("CN",)),
        ("[$([H]O)]C", ("CO",)),
        ("[#1,F]C", ("C",)),
    ],
)
def test_a_pattern_is_found_in_the_standard_form_and_with_its_hydrogens(smarts, texts):
    molecules = [parse(text) for text in (*texts, "c1ccsc1CCl" if "#1" not in smarts else "ClC(Cl)(Cl)Cl")]
    found = [score.value for score in load_oracle(f"substructure:{smarts}")(molecules)]
    missing = [score.value for score in load_oracle(f"substructure[absent]:{smarts}")(molecules)]
    assert found == [1.0] * len(texts) + [0.0]
    assert missing == [0.0] * len(texts) + [1.0]


def test_oracles_answer_nothing_with_nothing():
    assert descriptor_oracle("qed")([]) == []
    assert load_oracle("similarity:C")([]) == []


def test_unknown_descriptors_are_errors():
    with pytest.raises(UnknownNameError, match="did you mean 'qed'"):
        descriptor_oracle("qedd")


def test_a_descriptor_without_a_value_has_failed(monkeypatch):
    from molvae.chemistry.descriptors import DESCRIPTORS

    monkeypatch.setitem(DESCRIPTORS._entries, "half", lambda mol: 1.0 if mol.GetNumAtoms() > 1 else math.nan)
    scores = descriptor_oracle("half")([parse("C"), parse("CC")])
    assert [score.status for score in scores] == ["failed", "ok"]
    assert "half" in scores[0].detail


@pytest.mark.parametrize("text", ["C" * 700, "NC(C)C(=O)" * 60 + "O", "C(F)(F)" * 120])
@pytest.mark.parametrize("oracle", ["similarity[phco]:CCO", "deco_hop", "scaffold_hop"])
def test_a_pharmacophore_of_a_very_large_molecule_is_a_failure_with_a_reason(text, oracle):
    begun = time.process_time()
    score = load_oracle(oracle)([parse(text)])[0]
    assert time.process_time() - begun < 3.0
    assert score.status == "failed"
    assert "features is too large to compare; at most 80" in score.detail


def test_the_target_of_a_pharmacophore_must_be_small_enough():
    with pytest.raises(UsageError, match="features is too large"):
        load_oracle("similarity[phco]:" + "C" * 300)
