"""Fine-tuning takes settings from the checkpoint unless they are set; training that diverges stops."""

from __future__ import annotations

import math

import pytest
import torch

from molvae.config import load_settings
from molvae.data.corpus import Corpus
from molvae.errors import ConfigError, StoppedEarly
from molvae.latent.codec import MolVAE
from molvae.training.assembly import mean_kl
from molvae.training.config import PriorSettings, TrainSettings
from molvae.training.prior_fitting import fit_prior
from molvae.training.trainer import train
from molvae.training.validation import BetaController

BRIEF = {"epochs": 2, "batch_size": 48, "n_validation": 8, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def begun(tiny_model, little_corpus, tmp_path_factory, small_priors):
    """A checkpoint with a language prior with a particular temperature and scale."""
    del small_priors
    language = {"epochs": 1, "temperature": 0.8}
    wanted = PriorSettings(name="language", posterior_scale=0.5, language=language)
    path = tmp_path_factory.mktemp("begun") / "model"
    fit_prior(tiny_model, Corpus.open(little_corpus), wanted).save(path)
    return path


@pytest.fixture(scope="module")
def tuned(begun, little_corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("tuned") / "run"
    train(little_corpus, run, TrainSettings(initial=begun, **BRIEF))
    return run


def test_kl_target_and_prior_are_those_of_the_model_it_begins_with(tuned, begun, little_corpus):
    corpus, source = Corpus.open(little_corpus), MolVAE.load(begun, device="cpu")
    settings = load_settings(TrainSettings, tuned / "settings.toml")
    kl = mean_kl(source, corpus, corpus.rows("train"))
    assert settings.kl_target == pytest.approx(kl, abs=0.06)
    model = MolVAE.load(tuned / "model", device="cpu")
    assert model.prior.name == "language"
    assert (model.prior.temperature, model.prior.scale) == pytest.approx((0.8, 0.5))
    assert "begun as an earlier one" in model.facts()["prior"]
    before, after = (m.prior.model.state_dict() for m in (source, model))
    assert any(not torch.equal(before[name], after[name]) for name in before), "it was taught the corpus"
    assert model.scaler == source.scaler, "its head goes on predicting in the same unit"
    assert model.settings.max_length >= source.settings.max_length


def test_a_run_that_goes_on_keeps_the_target_it_began_with(tmp_path, begun, little_corpus):
    settings = TrainSettings(initial=begun, **BRIEF)
    with pytest.raises(StoppedEarly):
        train(little_corpus, tmp_path / "run", settings, should_stop=lambda: True)
    written = (tmp_path / "run" / "settings.toml").read_text()
    train(little_corpus, tmp_path / "run", settings)
    assert (tmp_path / "run" / "settings.toml").read_text() == written
    with pytest.raises(ConfigError, match="kl_target"):
        train(little_corpus, tmp_path / "run", settings.model_copy(update={"kl_target": 3.0}))


def test_what_is_set_is_not_taken_from_the_checkpoint(tmp_path, begun, little_corpus):
    own = {"kl_target": 7.0, "learning_rate": 1e-3, "beta": 0.2, "prior": {"name": "normal"}}
    with pytest.raises(StoppedEarly):
        train(
            little_corpus,
            tmp_path / "run",
            TrainSettings(initial=begun, **BRIEF, **own),
            should_stop=lambda: True,
        )
    settings = load_settings(TrainSettings, tmp_path / "run" / "settings.toml")
    found = (settings.kl_target, settings.learning_rate, settings.beta, settings.prior.name)
    assert found == (7.0, 1e-3, 0.2, "normal")


def test_a_model_that_training_makes_no_better_stays(tmp_path, begun, little_corpus):
    spoiling = TrainSettings(initial=begun, **{**BRIEF, "epochs": 1}, learning_rate=0.5)
    train(little_corpus, tmp_path / "run", spoiling)
    before, after = (MolVAE.load(p, device="cpu").network for p in (begun, tmp_path / "run" / "model"))
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())


@pytest.mark.parametrize("n_steps", [3, 40, 100_000])
def test_the_warm_up_of_beta_is_a_share_of_the_run(n_steps):
    settings = TrainSettings()
    assert BetaController.start(settings, n_steps).warmup == min(settings.beta_warmup_steps, n_steps // 10)


@pytest.mark.parametrize("fault", ["loss", "gradient", "weights"])
def test_a_loss_that_is_not_finite_stops_at_once_and_the_best_model_stays(
    tmp_path, begun, little_corpus, monkeypatch, fault
):
    from molvae.models.vae import Elbo

    loss, calls = Elbo.loss, []

    def spoiled(self, *args, **kwargs):
        calls.append(1)
        value = loss(self, *args, **kwargs)
        if len(calls) != 3:
            return value
        if fault == "gradient":
            value.register_hook(lambda gradient: gradient * math.inf)
        return value * math.nan if fault == "loss" else value

    if fault == "weights":  # steps so large that the weights are no numbers
        settings = TrainSettings(initial=begun, **BRIEF, learning_rate=1e38)
    else:
        monkeypatch.setattr(Elbo, "loss", spoiled)
        settings = TrainSettings(initial=begun, **BRIEF)
    with pytest.raises(ConfigError, match=r"diverged.*not a finite number") as caught:
        train(little_corpus, tmp_path / "run", settings)
    assert "learning-rate" in caught.value.hint
    assert len(calls) <= 3
    kept = MolVAE.load(tmp_path / "run" / "model", device="cpu")
    assert all(bool(torch.isfinite(value).all()) for value in kept.network.state_dict().values())
