"""Noise levels: 0 is z itself, 1 is independent of z, and N(0, I) stays N(0, I) in between."""

from __future__ import annotations

import pytest
import torch

from molvae.models.config import EOS, PAD, ModelSettings
from molvae.models.generation import generate
from molvae.models.growth import take_over_network
from molvae.models.inference import negative_log_likelihood
from molvae.models.noise import blurred, draw_levels
from molvae.models.vae import SequenceVAE

SMALL = {"latent_size": 6, "embedding_size": 5, "encoder_hidden": 7, "decoder_hidden": 9, "head_hidden": 4}
TOKENS = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD], [10, 4, 4, EOS, PAD]])
LENGTHS = torch.tensor([5, 3, 4])


def _model(**changes):
    torch.manual_seed(0)
    settings = ModelSettings(**{**SMALL, "noise_levels": True, **changes})
    return SequenceVAE(settings, vocabulary_size=11, n_properties=2).double()


def _z(seed=0, n=3):
    return torch.randn(n, 6, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def _nll(model, z, level):
    return negative_log_likelihood(model, TOKENS, LENGTHS, z, torch.full((len(z),), level, dtype=z.dtype))


def _written(model, z, noise=None, **how):
    return generate(model.decoder, model.decoder_input(z, noise=noise), max_length=9, **how).tokens


@pytest.mark.parametrize("conditional", [False, True])
def test_a_decoder_without_levels_is_level_0_of_the_one_that_begins_with_it(conditional):
    before, after = _model(noise_levels=False, conditional=conditional), _model(conditional=conditional)
    take_over_network(after, before, with_head=True)
    torch.testing.assert_close(
        _nll(after, _z(), 0.0), negative_log_likelihood(before, TOKENS, LENGTHS, _z()), rtol=1e-12, atol=1e-12
    )
    written = [_written(model.eval(), _z(n=40)) for model in (before, after)]
    assert torch.equal(*written)


def test_at_level_1_nothing_depends_on_z_and_below_it_everything_does():
    model = _model().eval()
    assert torch.equal(_nll(model, _z(1), 1.0), _nll(model, 100 * _z(2), 1.0))
    assert not torch.allclose(_nll(model, _z(1), 0.99), _nll(model, _z(2), 0.99), atol=1e-9)
    level = torch.ones(40, dtype=torch.double)
    drawn = [
        _written(model, z, level, temperature=1.0, generator=torch.Generator().manual_seed(3))
        for z in (_z(1, 40), _z(2, 40))
    ]
    assert torch.equal(*drawn)
    assert len(drawn[0].unique(dim=0)) > 20


def test_the_decoder_hears_of_the_level_and_learns_from_it():
    model = _model()
    level = torch.tensor([0.0, 0.4, 0.9], dtype=torch.double, requires_grad=True)
    given = model.decoder.conditions[0].weight, level
    slopes = torch.autograd.grad(
        model.decoder(TOKENS, model.decoder_input(_z(), noise=level)).square().sum(), given
    )
    assert all(slope.abs().max() > 0 for slope in (slopes[0][:, -2:], slopes[1][1:]))


def test_blurred_vectors_stay_normal_and_lie_where_they_should():
    z = _z(n=20_000)
    for level in (0.0, 0.3, 0.8, 1.0):
        made = blurred(z, torch.full((len(z),), level).double(), torch.Generator().manual_seed(1))
        assert abs(float(made.var()) - 1.0) < 0.02
        share = float((made * z).mean() / z.square().mean())
        assert abs(share - (1.0 - level**2) ** 0.5) < 0.02
    assert torch.equal(blurred(z, torch.zeros(len(z)).double()), z)


def test_the_levels_that_teach_have_the_shares_asked_for():
    levels = draw_levels(1000, 0.5, 0.4, torch.Generator().manual_seed(0))
    assert int((levels == 0.0).sum()) in range(499, 502)
    assert int((levels == 1.0).sum()) in range(199, 202)
    between = levels[(levels > 0.0) & (levels < 1.0)]
    assert abs(float(between.mean()) - 0.5) < 0.01
    assert not torch.equal(levels, draw_levels(1000, 0.5, 0.4, torch.Generator().manual_seed(1)))
    assert not draw_levels(9, 1.0, 0.5).any()
    assert draw_levels(9, 0.0, 1.0).all()


def test_the_elbo_is_that_of_level_0():
    model, batch = _model(), {"tokens": TOKENS, "lengths": LENGTHS}
    given = {
        **batch,
        "properties": torch.zeros(3, 2).double(),
        "observed": torch.zeros(3, 2, dtype=torch.bool),
    }
    taught = model.train()(**given, generator=torch.Generator().manual_seed(5))
    chosen = taught.noise == 0.0
    assert 0 < int(chosen.sum()) < 3
    torch.testing.assert_close(taught.reconstruction_at(0.0), taught.reconstruction[chosen].mean())
    measured = model.eval()(**given, generator=torch.Generator().manual_seed(5))
    assert not measured.noise.any()
    z = measured.posterior.rsample(torch.Generator().manual_seed(5))
    torch.testing.assert_close(measured.reconstruction, _nll(model, z, 0.0))
