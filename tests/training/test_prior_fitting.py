"""A prior is fitted to the model's posteriors, measured, and described on the model card."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from molvae.data.batching import pad
from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.errors import CheckpointError, InputError, StoppedEarly, UnknownNameError, UsageError
from molvae.latent.codec import MolVAE
from molvae.models.network import Posterior
from molvae.models.priors import flow
from molvae.models.priors.base import StandardNormal
from molvae.models.priors.flow_fitting import matching_loss
from molvae.models.priors.language import LanguageModel, LanguagePrior
from molvae.models.vae import SequenceVAE
from molvae.training.config import PriorSettings
from molvae.training.language_fitting import nats_per_molecule
from molvae.training.prior_fitting import fit_prior, kept_fit, posteriors

LANGUAGE = {"epochs": 2, "learning_rate": 4e-3}
pytestmark = pytest.mark.usefixtures("small_priors")


def settings(name, **others):
    brief = {"steps": 20}
    given = {"name": name, "flow": brief, "gan": brief, "language": LANGUAGE, **others}
    return PriorSettings.model_validate(given)


@pytest.fixture(scope="module")
def corpus(little_corpus):
    return Corpus.open(little_corpus)


def test_posteriors_are_those_of_the_training_molecules(tiny_model, corpus):
    found = posteriors(tiny_model, corpus, 40, seed=3)
    assert found.mu.shape == (40, tiny_model.latent_size)
    rows = corpus.rows("train")
    mu, sigma = tiny_model.posterior(corpus.smiles(rows))
    nearest = np.abs(found.mu.numpy()[:, None] - mu[None]).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(found.mu, mu[nearest], atol=1e-5)
    np.testing.assert_allclose(np.exp(0.5 * found.logvar.numpy()), sigma[nearest], rtol=1e-4)
    assert len(set(nearest.tolist())) == 40


@pytest.mark.parametrize("name", ["flow", "gan", "language"])
def test_a_checkpoint_keeps_its_prior_and_the_card_describes_it(tiny_model, corpus, tmp_path, name):
    fitted = fit_prior(tiny_model, corpus, settings(name), seed=1)
    fitted.save(tmp_path / "model")
    again = MolVAE.load(tmp_path / "model", device="cpu")
    assert again.prior.name == name
    drawn = [model.sample_latent(9, generator=np.random.default_rng(4)) for model in (fitted, again)]
    np.testing.assert_array_equal(*drawn)
    card = (tmp_path / "model" / "README.md").read_text()
    learned = "trained for 2 epochs on" if name == "language" else f"{name}, fitted to the posteriors of"
    assert f"{learned} {len(corpus.rows('train'))} molecules" in card
    assert ("critic" in again.facts()) == (name == "gan")
    metrics = again.settings.facts["metrics"]
    valid = [bool(getattr(item, "smiles", "")) for item in again.sample(400, seed=0)]
    assert abs(np.mean(valid) - metrics[f"{name}_validity"]) < 0.35  # of 20 draws
    assert metrics.items() >= tiny_model.settings.facts["metrics"].items()


def test_a_flow_goes_on_from_another_in_its_units_and_sizes(tiny_model, corpus, monkeypatch):
    first = fit_prior(tiny_model, corpus, settings("flow"), seed=1)
    monkeypatch.setattr(flow, "_SIZES", {"width": 3, "hidden": 3, "n_blocks": 1, "n_harmonics": 4})
    kept = {name: tensor.clone() for name, tensor in first.prior.tensors().items()}
    more = settings("flow", flow={"steps": 30})
    second = fit_prior(tiny_model, corpus, more, initial=first, seed=2)
    after = second.prior.tensors()
    assert {name: tensor.shape for name, tensor in after.items()} == {n: t.shape for n, t in kept.items()}
    assert all(torch.equal(kept[name], tensor) for name, tensor in first.prior.tensors().items())
    assert all(torch.equal(kept[name], after[name]) for name in ("mean", "scale", "axes"))
    assert missed(second, corpus) < missed(first, corpus)
    assert second.facts()["prior"].endswith("going on from an earlier flow")
    with pytest.raises(UsageError, match="cannot be continued"):
        fit_prior(tiny_model, corpus, settings("gan"), initial=first)
    for name in ("flow", "language"):
        with pytest.raises(
            UsageError, match=f"no {name} to continue from: the prior of that model is 'normal'"
        ):
            fit_prior(tiny_model, corpus, settings(name), initial=tiny_model)


def stop_at(step):
    steps = iter(range(1, step + 1))
    return lambda: next(steps) == step


@pytest.mark.parametrize(
    ("name", "goes_on"),
    [("flow", False), ("flow", True), ("gan", False), ("language", False), ("language", True)],
    ids=["flow", "from a flow", "gan", "language", "from a language model"],
)
def test_a_stopped_fit_ends_with_the_prior_of_one_never_stopped(tiny_model, corpus, tmp_path, name, goes_on):
    initial = fit_prior(tiny_model, corpus, settings(name), seed=5) if goes_on else None
    asked = (tiny_model, corpus, settings(name, language={**LANGUAGE, "dropout": 0.2}))
    whole = fit_prior(*asked, initial=initial, seed=1).prior.tensors()
    for step in (7, 6):  # the second stop is that many steps after the first
        states = kept_fit(tmp_path / "fits", *asked, initial=initial, seed=1, should_stop=stop_at(step))
        with pytest.raises(StoppedEarly, match="state is saved"):
            fit_prior(*asked, initial=initial, seed=1, states=states)
    other = kept_fit(tmp_path / "fits", *asked, initial=initial, seed=2)
    assert (other.newest(), states.newest().facts["progress"]["step"]) == (None, 13)
    states = kept_fit(tmp_path / "fits", *asked, initial=initial, seed=1)
    ended = fit_prior(*asked, initial=initial, seed=1, states=states).prior.tensors()
    assert all(torch.equal(whole[name], ended[name]) for name in whole)
    states.forget()
    assert not (tmp_path / "fits").exists()


def test_a_damaged_fit_state_is_an_error(tiny_model, corpus, tmp_path):
    asked = (tiny_model, corpus, settings("flow"))
    states = kept_fit(tmp_path, *asked, should_stop=stop_at(3))
    with pytest.raises(StoppedEarly):
        fit_prior(*asked, states=states)
    file = next(states.directory.glob("*/weights.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"the prior's fit cannot be resumed.*damaged"):
        fit_prior(*asked, states=states)


def test_reading_a_model_with_a_flow_loads_no_compiler(tiny_model, corpus, tmp_path):
    fit_prior(tiny_model, corpus, settings("flow"), seed=1).save(tmp_path / "model")
    read = f"""
