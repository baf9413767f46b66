"""The Python interface: names of the command line, output directories, and error messages."""

from __future__ import annotations

import re
import shutil
from functools import partial

import pandas as pd
import pytest

import molvae
from molvae.campaign.campaign import Campaign
from molvae.cli.main import run
from molvae.errors import CheckpointError, UsageError
from molvae.latent.codec import MolVAE
from molvae.persistence.locations import shipped

SMALL = {"latent_size": 8, "model": {"embedding_size": 8, "encoder_hidden": 16, "decoder_hidden": 16}}
SEARCH = {"budget": 8, "q": 4, "n_initial": 4, "seed": 1}


def carbons(smiles):
    return smiles.upper().count("C")


@pytest.fixture
def start(little_csv):
    return pd.read_csv(little_csv)["smiles"].head(12).tolist()


def test_prepare_train_screen_and_optimize_take_the_words_of_the_shell(little_csv, tmp_path):
    balance = molvae.prepare(
        little_csv, output=tmp_path / "corpus", labels="weight", descriptors=["qed"], workers=0
    )
    assert balance.kept > 0
    words = {"epochs": 1, "threads": 1, "n_validation": 4, "device": "cpu"}
    result = molvae.train(tmp_path / "corpus", output=str(tmp_path / "run"), **words, **SMALL)
    model = molvae.load(tmp_path / "run", device="cpu")  # a run is its best model
    assert result.checkpoint == tmp_path / "run" / "model"
    assert (model.latent_size, model.property_names) == (8, ("weight", "qed"))
    merged = molvae.screen(
        little_csv,
        model=tmp_path / "run",
        maximize=["qed"],
        at_most={"sa": 5},
        output=tmp_path / "screened",
        workers=0,
        top=3,
        domain="none",
    )
    assert len(merged.best) == 3
    assert (tmp_path / "screened" / "result" / "best.csv").is_file()
    for shown in (result, model):
        assert "<table>" in shown._repr_html_()


@pytest.mark.parametrize("kind", ["directory", "loaded", "made"])
def test_the_shell_goes_on_with_what_python_began(tiny_checkpoint, tmp_path, start, kind):
    model = tiny_checkpoint
    if kind != "directory":
        model = molvae.load(tiny_checkpoint, device="cpu")
    if kind == "made":
        model = MolVAE(model.network, model.tokenizer, model.settings, model.prior, precedent=model.precedent)
    output = tmp_path / "search"
    molvae.optimize(model, maximize={"size": carbons}, start=start, output=output, **SEARCH)
    assert run(["ask", str(output), "-n", "1", "--budget", "99", "-o", str(tmp_path / "batch.csv")]) == 0
    assert len((tmp_path / "batch.csv").read_text().splitlines()) == 2
    assert (output / "checkpoint").exists() == (kind == "made")


def test_a_function_by_a_name_of_its_own_is_a_goal(tiny_checkpoint, tmp_path, start):
    found = molvae.optimize(
        tiny_checkpoint,
        maximize={"size": carbons},
        minimize=["logp"],
        at_most={"depth": 99.0},
        oracles={"depth": lambda smiles: smiles.count("(")},
        keep="C",
        start=start,
        output=tmp_path / "search",
        **SEARCH,
    )
    table = found.to_pandas()
    assert (table["size"] == table["smiles"].map(carbons)).all()
    assert (table["substructure:C"] == 1).all()
    worse = [(table["size"] >= row["size"]) & (table["logp"] < row["logp"]) for _, row in table.iterrows()]
    front = {smiles for smiles, beaten in zip(table["smiles"], worse, strict=True) if not beaten.any()}
    assert {row.smiles for row in found.pareto} <= front
    assert found.pareto
    with Campaign.open(tmp_path / "search") as campaign:  # the directory stands for its journal
        assert "<table>" in campaign._repr_html_()
        assert campaign.n_calls == found.n_calls


