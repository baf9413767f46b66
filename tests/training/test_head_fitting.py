"""Property heads are fitted to any labels, and the rest of the model stays the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.errors import InputError, UsageError
from molvae.latent.calibration import calibrate
from molvae.latent.codec import MolVAE
from molvae.latent.neighbors import FACT
from molvae.models.config import ModelSettings
from molvae.models.growth import joined
from molvae.models.network import PropertyHead
from molvae.models.vae import SequenceVAE
from molvae.training.config import FitHeadsSettings
from molvae.training.head_fitting import fit_heads
from tests.conftest import little_smiles

SETTINGS = FitHeadsSettings(hidden=32, epochs=15)


def test_what_a_model_was_calibrated_with_is_kept(tiny_model, corpus):
    molecules = little_smiles()
    calibrated = calibrate(tiny_model, molecules[::2], molecules[1::2], n_parents=5)
    fitted = fit_heads(calibrated, corpus, FitHeadsSettings(hidden=4, epochs=1))
    assert fitted.domain is calibrated.domain
    assert fitted.precedent is calibrated.precedent
    assert fitted.settings.facts[FACT] == calibrated.settings.facts[FACT]


@pytest.fixture(scope="module")
def corpus(little_corpus, tmp_path_factory):
    """The small corpus with other labels: the weight, for every second molecule, and a constant."""
    place = tmp_path_factory.mktemp("labelled")
    known = Corpus.open(little_corpus)
    weight = known.labels[:, known.property_names.index("weight")]
    parts = np.full(len(known), "train", dtype="<U5")
    for part in ("valid", "test"):
        parts[known.rows(part)] = part
    lines = ["smiles,assay,flat,part"]
    for row, smiles in enumerate(known.smiles(np.arange(len(known)))):
        lines.append(f"{smiles},{weight[row] if row % 2 else ''},1,{parts[row]}")
    (place / "assay.csv").write_text("\n".join(lines) + "\n")
    wanted = PrepareSettings(
        input=(str(place / "assay.csv"),),
        output=place / "corpus",
        labels=("assay", "flat"),
        split="part",
        vocabulary=little_corpus,
    )
    prepare(wanted, workers=0)
    return Corpus.open(place / "corpus")


def test_heads_learn_new_labels_and_all_other_weights_stay(tiny_model, corpus, tmp_path):
    before = {name: tensor.clone() for name, tensor in tiny_model.network.state_dict().items()}
    fit_heads(tiny_model, corpus, SETTINGS, seed=1).save(tmp_path / "model")
    fitted = MolVAE.load(tmp_path / "model", device="cpu")
    assert fitted.property_names == ("assay", "flat")
    assert all(torch.equal(before[name], kept) for name, kept in tiny_model.network.state_dict().items())
    body = {name: t for name, t in fitted.network.state_dict().items() if not name.startswith("head.")}
    assert all(torch.equal(before[name], tensor) for name, tensor in body.items())
    rows = corpus.rows("test")
    truth = corpus.labels[rows]
    found = fitted.predict(corpus.smiles(rows)).mean
    labelled = np.isfinite(truth[:, 0])
    assert 0 < labelled.sum() < len(rows), "some labels are missing"
    explained = np.corrcoef(found[labelled, 0], truth[labelled, 0])[0, 1] ** 2
    assert explained > 0.5
    np.testing.assert_allclose(found[:, 1], 1.0, atol=0.5)
    metrics = fitted.facts()["metrics"]
    assert {name for name in metrics if name.startswith("mae_")} == {"mae_assay", "mae_flat"}
    assert metrics["mae_assay"] < np.nanstd(corpus.labels[:, 0])


def test_the_fit_is_a_function_of_the_seed(tiny_model, corpus):
    brief = SETTINGS.model_copy(update={"epochs": 2})
    state = torch.get_rng_state()
    first, again, other = (fit_heads(tiny_model, corpus, brief, seed=seed) for seed in (1, 1, 2))
    weights = [model.network.head.layers[0].weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_members_are_measured_on_what_they_were_not_taught(tiny_model, corpus):
    fitted = fit_heads(tiny_model, corpus, SETTINGS, seed=1)
    metrics, rows = fitted.facts()["metrics"], corpus.rows("test")
    truth = corpus.labels[rows][:, 0]
    known = np.isfinite(truth)
    said = fitted.predict(np.array(corpus.smiles(rows))[known].tolist())
    error = said.mean[:, 0] - truth[known]
    assert metrics["r2_assay"] == pytest.approx(1 - (error**2).mean() / truth[known].var(), abs=0.25)
    assert 0.3 < (error**2 / said.variance[:, 0]).mean() < 3.0, "the deviations are as large as the errors"
    assert metrics["r2_flat"] == 0.0  # nothing varies, so nothing is explained
    assert "mean of 5 members" in fitted.facts()["heads"]


def test_labels_without_a_pattern_have_no_r2(tiny_model, corpus):
    shuffled = np.random.default_rng(0).permutation(corpus.labels)
    fitted = fit_heads(tiny_model, replace(corpus, labels=shuffled), SETTINGS, seed=1)
    assert fitted.facts()["metrics"]["r2_assay"] < 0.1


def test_one_head_of_many_predicts_their_mean(tiny_model):
    sizes = tiny_model.settings.model.model_copy(update={"head_hidden": 6})
    members = [PropertyHead(sizes, 2).eval() for _ in range(3)]
    wide = PropertyHead(sizes.model_copy(update={"head_hidden": 18}), 2)
    widened = torch.tensor([1.0, 4.0])
    z = torch.randn(7, sizes.latent_size)
    with torch.no_grad():
        said, each = joined(members, wide, widened)(z), [member(z) for member in members]
    torch.testing.assert_close(said.mean, torch.stack([one.mean for one in each]).mean(0))
    logvar = torch.stack([one.variance.log() for one in each]).mean(0)
    torch.testing.assert_close(said.variance, logvar.exp() * widened)


def test_what_cannot_be_fitted_is_explained(tiny_model, corpus, tmp_path):
    (tmp_path / "few.smi").write_text("CCO\nCCN\nCCBr\nCCI\n")
    for name, vocabulary in (("bare", corpus.path), ("other", None)):
        wanted = PrepareSettings(
            input=(str(tmp_path / "few.smi"),), output=tmp_path / name, vocabulary=vocabulary
        )
        prepare(wanted, workers=0)
    with pytest.raises(InputError, match="no labels to learn from"):
        fit_heads(tiny_model, Corpus.open(tmp_path / "bare"), SETTINGS)
    with pytest.raises(InputError, match="its vocabulary is different"):
        fit_heads(tiny_model, Corpus.open(tmp_path / "other"), SETTINGS)
    told = ModelSettings.model_validate({**tiny_model.settings.model.model_dump(), "conditional": True})
    network = SequenceVAE(told, tiny_model.network.vocabulary_size, 3)
    codec = tiny_model.settings.model_copy(update={"model": told})
    with pytest.raises(UsageError, match="conditional model"):
        fit_heads(MolVAE(network, tiny_model.tokenizer, codec), corpus, SETTINGS)