import sys
from molvae.latent.codec import MolVAE
model = MolVAE.load({str(tmp_path / "model")!r}, device="cpu")
assert model.sample(2, seed=0) and model.prior.name == "flow"
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", read], check=False).returncode == 0, "it took two seconds"


def test_a_language_prior_knows_the_corpus_better_than_the_decoder_it_begins_with(tiny_model, corpus):
    rows = corpus.rows("train")
    begun = LanguageModel.of_decoder(tiny_model.network.decoder)
    learned = fit_prior(tiny_model, corpus, settings("language")).prior.model
    assert nats_per_molecule(learned, corpus, rows) < nats_per_molecule(begun, corpus, rows) - 0.5


def test_a_language_prior_is_handed_on_as_it_is_or_learns_on(tiny_model, corpus):
    first = fit_prior(tiny_model, corpus, settings("language"), seed=1)
    same = fit_prior(tiny_model, corpus, settings("language", language={"epochs": 0}), initial=first)
    kept, handed = first.prior.tensors(), same.prior.tensors()
    assert all(torch.equal(kept[name], handed[name]) for name in kept)
    more = fit_prior(tiny_model, corpus, settings("language"), initial=first, seed=2)
    rows = corpus.rows("train")
    assert nats_per_molecule(more.prior.model, corpus, rows) < nats_per_molecule(
        first.prior.model, corpus, rows
    )
    assert "begun as an earlier one, trained for 2 epochs" in more.facts()["prior"]
    assert "trained for" not in same.facts()["prior"]
    assert all(torch.equal(kept[name], tensor) for name, tensor in first.prior.tensors().items())


