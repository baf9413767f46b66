"""The contract of MolVAE: as many results as inputs, invalid rows as values, deterministic by seed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.errors import CheckpointError, UsageError
from molvae.latent.checkpoint import CONFIG, VOCABULARY, WEIGHTS
from molvae.latent.codec import MolVAE
from molvae.persistence.directories import committed_directory

MIXED = ["CCc1ccc(C)cc1", "not a molecule", "", "CC(=O)NC", "CC(=O)[O-].[Na+]", "C" * 2000, "CCCBr"]


def test_every_row_in_is_a_row_out(tiny_model):
    z = tiny_model.encode(MIXED)
    assert z.shape == (7, 16)
    assert np.isnan(z).any(axis=1).tolist() == [False, True, True, False, False, True, False]
    decoded = tiny_model.decode(z)
    assert len(decoded) == 7
    assert isinstance(decoded[1], Invalid)
    assert isinstance(tiny_model.reconstruct(MIXED)[5], Invalid)
    prediction = tiny_model.predict(MIXED)
    assert prediction.mean.shape == prediction.variance.shape == (7, 3)
    assert np.isnan(prediction.mean).any(axis=1).tolist() == np.isnan(z).any(axis=1).tolist()
    assert (prediction.variance[0] > 0).all()
    assert tiny_model.unknown_tokens(MIXED)[-1] == ("Br",)
    for empty in (tiny_model.encode([]), tiny_model.decode(np.empty((0, 16))), tiny_model.sample(0)):
        assert len(empty) == 0


def test_rows_do_not_depend_on_their_neighbours(tiny_model):
    """Up to rounding errors, which gradient steps amplify."""
    encoder, together = tiny_model.encode(MIXED, inference_steps=0), tiny_model.encode(MIXED)
    for row, smiles in enumerate(MIXED):
        alone = tiny_model.encode([smiles], inference_steps=0)[0]
        np.testing.assert_allclose(alone, encoder[row], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(tiny_model.encode([smiles])[0], together[row], rtol=1e-3, atol=1e-3)
    assert tiny_model.decode(together[[0, 3]]) == [tiny_model.decode(together[[row]])[0] for row in (0, 3)]


def test_molecules_are_standardized_like_the_training_data(tiny_model):
    salt, acid, parsed = tiny_model.encode(["CC(=O)[O-].[Na+]", "OC(C)=O", parse("CC(=O)O")])
    np.testing.assert_allclose(salt, acid, rtol=1e-5)
    np.testing.assert_allclose(parsed, acid, rtol=1e-5)


def test_the_tiny_model_has_learned(tiny_model):
    smiles = [
        "CCc1ccc(C)cc1",
        "CCCc1ccc(N)cc1",
        "CC(=O)NCC",
        "CCC1CCC(C)CC1",
        "Nc1ccc(CO)s1",
        "Clc1ccc(CC)cc1",
    ]
    truth = [parse(text) for text in smiles]
    assert sum(a == b for a, b in zip(tiny_model.reconstruct(smiles), truth, strict=True)) >= 4
    assert sum(map(is_valid, tiny_model.sample(100, seed=1))) >= 60
    assert tiny_model.property_names == ("weight", "qed", "logp")


def test_a_seed_is_an_answer(tiny_model):
    assert tiny_model.sample(20, seed=0) == tiny_model.sample(20, seed=0)
    assert tiny_model.sample(20, seed=0) != tiny_model.sample(20, seed=1)
    z = tiny_model.encode(["CCc1ccc(C)cc1"] * 30)
    drawn = tiny_model.decode(z, temperature=1.5, seed=3)
    assert drawn == tiny_model.decode(z, temperature=1.5, seed=3)
    assert len({item.smiles for item in drawn if isinstance(item, Molecule)}) > 1
    mu, sigma = tiny_model.posterior(["CCO"] * 4000)
    sampled = tiny_model.encode(["CCO"] * 4000, seed=5, inference_steps=0)
    np.testing.assert_allclose(sampled.std(axis=0), sigma[0], rtol=0.1)
    np.testing.assert_allclose(sampled.mean(axis=0), mu[0], atol=0.1)


@pytest.mark.parametrize("z", [np.zeros((3, 4)), np.zeros(16), np.zeros((1, 2, 16))])
def test_a_wrong_shape_is_a_usage_error(tiny_model, z):
    with pytest.raises(UsageError, match="n x 16"):
        tiny_model.decode(z)


def test_save_and_load_give_the_same_model(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "copy")
    copy = MolVAE.load(tmp_path / "copy", device="cpu")
    np.testing.assert_array_equal(copy.encode(MIXED), tiny_model.encode(MIXED))
    np.testing.assert_array_equal(copy.predict(MIXED).mean, tiny_model.predict(MIXED).mean)
    assert copy.settings == tiny_model.settings
    card = (tmp_path / "copy" / "README.md").read_text()
    assert "exact reconstruction" in card


def _remake(checkpoint, target, change):
    """A copy with one change and a matching manifest."""
    with committed_directory(target, kind="model", schema=1) as place:
        for name in (CONFIG, VOCABULARY, WEIGHTS):
            shutil.copy(checkpoint / name, place / name)
        change(place)
    return target


def _edit_config(place, **changes):
    fields = json.loads((place / CONFIG).read_text())
    for key, value in changes.items():
        (fields["model"] if key in fields["model"] else fields)[key] = value
    (place / CONFIG).write_text(json.dumps(fields))


def _edit_weights(place, name, value):
    tensors = load_file(place / WEIGHTS)
    tensors[name] = value
    save_file(tensors, place / WEIGHTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda place: (place / WEIGHTS).unlink(), "has no weights"),
        (
            lambda place: (place / WEIGHTS).write_bytes(b"cos\nsystem\n(S'true'\ntR."),
            "not a readable safetensors",
        ),
        (lambda place: (place / WEIGHTS).write_bytes(b"\xff" * 64), "not a readable safetensors"),
        (lambda place: (place / CONFIG).write_text("{}"), "is not a model's"),
        (lambda place: (place / CONFIG).write_text("[" * 100_000), "cannot be read"),
        (lambda place: _edit_config(place, latent_size=8), "of shape"),
        (lambda place: _edit_config(place, decoder_layers=2), "is missing"),
        (lambda place: _edit_config(place, latent_size=10**9), "is not a model's"),
        (lambda place: _edit_config(place, __reduce__="os.system"), "is not a model's"),
        (lambda place: _edit_config(place, tokenizer="pickle"), "needs the tokenizer 'pickle'"),
        (lambda place: _edit_config(place, property_names=["a"]), "of shape"),
        (lambda place: (place / VOCABULARY).write_text('["C"]'), "is not a vocabulary"),
        (
            lambda place: _edit_weights(place, "decoder.output.bias", torch.tensor(float("nan"))),
            "of shape",
        ),
        (lambda place: _edit_weights(place, "extra", torch.zeros(1)), "is not expected"),
    ],
)
def test_a_lying_checkpoint_is_refused(tiny_checkpoint, tmp_path, change, said):
    with pytest.raises(CheckpointError, match=said):
        MolVAE.load(_remake(tiny_checkpoint, tmp_path / "liar", change), device="cpu")


def test_a_model_of_sizes_that_are_no_longer_settings_is_refused_with_the_reason(tiny_checkpoint, tmp_path):
    def deepen(place):
        fields = json.loads((place / CONFIG).read_text())
        fields["model"]["encoder_layers"] = 2
        (place / CONFIG).write_text(json.dumps(fields))
        _edit_weights(place, "encoder.forwards.1.weight", torch.zeros(144, 48))

    with pytest.raises(CheckpointError, match="is not expected") as caught:
        MolVAE.load(_remake(tiny_checkpoint, tmp_path / "deep", deepen), device="cpu")
    assert "model.encoder_layers was 2, now 1" in caught.value.hint


def test_weights_that_are_not_finite_are_refused(tiny_checkpoint, tmp_path):
    def poison(place):
        tensors = load_file(place / WEIGHTS)
        tensors["decoder.output.bias"][0] = float("nan")
        save_file(tensors, place / WEIGHTS)

    with pytest.raises(CheckpointError, match="not finite"):
        MolVAE.load(_remake(tiny_checkpoint, tmp_path / "nan", poison), device="cpu")


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        ("[CH2]C", ("CC(", "[CH2]C", "CO", "CN"), "CO"),  # a radical: the vocabulary has none
        ("[CH2]C", ("CC(",), "C[CH2]"),
        ("CC(", ("CC(", "[CH2]C", "CO"), "CO"),
        ("CC(", ("C(C", "[CH2]C"), "[CH2]C"),
        ("CN", ("CO",), "CN"),
    ],
)
def test_an_odd_molecule_gives_way_to_one_the_model_can_read(tiny_model, monkeypatch, before, found, after):
    monkeypatch.setattr("molvae.latent.decoding._texts_of", lambda *_: [list(found)])
    molecules = [parse(before)]
    tiny_model.decoder.search(np.zeros((1, 16), np.float32), molecules, None)
    assert molecules[0].smiles == parse(after).smiles


def test_a_beam_finds_molecules_where_greedy_decoding_finds_none(tiny_model):
    model = tiny_model
    z = 2.0 * np.random.default_rng(0).standard_normal((80, model.latent_size)).astype(np.float32)
    z[3] = np.nan
    greedy, searched = model.decode(z), model.decode(z, beam=True)
    rescued = [b for a, b in zip(greedy, searched, strict=True) if not is_valid(a) and is_valid(b)]
    assert rescued, "every text was a molecule already: the test says nothing"
    assert "not finite" in searched[3].reason
    unknown = [row for row, item in enumerate(greedy) if is_valid(item) and model.unknown_tokens([item])[0]]
    assert all(
        a.smiles == b.smiles
        for row, (a, b) in enumerate(zip(greedy, searched, strict=True))
        if is_valid(a) and row not in unknown
    )
    alone = model.decode(z[:3], beam=True)
    assert [getattr(a, "smiles", None) for a in alone] == [getattr(b, "smiles", None) for b in searched[:3]]
