"""`molvae evaluate` measures files and checkpoints, counts invalid molecules, and writes its results."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def written(tmp_path):
    samples, reference = tmp_path / "samples.csv", tmp_path / "held_out.smi"
    samples.write_text("smiles,name\nCCO,a\nC1CC,b\n,c\nCCN,d\nOCC,e\n")
    reference.write_text("CCO\nCCCN\nc1ccccc1O\n")
    return samples, reference


def _places(folder):
    return ["--no-fcd", "--workers", 0, "--cache", folder / "cache", "-o", folder / "out"]


def test_a_file_is_measured_and_its_bad_rows_are_counted(molvae, written, tmp_path):
    samples, reference = written
    given = ["--reference", reference, "--train", reference, "--json"]
    done = molvae("evaluate", samples, *given, *_places(tmp_path))
    assert done.code == 0, done.err
    told = json.loads(done.out)
    values = {row["name"]: row["value"] for row in told["metrics"]}
    assert values["valid"] == pytest.approx(3 / 5)
    assert values["novelty"] == pytest.approx(1 / 2)
    assert values["Scaf/held_out"] is None, "no scaffold of two rings"
    assert sum(told["invalid"].values()) == 2
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"] == told["metrics"]
    assert "SNN/held_out" in (tmp_path / "out" / "metrics.txt").read_text()
    assert (tmp_path / "out" / "properties.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "cache").glob("profile-*.npz")), "the reference is kept"


def test_a_checkpoint_is_measured_on_its_corpus(molvae, tiny_checkpoint, little_corpus, tmp_path):
    given = ["--corpus", little_corpus, "-n", 30, "--molecules", 25]
    done = molvae("evaluate", tiny_checkpoint.parent, *given, *_places(tmp_path))
    assert done.code == 0, done.err
    for name in ("molecule match (mu)", "active units", "MAE qed", "coverage 90 % logp", "valid", "FCD"):
        assert (name in done.out) == (name != "FCD"), name
    assert {"parity.png", "calibration.png", "properties.png"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["CHECKPOINT"], 2, "--corpus DIR"),
        (["CHECKPOINT", "--corpus", "CORPUS", "--split", "testing"], 2, "train, valid, test, got 'testing'"),
        (["nowhere.smi"], 3, "nowhere.smi"),
        (["SAMPLES", "--alerts", "CORPUS"], 3, "mcf.csv"),
        (["SAMPLES", "--reference", "SAMPLES", "--reference", "SAMPLES"], 2, "the same name"),
    ],
)
def test_what_cannot_be_measured_is_said(molvae, request, written, words, code, said):
    places = {"SAMPLES": written[0]}
    if "CHECKPOINT" in words or "CORPUS" in words:
        places["CORPUS"] = request.getfixturevalue("little_corpus")
        places["CHECKPOINT"] = request.getfixturevalue("tiny_checkpoint")
    done = molvae("evaluate", *[places.get(word, word) for word in words], "--no-fcd")
    assert (done.code, said in done.err) == (code, True), done.err


def test_help_teaches(molvae):
    done = molvae("evaluate", "--help")
    assert "molvae evaluate samples.smi --reference test.smi --train train.smi" in done.out
    assert "[env var: MOLVAE_DATA]" in " ".join(done.out.split())
