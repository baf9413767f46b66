"""`molvae fit-heads` writes a model that predicts what a corpus has labels of."""

from __future__ import annotations

import json

from molvae.latent.codec import MolVAE

BRIEF = ("--epochs", 3, "--set", "hidden=16")


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


def test_without_a_target_the_model_is_replaced(molvae, tiny_checkpoint, little_corpus, tmp_path):
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
