"""Surrogates interpolate, know what they do not know, and agree with GPyTorch's own posterior."""

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import ScaleKernel

from molvae.errors import UnknownNameError
from molvae.optimization.config import SurrogateSettings
from molvae.optimization.kernels import MinMaxKernel
from molvae.optimization.surrogates.base import make_surrogate, training_rows
from molvae.optimization.surrogates.gaussian_process import exact_algebra

FIXED = SurrogateSettings(hyperparameters="fixed", outputscale=1.0, noise=1e-5)


def fingerprints(n, seed=0):
    return torch.poisson(torch.full((n, 80), 0.6), generator=torch.Generator().manual_seed(seed))


def latents(n, seed=0):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "draw"), [("fingerprint", fingerprints), ("latent", latents)])
class TestEverySurrogate:
    def test_interpolates_what_it_has_seen(self, name, draw):
        surrogate = make_surrogate(SurrogateSettings(name=name, outputscale=1.0, noise=1e-5))
        x = draw(30)
        y = 100.0 + 5.0 * x[:, :1].double() + x[:, 1:2].double()
        surrogate.fit(x, y)
        belief = surrogate.posterior(x)
        slack = 1e-2 if name == "fingerprint" else 2.0  # BoTorch's noise prior keeps some noise on z
        assert torch.allclose(belief.mean, y, atol=slack)
        assert (belief.variance < surrogate.posterior(draw(30, seed=9)).variance.min()).all()

    def test_joint_belief_has_the_marginal_one_on_its_diagonal(self, name, draw):
        surrogate = make_surrogate(SurrogateSettings(name=name))
        x = draw(20)
        surrogate.fit(x, torch.cat([x[:, :1], -x[:, 1:2]], dim=1).double())
        new = draw(7, seed=3)
        marginal, joint = surrogate.posterior(new), surrogate.posterior(new, joint=True)
        assert joint.covariance.shape == (2, 7, 7)
        assert torch.allclose(marginal.mean, joint.mean, atol=1e-8)
        assert torch.allclose(marginal.variance, joint.variance, atol=1e-8)

    def test_pending_candidates_keep_the_mean_and_take_the_doubt(self, name, draw):
        x, new = draw(20), draw(3, seed=5)
        y = x[:, :1].double()
        settings = SurrogateSettings(name=name, hyperparameters="fixed")
        alone, waiting = make_surrogate(settings), make_surrogate(settings)
        alone.fit(x, y)
        waiting.fit(x, y, pending=new)
        assert torch.allclose(alone.posterior(new).mean, waiting.posterior(new).mean, atol=1e-6)
        assert (waiting.posterior(new).variance < alone.posterior(new).variance).all()

    def test_missing_scores_are_left_out_of_their_column_only(self, name, draw):
        x = draw(12)
        y = torch.stack([x[:, 0], x[:, 1]], dim=1).double()
        y[:6, 1] = torch.nan
        surrogate = make_surrogate(SurrogateSettings(name=name))
        surrogate.fit(x, y)
        belief = surrogate.posterior(x)
        assert torch.isfinite(belief.mean).all()
        assert (belief.variance[:6, 1] > belief.variance[:6, 0] / 10).all()

    def test_a_column_without_scores_believes_the_prior(self, name, draw):
        x = draw(4)
        surrogate = make_surrogate(SurrogateSettings(name=name))
        surrogate.fit(x, torch.full((4, 1), torch.nan, dtype=torch.float64))
        belief = surrogate.posterior(x, joint=True)
        assert belief.mean.tolist() == [[0.0]] * 4
        assert torch.allclose(belief.variance, torch.ones(4, 1).double())

    @pytest.mark.parametrize("y", [[1.0, 1.0, 1.0], [0.0, 1e30, 1e30], [0.0, 1e-12, 2e-12], [5.0]])
    @pytest.mark.parametrize("hyperparameters", ["fixed", "map"])
    def test_hostile_targets_give_finite_beliefs(self, name, draw, y, hyperparameters):
        x = draw(len(y))
        surrogate = make_surrogate(SurrogateSettings(name=name, hyperparameters=hyperparameters))
        surrogate.fit(torch.cat([x, x]), torch.tensor(y + y).double()[:, None])
        belief = surrogate.posterior(draw(3, seed=2), joint=True)
        assert torch.isfinite(belief.mean).all()
        assert (belief.variance >= 0).all()

    def test_unfitted_surrogate_refuses(self, name, draw):
        with pytest.raises(ValueError, match="fit the surrogate"):
            make_surrogate(SurrogateSettings(name=name)).posterior(draw(1))


def test_posterior_equals_a_plain_gpytorch_model():
    x, new = fingerprints(25).double(), fingerprints(6, seed=1).double()
    y = (x[:, :1] - x[:, 2:3]).double()
    surrogate = make_surrogate(FIXED)
    surrogate.fit(x, y)
    process = surrogate._process
    scaler = process.scalers[0]
    with exact_algebra(), torch.no_grad():
        plain = SingleTaskGP(
            x, scaler.to_unit(y), covar_module=ScaleKernel(MinMaxKernel()), outcome_transform=None
        )
        plain.covar_module.outputscale = 1.0
        plain.likelihood.noise_covar.register_constraint(
            "raw_noise", type(plain.likelihood.noise_covar.raw_noise_constraint)(1e-7, transform=None)
        )
        plain.likelihood.noise = 1e-5
        plain.mean_module.constant.data.fill_(0.0)
        posterior = plain.eval().posterior(new)
    belief = surrogate.posterior(new)
    assert torch.allclose(belief.mean, scaler.from_unit(posterior.mean), atol=1e-6)
    assert torch.allclose(belief.variance, posterior.variance * scaler.scale**2, atol=1e-6)


def test_map_fit_finds_noise_where_there_is_noise():
    x = fingerprints(120)
    signal = x[:, :10].sum(1).double()
    noise = torch.randn(120, generator=torch.Generator().manual_seed(1)).double() * 4
    fitted = SurrogateSettings(hyperparameters="map", outputscale=1.0)
    clean, noisy = make_surrogate(fitted), make_surrogate(fitted)
    clean.fit(x, signal[:, None])
    noisy.fit(x, (signal + noise)[:, None])
    assert noisy._process.hyperparameters[0].noise > clean._process.hyperparameters[0].noise


def test_fits_are_reproducible():
    x, y = fingerprints(40), fingerprints(40)[:, :1].double()
    fitted = SurrogateSettings(hyperparameters="map")
    first, second = make_surrogate(fitted), make_surrogate(fitted)
    first.fit(x, y)
    second.fit(x, y)
    assert torch.equal(first.posterior(x).mean, second.posterior(x).mean)


def test_training_rows_keep_the_best_and_a_sample_of_the_rest():
    y = torch.tensor(np.random.default_rng(0).permutation(100.0 + np.arange(100)))
    y[3] = torch.nan
    rows = training_rows(y, 10, 20, torch.Generator().manual_seed(0))
    assert len(rows) == 30
    assert set(torch.topk(torch.nan_to_num(y, nan=-1.0), 10).indices.tolist()) <= set(rows.tolist())
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert training_rows(y, 200, 0, torch.Generator()).tolist() == list(range(100))


def test_unknown_surrogate_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'fingerprint'"):
        make_surrogate(SurrogateSettings(name="fingerprnt"))
