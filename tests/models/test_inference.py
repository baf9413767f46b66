"""Refinement of the encoder's output, and networks that grow without changing their function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molvae.chemistry.molecule import is_valid
from molvae.errors import UsageError
from molvae.models.config import ModelSettings
from molvae.models.growth import take_over_network
from molvae.models.inference import infer, moved, negative_log_likelihood
from molvae.models.network import Posterior
from molvae.models.vae import SequenceVAE
from tests.conftest import little_smiles

SIZES = {"latent_size": 6, "embedding_size": 5, "decoder_hidden": 9}


def test_a_step_solves_what_is_linear_in_the_norm_of_the_posterior():
    """Polyak's step minimizes a norm in one step; lengths are in posterior standard deviations."""
    goal = torch.tensor([[0.2, -0.2, 0.1], [0.0, 0.1, 0.0]])
    deviation = torch.tensor([[0.5, 2.0, 1.0], [1.0, 1.0, 1.0]])
    start = Posterior(torch.zeros(2, 3), 2 * deviation.log())
    found = moved(start, lambda z, rows: 9 * ((z - goal) / deviation)[rows].norm(dim=-1), 1)
    torch.testing.assert_close(found.mu, goal)
    assert found.logvar is start.logvar
    point = moved(Posterior.dirac(torch.zeros(2, 3)), lambda z, rows: 9 * (z - goal)[rows].norm(dim=-1), 1)
    torch.testing.assert_close(point.mu, goal)
    assert point.is_dirac


@pytest.mark.parametrize("steep", [1e-6, 0.0, float("nan")])
def test_no_step_leaves_the_posterior(steep):
    start = Posterior(torch.zeros(1, 9), torch.zeros(1, 9))
    found = moved(start, lambda z, _: 50.0 + steep * z.sum(-1), 3)
    assert found.mu.isfinite().all()
    assert found.mu.norm() <= 3 * 1.0 + 1e-5  # a third of the length of the noise, sqrt(9), in each step


def test_a_mean_that_is_sure_enough_stays_and_others_take_the_best_that_was_visited():
    """Row 0 starts with p(x|z) > 1/2, row 1 reaches it after a step; every step makes row 2 worse."""
    asked = []

    def nll(z, rows):
        asked.append(rows.tolist())
        values = [torch.tensor(0.1), (z[:, 0] - 1.0).abs() * 9, 7.0 + 4.0 * (z[:, 0].abs() + 1e-3).sqrt()]
        here = {row: line for line, row in enumerate(rows.tolist())}
        return torch.stack(
            [value if value.dim() == 0 else value[here[r]] for r, value in enumerate(values) if r in here]
        )

    found = moved(Posterior(torch.zeros(3, 9), torch.zeros(3, 9)), nll, 4)
    assert asked[:2] == [[0, 1, 2], [1, 2]]
    assert all(rows == [2] for rows in asked[2:])
    torch.testing.assert_close(found.mu[:, 0], torch.tensor([0.0, 1.0, 0.0]))


def test_molecules_become_more_likely_and_come_back_more_often(tiny_model):
    known = [item for item in tiny_model.prepare(little_smiles()) if is_valid(item)]
    rows = [tiny_model.tokenizer.encode(molecule.smiles) for molecule in known]
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.nn.utils.rnn.pad_sequence([torch.as_tensor(row) for row in rows], batch_first=True)
    network = tiny_model.network
    with torch.inference_mode():  # no obstacle
        likely = [
            negative_log_likelihood(
                network, tokens, lengths, infer(network, tokens, lengths, n_steps=n).mu
            ).mean()
            for n in (0, 1, 4)
        ]
    assert likely[0] > likely[1] > likely[2]
    again = [
        sum(a == b for a, b in zip(known, tiny_model.reconstruct(known, inference_steps=n))) for n in (0, 4)
    ]
    assert again[0] < again[1]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_is_inferred_of_a_molecule_is_its_own(tiny_model):
    given = [*little_smiles()[:5], "no molecule"]
    z = tiny_model.encode(given)
    np.testing.assert_allclose(tiny_model.encode(given[2:3]), z[2:3], atol=2e-4)
    np.testing.assert_array_equal(np.isnan(z).all(axis=1), [False] * 5 + [True])
    assert tiny_model.reconstruct(given[:5]) == tiny_model.decode(z[:5])
    alone, sigma = tiny_model.posterior(given)
    np.testing.assert_array_equal(tiny_model.encode(given, inference_steps=0), alone)
    assert sigma.shape == alone.shape
    with pytest.raises(UsageError, match="inference_steps"):
        tiny_model.encode(given, inference_steps=-1)


def test_a_larger_model_begins_as_the_smaller_one():
    def model(**sizes):
        settings = ModelSettings(**{**SIZES, **sizes})
        return SequenceVAE(settings, vocabulary_size=11, n_properties=2).double().eval()

    smaller, larger = model(encoder_hidden=4, head_hidden=3), model(encoder_hidden=7, head_hidden=8)
    take_over_network(larger, smaller, with_head=True)
    tokens, lengths = torch.randint(4, 11, (6, 9)), torch.tensor([9, 9, 8, 5, 2, 1])
    before, after = smaller.encoder(tokens, lengths), larger.encoder(tokens, lengths)
    torch.testing.assert_close((after.mu, after.logvar), (before.mu, before.logvar))
    z = before.mu
    torch.testing.assert_close(larger.predict(z).mean, smaller.predict(z).mean)
    torch.testing.assert_close(larger.decoder(tokens, z), smaller.decoder(tokens, z))
    larger.encoder(tokens, lengths).mu.sum().backward()
    new = larger.encoder.posterior.weight.grad.view(12, 2, 7)[:6, :, 4:]
    assert (new != 0).all()  # what is new can learn
