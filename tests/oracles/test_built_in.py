from __future__ import annotations

import math

import pytest
from hypothesis import given

from molvae.chemistry.molecule import parse
from molvae.errors import UnknownNameError
from molvae.oracles.base import Score
from molvae.oracles.plugins import load_oracle
from molvae.oracles.properties import DescriptorOracle
from molvae.oracles.similarity import SimilarityOracle
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
        for name in ("ecfp4", "ecfp6", "fcfp4", "fcfp6", "atom_pair")
    }
    assert len(set(values.values())) == 5


def test_oracles_answer_nothing_with_nothing():
    assert DescriptorOracle("qed")([]) == []
    assert SimilarityOracle("C")([]) == []


def test_unknown_descriptors_are_told():
    with pytest.raises(UnknownNameError, match="did you mean 'qed'"):
        DescriptorOracle("qedd")


def test_a_descriptor_without_a_value_has_failed(monkeypatch):
    from molvae.chemistry.descriptors import DESCRIPTORS

    monkeypatch.setitem(DESCRIPTORS._entries, "half", lambda mol: 1.0 if mol.GetNumAtoms() > 1 else math.nan)
    scores = DescriptorOracle("half")([parse("C"), parse("CC")])
    assert [score.status for score in scores] == ["failed", "ok"]
    assert "half" in scores[0].detail
