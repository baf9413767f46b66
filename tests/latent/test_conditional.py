"""Molecules with wanted properties: chosen by the heads, or told to a conditional decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molvae.chemistry.molecule import is_valid
from molvae.errors import UsageError
from molvae.latent.codec import MolVAE
from molvae.latent.conditional import choose_latent, sample_conditional, wanted_values
from molvae.training.config import TrainSettings
from molvae.training.trainer import train


def test_chosen_latent_vectors_have_the_wanted_predictions(tiny_model):
    generator = np.random.default_rng(0)
    column = tiny_model.property_names.index("logp")
    targets = np.repeat([[np.nan, np.nan, value] for value in (0.5, 2.5)], 60, axis=0)
    assert column == 2
    z = choose_latent(tiny_model, targets, generator=generator, n_pool=4000)
    predicted = tiny_model.predict_latent(z).mean[:, column]
    free = tiny_model.predict_latent(tiny_model.sample_latent(120, generator=generator)).mean[:, column]
    error = np.abs(predicted - targets[:, 2]).mean()
    assert error < 0.5 * np.abs(free - targets[:, 2]).mean()
    assert len(np.unique(z, axis=0)) == len(z)


def test_one_result_for_each_request_and_the_seed_decides(tiny_model):
    wanted = np.tile(wanted_values(tiny_model, {"logp": 1.5}), (9, 1))
    found = sample_conditional(tiny_model, wanted, seed=3)
    assert len(found) == 9
    assert found == sample_conditional(tiny_model, wanted, seed=3)
    assert found != sample_conditional(tiny_model, wanted, seed=4)


def test_unknown_properties_are_named(tiny_model):
    with pytest.raises(UsageError, match="did you mean 'logp'"):
        wanted_values(tiny_model, {"logP_": 1.0})
    with pytest.raises(UsageError, match="at least one"):
        wanted_values(tiny_model, {})
    with pytest.raises(UsageError, match="does not see"):
        tiny_model.decode(np.zeros((1, tiny_model.latent_size)), properties=np.zeros((1, 3)))


@pytest.mark.parametrize("conditional_prior", [False, True])
def test_a_conditional_model_is_told_and_survives_the_checkpoint(little_corpus, tmp_path, conditional_prior):
    sizes = {"latent_size": 8, "embedding_size": 8, "encoder_hidden": 16, "decoder_hidden": 32}
    settings = TrainSettings.model_validate(
        {
            "model": {**sizes, "conditional": True, "conditional_prior": conditional_prior},
            "prior": {"name": "normal"},
            "epochs": 1,
            "batch_size": 32,
            "property_weight": 0.0,
            "n_validation": 8,
            "device": "cpu",
            "threads": 1,
        }
    )
    model = MolVAE.load(train(little_corpus, tmp_path / "run", settings).checkpoint, device="cpu")
    low, high = (np.tile(wanted_values(model, {"weight": value}), (4, 1)) for value in (2.0, 40.0))
    z = model.sample_latent(4, generator=np.random.default_rng(0))
    told = [
        model.network.decoder.initial(
            model.network._with_condition(torch.from_numpy(z), *model.scaled_properties(w)), 0
        )
        for w in (low, high)
    ]
    assert not torch.allclose(*told)
    for wanted in (low, np.full((4, 3), np.nan)):
        assert len(sample_conditional(model, wanted)) == 4
    assert all(is_valid(item) or item.reason for item in model.decode(z))
