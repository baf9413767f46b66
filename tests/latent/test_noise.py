"""Noise levels of MolVAE: 0 is the usual decoding, 1 needs no latent vector, others are in between."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.chemistry.molecule import is_valid
from molvae.errors import UsageError
from molvae.latent.arithmetic import Direction, shift
from molvae.latent.checkpoint import render_card
from molvae.latent.codec import MolVAE
from molvae.latent.interpolation import interpolate
from molvae.latent.neighbors import LEVELS, measure_similarity, neighborhood
from molvae.models.growth import take_over_network
from molvae.models.vae import SequenceVAE

SMILES = ["CCc1ccc(C)cc1", "CCCc1ccc(N)cc1", "CC(=O)NCC", "CCC1CCC(C)CC1", "Nc1ccc(CO)s1"]


@pytest.fixture(scope="module")
def taught(tiny_model, tmp_path_factory):
    """The tiny model with noise levels, which its decoder ignores as before training; saved and loaded."""
    settings = tiny_model.settings.model.model_copy(update={"noise_levels": True})
    network = SequenceVAE(settings, tiny_model.network.vocabulary_size, len(tiny_model.property_names))
    take_over_network(network, tiny_model.network, with_head=True)
    codec = tiny_model.settings.model_copy(update={"model": settings})
    path = tmp_path_factory.mktemp("taught") / "model"
    MolVAE(network, tiny_model.tokenizer, codec).save(path)
    return MolVAE.load(path, device="cpu")


def test_without_noise_it_writes_what_the_model_before_wrote(tiny_model, taught):
    assert taught.reconstruct(SMILES) == tiny_model.reconstruct(SMILES)
    z = taught.encode(SMILES)
    assert taught.decode(z, noise=0.0) == taught.decode(z) == tiny_model.decode(z)


def test_the_card_says_what_was_taught(tiny_model, taught):
    said = [render_card(model.settings, model.n_parameters) for model in (tiny_model, taught)]
    assert ["noise levels" in card for card in said] == [False, True]


def test_samples_come_from_level_1_whatever_z_is(taught):
    z = taught.encode(SMILES)
    free = taught.decode(z, noise=1.0, temperature=1.0, seed=4)
    assert free == taught.decode(-5 * z, noise=1.0, temperature=1.0, seed=4)
    assert len(set(taught.sample(40, seed=1))) > 5
    assert taught.sample(40, seed=1) == taught.sample(40, seed=1, noise=1.0, temperature=1.0, beam=False)
    exact = taught.sample(40, seed=1, noise=0.0)
    assert exact == taught.sample(40, seed=1, noise=0.0, temperature=0.0, beam=True)


def test_rows_may_have_levels_of_their_own(taught):
    z = taught.encode(SMILES)
    levels = np.array([0.0, 0.0, 0.9, 0.9, 0.9])
    mixed = taught.decode(z, noise=levels, seed=2)
    assert mixed[:2] == taught.decode(z[:2])
    assert mixed[2:] == taught.decode(z, noise=0.9, seed=2)[2:]


@pytest.mark.parametrize("noise", [-0.1, 1.01, float("nan")])
def test_a_level_outside_0_to_1_is_refused(taught, noise):
    with pytest.raises(UsageError, match="between 0 and 1"):
        taught.decode(taught.encode(SMILES), noise=noise)


def test_a_decoder_that_was_not_taught_says_so(tiny_model):
    with pytest.raises(UsageError, match="not trained with"):
        tiny_model.decode(tiny_model.encode(SMILES), noise=0.3)
    assert tiny_model.sample(5, seed=0) == tiny_model.sample(5, seed=0, noise=0.0, temperature=0.0)


def test_neighbors_look_at_a_level(taught):
    near = neighborhood(taught, SMILES[1], radius=0.0, n_draws=5)
    (back,) = taught.reconstruct([SMILES[1]])
    assert near.n_valid == 5 * is_valid(back)
    assert near.n_parent == 5 * (back == near.parent)
    assert neighborhood(taught, SMILES[1], n_draws=5).radius == 0.5
    with pytest.raises(UsageError, match="between 0 and 1"):
        neighborhood(taught, SMILES[1], radius=1.5)
    curve = measure_similarity(taught, SMILES, n_draws=20)
    assert curve.radius == LEVELS
    assert curve.similarity[0] > curve.similarity[-1]


def test_paths_and_shifts_try_again_with_noise(tiny_model, taught):
    away = np.full(16, 0.7, dtype=np.float32)
    direction = Direction("size", away, "means", 0.0, 20)
    once, often = (shift(taught, SMILES, direction, 1.0, n_tries=n) for n in (1, 6))
    assert once == shift(tiny_model, SMILES, direction, 1.0)
    assert sum(is_valid(s.molecule) for s in often) >= sum(is_valid(s.molecule) for s in once)
    assert often == shift(taught, SMILES, direction, 1.0, n_tries=6)
    paths = [interpolate(model, SMILES[0], SMILES[3], n_steps=9, n_tries=1) for model in (tiny_model, taught)]
    assert paths[0] == paths[1]
    again = interpolate(taught, SMILES[0], SMILES[3], n_steps=9, n_tries=20)
    assert sum(is_valid(w.molecule) for w in again) >= sum(is_valid(w.molecule) for w in paths[1])


def test_vectors_that_hold_noise_are_read_at_its_level(tiny_model, taught):
    z = taught.encode(SMILES)
    level = np.array([0.0, 0.0, 0.4, 1.0, 1.0])
    read = taught.decode_moved(z, level, seed=3)
    assert read[:2] == taught.decode(z[:2])
    assert read[3:] == taught.decode_moved(-7 * z, level, seed=3)[3:]
    assert taught.decode_moved(np.repeat(z, 20, 0), np.ones(100)) != taught.decode(np.repeat(z, 20, 0))
    assert tiny_model.decode_moved(z, level) == tiny_model.decode(z)
    assert (taught.prior_level, tiny_model.prior_level) == (1.0, 0.0)