def test_what_an_oracle_failed_on_is_scored_again_and_not_charged_again(tiny_checkpoint, tmp_path, start):
    down, asked = [True], []

    def docked(smiles: str) -> float:
        asked.append(smiles)
        if down[0]:
            raise RuntimeError("no licence")
        return float(len(smiles))

    given = {"maximize": {"docked": docked}, "minimize": {"depth": lambda smiles: smiles.count("(")}}
    call = partial(molvae.optimize, tiny_checkpoint, start=start, output=tmp_path / "s", **given, **SEARCH)
    first = call(failure_limit=None)
    failed = [row.smiles for row in first.table if row.scores[0] and row.scores[0].status == "failed"]
    assert (first.n_calls, len(failed)) == (8, 8)
    down[0], n_before = False, len(asked)
    assert call(failure_limit=None).n_calls == 8, "without the word, failures stay"
    assert len(asked) == n_before
    again = call(failure_limit=None, retry_failed=True)
    assert asked[n_before:] == failed
    assert again.n_calls == 8
    assert all(row.scores[0].value == len(row.smiles) for row in again.table if row.smiles in failed)


def test_what_is_shipped_has_a_name_and_what_lies_here_comes_first(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped("checkpoints")["zinc250k"].is_dir()
    model = molvae.load("zinc250k", device="cpu")
    assert model.property_names == ("logp", "qed", "sa")
    shutil.copytree(tiny_checkpoint, "zinc250k")
    assert molvae.load("zinc250k", device="cpu").latent_size != model.latent_size
    with pytest.raises(CheckpointError, match=r"did you mean 'zinc250k'"):
        molvae.load("zinc25k")
    with pytest.raises(CheckpointError, match="shipped by name"):
        molvae.load("nothing-like-it")


@pytest.mark.parametrize(
    ("call", "given", "sentence"),
    [
        (molvae.load, {"model": 5}, r"named by its directory or its name, got int"),
        (partial(molvae.prepare, 5), {}, r"a file is a path, got int"),
        (partial(molvae.prepare, "a.csv"), {"label": ["x"]}, r"'label'.*did you mean 'labels'"),
        (partial(molvae.train, "corpus"), {"epochs": "two"}, r"a whole number is expected"),
        (partial(molvae.train, "corpus"), {"output": None}, r"output is a path, got NoneType"),
        (partial(molvae.screen, "l.csv"), {"model": 7}, r"got int"),
        (partial(molvae.screen, "l.csv"), {"maximize": 3}, r"maximize is a name"),
        (molvae.optimize, {"model": 3, "maximize": "qed"}, r"model is a MolVAE.*got int"),
        (molvae.optimize, {"maximize": "qed", "at_most": ["sa"]}, r"a bound for each"),
        (molvae.optimize, {"maximize": "qed", "budgt": 3}, r"did you mean 'budget'"),
        (molvae.optimize, {"maximize": "QED_"}, r"unknown oracle"),
        (molvae.optimize, {"maximize": {"x": 3}}, r"'x' must be a function"),
        (molvae.optimize, {"maximize": {"qed": carbons}}, r"built-in oracle"),
        (molvae.optimize, {"maximize": "qed", "output": "a.sqlite"}, r"output is a directory"),
        (molvae.optimize, {}, r"objectives"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_leaves_nothing(
    tiny_checkpoint, tmp_path, call, given, sentence
):
    bound = getattr(call, "func", call)
    base = {} if bound is molvae.load else {"output": tmp_path / "out"}
    if bound in (molvae.screen, molvae.optimize):
        base["model"] = tiny_checkpoint
    with pytest.raises(UsageError) as caught:
        call(**{**base, **given})
    assert re.search(sentence, str(caught.value), re.DOTALL), str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_shipped_model_is_never_written_to(little_corpus, capsys):
    model = shipped("checkpoints")["zinc250k"]
    before = {path.name: path.stat().st_mtime_ns for path in model.iterdir()}
    for command in ("fit-heads", "fit-prior", "calibrate"):
        assert run([command, "zinc250k", "--corpus", str(little_corpus)]) == 2
        assert "is shipped with molvae and cannot be changed" in capsys.readouterr().err
    assert before == {path.name: path.stat().st_mtime_ns for path in model.iterdir()}