def test_a_language_prior_has_a_size_of_its_own_if_asked(tiny_model, corpus):
    asked = settings("language", language={**LANGUAGE, "hidden": 48, "epochs": 10})
    fitted, again, other = (fit_prior(tiny_model, corpus, asked, seed=seed) for seed in (1, 1, 2))
    hidden = fitted.prior.model.decoder.output.in_features
    assert hidden == 48 != tiny_model.network.decoder.output.in_features
    kept = [model.prior.tensors() for model in (fitted, again, other)]
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())
    weight = "model.decoder.output.weight"
    assert not torch.equal(kept[0][weight], kept[2][weight])
    untrained = fit_prior(tiny_model, corpus, settings("language", language={"hidden": 48, "epochs": 0}))
    rows = corpus.rows("train")
    nats = [nats_per_molecule(model.prior.model, corpus, rows) for model in (untrained, fitted)]
    assert nats[1] < nats[0] - 3.0
    more = fit_prior(tiny_model, corpus, settings("language"), initial=fitted)
    assert more.prior.model.decoder.output.in_features == 48
    with pytest.raises(UsageError, match="48 units, not 32"):
        fit_prior(
            tiny_model, corpus, settings("language", language={**LANGUAGE, "hidden": 32}), initial=fitted
        )


def test_dropout_hides_units_of_a_language_model_at_all_steps_of_a_row(tiny_model, corpus):
    language = LanguageModel.of_decoder(tiny_model.network.decoder)
    rows = corpus.rows("train")[:1]
    tokens, lengths = (torch.from_numpy(array) for array in pad(corpus.ids, rows))
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    first, second = (language.nll(tokens, lengths, dropout=0.5, generator=one) for one in draws)
    assert first.item() == second.item() != language.nll(tokens, lengths).item()
    first.sum().backward()
    unused = (language.decoder.output.weight.grad == 0.0).all(0)
    assert 0.25 < unused.float().mean() < 0.75
    language.zero_grad()
    language.nll(tokens, lengths).sum().backward()
    assert not (language.decoder.output.weight.grad == 0.0).all(0).any()


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.0])
def test_a_language_prior_draws_the_posteriors_of_what_its_model_writes(tiny_model, corpus, scale):
    prior = fit_prior(tiny_model, corpus, settings("language", posterior_scale=scale)).prior
    z = prior.sample(700, torch.Generator().manual_seed(3))  # more than are encoded at once
    again = torch.Generator().manual_seed(3)
    written = prior.model.write(700, max_length=prior.max_length, temperature=1.0, generator=again)
    with torch.inference_mode():
        posterior = tiny_model.network.encoder(written, (written != 0).sum(1))
    away = (z - posterior.mu) / posterior.logvar.mul(0.5).exp()
    assert abs(float(away.mean())) < 0.02
    assert float(away.std()) == pytest.approx(scale, abs=0.02)
    if scale == 0.0:
        return
    shared = float(torch.corrcoef(torch.stack([away[::2].flatten(), away[1::2].flatten()]))[0, 1])
    assert abs(shared) < 0.06, "each row has noise of its own"


def test_a_language_prior_without_its_network_or_with_another_one_is_refused(tiny_model, corpus):
    fitted = fit_prior(tiny_model, corpus, settings("language")).prior
    alone = LanguagePrior.from_tensors(fitted.tensors(), tiny_model.latent_size)
    with pytest.raises(RuntimeError, match="through the encoder"):
        alone.sample(1, torch.Generator())
    other = SequenceVAE(tiny_model.settings.model, tiny_model.network.vocabulary_size + 1, 0)
    with pytest.raises(ValueError, match="tokens"):
        alone.through(other)
    damaged = {**fitted.tensors(), "temperature": torch.zeros(1)}
    with pytest.raises(ValueError, match="positive"):
        LanguagePrior.from_tensors(damaged, tiny_model.latent_size)
    for name, tensor in fitted.tensors().items():
        for wrong in (tensor.new_zeros(*tensor.shape, 2), torch.full_like(tensor, torch.nan)):
            if wrong.numel():
                with pytest.raises(ValueError, match=r"shape|finite|axes"):
                    LanguagePrior.from_tensors({**fitted.tensors(), name: wrong}, tiny_model.latent_size)


