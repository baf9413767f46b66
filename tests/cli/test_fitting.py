"""Priors and property heads fitted to a trained model."""

from __future__ import annotations

import json
import shutil

import pytest

from molvae.latent.codec import MolVAE
from molvae.models.priors import flow_fitting
from molvae.training import states

SMALL = ("--set", "flow.steps=10")
BRIEF = ("--epochs", 3, "--set", "hidden=16")
pytestmark = pytest.mark.usefixtures("small_priors")


def test_fit_prior_measures_before_and_after_and_sample_uses_it(
    molvae, tiny_checkpoint, little_corpus, tmp_path
):
    target = tmp_path / "better"
    done = molvae("fit-prior", tiny_checkpoint, "--corpus", little_corpus, "-o", target, *SMALL, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert set(told["before"]) == {"normal_validity", "normal_uniqueness"}
    assert set(told["after"]) == {"flow_validity", "flow_uniqueness"}
    assert MolVAE.load(tiny_checkpoint).prior.name == "normal", "the model that was read is left alone"
    model = MolVAE.load(target)
    assert model.prior.name == "flow"
    assert model.settings.facts["metrics"]["flow_validity"] == told["after"]["flow_validity"]
    assert (
        molvae("sample", target, "-n", 20, "--prior", "normal").out
        == molvae("sample", tiny_checkpoint, "-n", 20).out
    )
    assert molvae("sample", target, "-n", 20).out != molvae("sample", tiny_checkpoint, "-n", 20).out
    refused = molvae("sample", target, "-n", 1, "--prior", "gan")
    assert (refused.code, "molvae fit-prior" in refused.err) == (2, True)


def test_without_a_target_the_model_is_replaced_and_the_table_is_for_people(
    molvae, tiny_checkpoint, little_corpus, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(tiny_checkpoint, run / "model")
    done = molvae(
        "fit-prior", run, "--corpus", little_corpus, "--prior", "gan", "--set", "gan.steps=20", *SMALL
    )
    assert done.code == 0, done.err
    lines = [line.split()[:2] for line in done.out.splitlines()]
    assert ["before", "normal"] in lines
    assert ["after", "gan"] in lines
    assert MolVAE.load(run / "model").prior.name == "gan"
    refused = molvae("fit-prior", run, "--corpus", little_corpus, "--prior", "lanuage")
    assert (refused.code, "did you mean 'language'" in refused.err) == (2, True)
    assert molvae("fit-prior", run, "--corpus", tmp_path / "nowhere").code == 5
    assert MolVAE.load(run / "model").prior.name == "gan"


def test_a_fit_that_was_interrupted_goes_on_where_it_stood(
    molvae, tiny_checkpoint, little_corpus, tmp_path, monkeypatch
):
    command = ("fit-prior", tiny_checkpoint, "--corpus", little_corpus, *SMALL, "-o")
    assert molvae(*command, tmp_path / "whole").code == 0
    loss, steps = flow_fitting.matching_loss, []

    def interrupted(*arguments):
        steps.append(None)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(flow_fitting, "matching_loss", interrupted)
    monkeypatch.setattr(states, "EVERY", 4)
    assert molvae(*command, tmp_path / "model").code == 130
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "model-fitting").is_dir()
    done = molvae(*command, tmp_path / "model")
    assert (done.code, "resuming 'prior' after step 4" in done.err) == (0, True), done.err
    assert len(steps) == 6 + 6
    whole, resumed = (MolVAE.load(tmp_path / name).prior.tensors() for name in ("whole", "model"))
    assert all((whole[name] == resumed[name]).all() for name in whole)
    assert not (tmp_path / "model-fitting").exists()


def test_the_heads_are_replaced_and_their_errors_told(molvae, tiny_checkpoint, little_corpus, tmp_path):
    target = tmp_path / "mine"
    done = molvae("fit-heads", tiny_checkpoint, "--corpus", little_corpus, *BRIEF, "-o", target)
    assert done.code == 0, done.err
    names = MolVAE.load(target).property_names
    told = {cells[0]: cells[1:] for line in done.out.splitlines() if len(cells := line.split()) == 4}
    assert all(float(told[name][1]) > 0 for name in names)  # the mean error, after R2
    if any(float(told[name][0]) <= 0 for name in names):
        assert "do not trust" in done.err
    header = molvae("encode", target, "CCO", "--predict").out.splitlines()[0]
    assert all(f"predicted_{name}" in header for name in names), header
    same = [molvae("sample", place, "-n", 9, "--seed", 1).out for place in (tiny_checkpoint, target)]
    assert same[0] == same[1]


def test_without_a_target_the_model_gets_other_heads(molvae, tiny_checkpoint, little_corpus, tmp_path):
    target = tmp_path / "mine"
    given = ("--corpus", little_corpus, *BRIEF)
    assert molvae("fit-heads", tiny_checkpoint, *given, "-o", target).code == 0
    before = MolVAE.load(target).network.head.layers[0].weight
    again = molvae("fit-heads", target, *given, "--seed", 5, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["errors"].keys() == set(MolVAE.load(target).property_names)
    assert not (MolVAE.load(target).network.head.layers[0].weight == before).all()
    refused = molvae("fit-heads", target, "--corpus", tmp_path / "nowhere")
    assert (refused.code, "molvae prepare" in refused.err) == (5, True)
