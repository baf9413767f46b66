"""Molecules with requested properties: selected by property heads, or from a conditional decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molvae.chemistry.molecule import is_valid
from molvae.errors import UsageError
from molvae.latent.codec import MolVAE
from molvae.latent.conditional import choose, sample_conditional, wanted_values
from molvae.latent.prediction import PropertyPrediction
from molvae.training.config import TrainSettings
from molvae.training.trainer import train


def test_chosen_rows_have_the_wanted_predictions_and_are_those_the_heads_are_sure_of():
    generator = np.random.default_rng(0)
    mean = generator.normal(size=(4000, 2))
    variance = np.where(np.arange(4000)[:, None] % 2, 0.01, 0.09)
    predicted = PropertyPrediction(("a", "b"), mean, np.broadcast_to(variance, mean.shape))
    wanted = np.column_stack([np.full(120, np.nan), np.repeat([-1.0, 1.0], 60)])
    rows = choose(predicted, wanted, generator=generator)
    assert len(set(rows.tolist())) == 120
    assert np.abs(mean[rows, 1] - wanted[:, 1]).mean() < 0.2
    assert np.mean(rows % 2) > 0.6, "likelihood alone draws as many of both"
    few = PropertyPrediction(("a", "b"), np.vstack([mean[:3], [[np.nan, 0.0]]]), np.ones((4, 2)))
    assert sorted(choose(few, wanted[:5], generator=generator).tolist()) == [-1, -1, 0, 1, 2]


def test_molecules_come_out_that_the_heads_think_right(tiny_model):
    column = tiny_model.property_names.index("logp")
    targets = np.full((20, 3), np.nan)
    targets[:, column] = np.repeat([0.5, 2.5], 10)
    made = sample_conditional(tiny_model, targets, seed=1, n_pool=4000)
    fine = [row for row, item in enumerate(made) if is_valid(item)]
    assert len(fine) >= 10
    predicted = tiny_model.predict([made[row] for row in fine]).mean[:, column]
    error = np.abs(predicted - targets[fine, column]).mean()
    assert error < 0.7 * np.abs(predicted - targets[fine[::-1], column]).mean()
    assert len({made[row].smiles for row in fine}) == len(fine)
    assert "have all been chosen" in sample_conditional(tiny_model, targets, n_pool=1)[-1].reason


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
    with pytest.raises(UsageError, match="does not take properties"):
        tiny_model.decode(np.zeros((1, tiny_model.latent_size)), properties=np.zeros((1, 3)))


def test_a_conditional_model_round_trips_through_a_checkpoint(little_corpus, tmp_path):
    sizes = {"latent_size": 8, "embedding_size": 8, "encoder_hidden": 16, "decoder_hidden": 32}
    settings = TrainSettings.model_validate(
        {
            "model": {**sizes, "conditional": True},
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
        model.network.decoder.initials[0](
            model.network.decoder_input(torch.from_numpy(z), model.scaled_properties(w))
        )
        for w in (low, high)
    ]
    assert not torch.allclose(*told)
    for wanted in (low, np.full((4, 3), np.nan)):
        assert len(sample_conditional(model, wanted)) == 4
    assert all(is_valid(item) or item.reason for item in model.decode(z))