def missed(model, corpus):
    """Error of the flow's velocities towards the posteriors."""
    found, prior = posteriors(model, corpus, 300, seed=0), model.prior
    standard = Posterior(
        (found.mu - prior.units.mean) / prior.units.scale, found.logvar - 2.0 * prior.units.scale.log()
    )
    generator = torch.Generator().manual_seed(0)
    return matching_loss(prior.velocity, prior.units.axes, standard, generator).item()


def test_fitting_again_forgets_what_was_fitted_before(tiny_model, corpus):
    first = fit_prior(tiny_model, corpus, settings("flow"), seed=1)
    second = fit_prior(first, corpus, settings("gan"), seed=1)
    assert "flow_validity" in first.settings.facts["metrics"]
    assert "flow_validity" not in second.settings.facts["metrics"]
    back = fit_prior(second, corpus, settings("normal"), seed=1)
    assert back.prior.tensors() == {}
    assert back.settings.facts["prior"] == "N(0, I)"


def test_a_smaller_posterior_scale_narrows_the_prior(tiny_model, corpus):
    wide, half, none = (
        fit_prior(tiny_model, corpus, settings("flow", posterior_scale=scale)).prior.units.scale
        for scale in (1.0, 0.5, 0.0)
    )
    variance = posteriors(tiny_model, corpus, 10_000, seed=0).logvar.exp().mean(0).sum()
    spread = [float(scale.square().sum()) for scale in (wide, half, none)]
    assert spread[0] - spread[2] == pytest.approx(float(variance), rel=1e-3)
    assert spread[1] - spread[2] == pytest.approx(float(variance) / 4, rel=1e-3)


def test_a_fitted_model_still_draws_from_the_standard_normal(tiny_model, corpus):
    fitted = fit_prior(tiny_model, corpus, settings("flow"))
    expected = [getattr(item, "smiles", None) for item in tiny_model.sample(20, seed=2)]
    assert [getattr(item, "smiles", None) for item in fitted.sample(20, seed=2, prior="normal")] == expected
    named = [getattr(item, "smiles", None) for item in fitted.sample(20, seed=2, prior="flow")]
    assert named == [getattr(item, "smiles", None) for item in fitted.sample(20, seed=2)]
    assert named != expected
    with pytest.raises(UsageError, match="draws from flow or normal, not from 'gan'"):
        fitted.sample(1, prior="gan")


def test_what_does_not_fit_is_explained(tiny_model, corpus, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'flow'"):
        fit_prior(tiny_model, corpus, settings("flwo"))
    (tmp_path / "few.smi").write_text("CCO\nCCN\nCCBr\nCCI\n")
    other = PrepareSettings(input=(str(tmp_path / "few.smi"),), output=tmp_path / "corpus")
    prepare(other, workers=0)
    with pytest.raises(InputError, match="not prepared for this model"):
        fit_prior(tiny_model, Corpus.open(tmp_path / "corpus"), settings("gan"))


def test_a_checkpoint_with_a_prior_that_was_removed_is_refused(tiny_model, tmp_path):
    class Removed(StandardNormal):
        name = "mixture"

    tiny_model.replaced(prior=Removed(tiny_model.latent_size)).save(tmp_path / "model")
    with pytest.raises(
        CheckpointError, match="the prior 'mixture', which this version of molvae does not"
    ) as it:
        MolVAE.load(tmp_path / "model")
    assert "Known: flow, gan, language, normal" in it.value.hint
