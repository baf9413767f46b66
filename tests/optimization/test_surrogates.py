"""Surrogates interpolate, have calibrated uncertainty, and agree with GPyTorch's posterior."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import Kernel, ScaleKernel

sys.path.insert(0, str(Path(__file__).parent))

from looks import by_definition, counts, gallery, joined, seen

from molvae.errors import UnknownNameError
from molvae.optimization import mixture
from molvae.optimization.config import MemberSettings, SurrogateSettings
from molvae.optimization.gaussian_process import (
    NOISE_PRIOR,
    WEIGHT_PRIOR,
    ExactProcess,
    Hyperparameters,
    MixtureFit,
)
from molvae.optimization.similarities import Gallery
from molvae.optimization.surrogates import SURROGATES, Portfolio, training_rows
from molvae.optimization.turbo import LatentSurrogate, exact_algebra

PLAIN, MIXED = SurrogateSettings().members[:2]
BOTH = pytest.mark.parametrize("settings", [PLAIN, MIXED], ids=["plain", "mixed"])


def look(n, seed=0):
    """All features of the default surrogates."""
    x = counts(n, seed=seed)
    numbers = np.stack([x[:, :10].sum(1), x[:, 10:20].sum(1)], axis=1).astype(np.float64)
    found = seen(x, counts(n, seed=seed + 100), numbers)
    views = ("morgan", "feature_morgan", "atom_pair")
    return type(found)(views, (*found.multisets, found.multisets[0]), numbers)


def scores(n, seed=0):
    x = counts(n, seed=seed)
    return torch.from_numpy(100.0 + 5.0 * x[:, :1] + x[:, 1:2]).double()


def fitted(settings, x, y, **more):
    surrogate = SURROGATES.get(settings.kind)(settings)
    observed = Gallery(x)
    surrogate.fit(observed, y, **more)
    return surrogate, observed


@BOTH
class TestEverySurrogate:
    def test_interpolates_what_it_has_seen(self, settings, monkeypatch):
        monkeypatch.setattr(mixture, "NOISE", 1e-5)
        surrogate, observed = fitted(settings, look(30), scores(30))
        belief = surrogate.posterior(observed.compare(look(30)))
        assert (belief.mean - scores(30)).std() < 0.4 * scores(30).std()
        unknown = surrogate.posterior(observed.compare(look(30, seed=9)))
        assert belief.variance.max() < unknown.variance.mean()

    def test_joint_belief_has_the_marginal_one_on_its_diagonal(self, settings):
        y = torch.cat([scores(20), -2.0 * scores(20, seed=4)], dim=1)
        surrogate, observed = fitted(settings, look(20), y)
        comparison = observed.compare(look(7, seed=3))
        marginal, joint = surrogate.posterior(comparison), surrogate.posterior(comparison, joint=True)
        assert joint.covariance.shape == (2, 7, 7)
        assert torch.allclose(marginal.mean, joint.mean, atol=1e-8)
        assert torch.allclose(marginal.variance, joint.variance, atol=1e-8)

    def test_pending_candidates_keep_the_mean_and_take_the_doubt(self, settings):
        alone, observed = fitted(settings, look(20), scores(20))
        whole = joined(look(20), look(3, seed=5))
        numbers = observed.numbers  # scaling by the same numbers, so that only the doubt differs
        waiting, everything = fitted(
            settings.model_copy(update={"numbers": False}), whole, scores(20), n_pending=3
        )
        reference, plain = fitted(settings.model_copy(update={"numbers": False}), look(20), scores(20))
        new = look(3, seed=5)
        before, after = reference.posterior(plain.compare(new)), waiting.posterior(everything.compare(new))
        assert torch.allclose(before.mean, after.mean, atol=1e-6)
        assert (after.variance < before.variance).all()
        assert len(numbers) == 20
        assert alone.posterior(observed.compare(new)).mean.shape == (3, 1)

    def test_missing_scores_are_left_out_of_their_column_only(self, settings):
        y = torch.cat([scores(12), scores(12)], dim=1)
        y[:6, 1] = torch.nan
        surrogate, observed = fitted(settings, look(12), y)
        belief = surrogate.posterior(observed.compare(look(12)))
        assert torch.isfinite(belief.mean).all()
        assert (belief.variance[:6, 1] > belief.variance[:6, 0] / 10).all()
        only, rest = fitted(settings, look(12), y[:, :1])
        assert torch.allclose(only.posterior(rest.compare(look(12))).mean, belief.mean[:, :1])

    def test_a_column_without_scores_believes_the_prior(self, settings):
        surrogate, observed = fitted(settings, look(4), torch.full((4, 1), torch.nan, dtype=torch.float64))
        belief = surrogate.posterior(observed.compare(look(4)), joint=True)
        assert belief.mean.tolist() == [[0.0]] * 4
        assert torch.allclose(belief.variance, torch.ones(4, 1).double())

    @pytest.mark.parametrize("y", [[1.0, 1.0, 1.0], [0.0, 1e30, 1e30], [0.0, 1e-12, 2e-12], [5.0]])
    def test_hostile_targets_give_finite_beliefs(self, settings, y):
        x = joined(look(len(y)), look(len(y)))
        surrogate, observed = fitted(settings, x, torch.tensor(y + y).double()[:, None])
        belief = surrogate.posterior(observed.compare(look(3, seed=2)), joint=True)
        assert torch.isfinite(belief.mean).all()
        assert (belief.variance >= 0).all()

    def test_fits_are_reproducible(self, settings):
        first, second = fitted(settings, look(40), scores(40)), fitted(settings, look(40), scores(40))
        beliefs = [s.posterior(o.compare(look(5, seed=1))) for s, o in (first, second)]
        assert torch.equal(beliefs[0].mean, beliefs[1].mean)
        assert torch.equal(beliefs[0].variance, beliefs[1].variance)

    def test_unfitted_surrogate_refuses(self, settings):
        with pytest.raises(ValueError, match="fit the surrogate"):
            SURROGATES.get(settings.kind)(settings).posterior(gallery(look(2)).compare(look(1)))


class MinMax(Kernel):
    """The definition, as a GPyTorch kernel."""

    has_lengthscale = False

    def forward(self, x1, x2, diag=False, **_):  # noqa: FBT002 - as GPyTorch calls it
        table = torch.from_numpy(by_definition(x1.numpy(), x2.numpy()))
        return table.diagonal() if diag else table


def test_posterior_equals_a_plain_gpytorch_model(monkeypatch):
    x, new, y = counts(25), counts(6, seed=1), scores(25)
    monkeypatch.setattr(mixture, "OUTPUTSCALE", 1.0)
    monkeypatch.setattr(mixture, "NOISE", 1e-5)
    settings = MemberSettings(name="x")
    surrogate, observed = fitted(settings, seen(x), y)
    mean, scale = y.mean(), y.std(correction=0)
    with exact_algebra(), torch.no_grad():
        plain = SingleTaskGP(
            torch.from_numpy(x).double(), (y - mean) / scale, covar_module=ScaleKernel(MinMax()),
            outcome_transform=None,
        )  # fmt: skip
        plain.covar_module.outputscale = 1.0
        noise = plain.likelihood.noise_covar
        noise.register_constraint("raw_noise", type(noise.raw_noise_constraint)(1e-7, transform=None))
        plain.likelihood.noise = 1e-5
        plain.mean_module.constant.data.fill_(0.0)
        posterior = plain.eval().posterior(torch.from_numpy(new).double())
    belief = surrogate.posterior(observed.compare(seen(new)))
    assert torch.allclose(belief.mean, posterior.mean * scale + mean, atol=1e-6)
    assert torch.allclose(belief.variance, posterior.variance * scale**2, atol=1e-5)


@pytest.mark.parametrize("p", [1, 7])
def test_a_grown_factor_equals_a_fresh_one(p):
    table = torch.from_numpy(by_definition(counts(40), counts(40)))
    y = scores(40)[:, 0]
    n = 40 - p
    old = ExactProcess.fit(table[:n, :n], y[:n], noise=1e-3, mean=0.3)
    grown, fresh = (
        old.extended(table[n:, :n], table[n:, n:], y[n:], 1e-3),
        ExactProcess.fit(table, y, noise=1e-3, mean=0.3),
    )
    assert torch.allclose(grown.factor, fresh.factor, atol=1e-10)
    assert torch.allclose(grown.residual, fresh.residual, atol=1e-7)


class TestFit:
    def tables(self, n):
        return [torch.from_numpy(by_definition(counts(n, seed=s), counts(n, seed=s))) for s in (0, 100)]

    def numbers(self, n):
        return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 3)))

    def test_its_gradient_is_that_of_its_loss(self):
        y = self.numbers(15)[:, 0]
        fit = MixtureFit(self.tables(15), self.numbers(15), y)
        at = np.random.default_rng(1).normal(scale=0.3, size=len(fit._center)) + fit._center.numpy()
        _, gradient = fit._objective(at)
        for j in range(len(at)):
            step = np.zeros_like(at)
            step[j] = 1e-5
            slope = (fit._objective(at + step)[0] - fit._objective(at - step)[0]) / 2e-5
            assert gradient[j] == pytest.approx(slope, rel=1e-4, abs=1e-6)

    def test_a_mean_of_four_has_a_quarter_of_the_noise(self):
        table, counts = torch.eye(2, dtype=torch.float64), torch.tensor([4.0, 1.0], dtype=torch.float64)
        fit = MixtureFit([table], None, torch.zeros(2, dtype=torch.float64), counts=counts)
        covariance = fit._covariance(torch.tensor([0.3, 0.8, 1.0], dtype=torch.float64).log())
        assert covariance.diagonal().tolist() == pytest.approx([0.3 + 0.2, 0.3 + 0.8], abs=1e-6)

    def test_without_scores_its_priors_decide(self):
        nothing = torch.zeros(0, 0, dtype=torch.float64)
        fit = MixtureFit([nothing], None, torch.zeros(0, dtype=torch.float64))
        found = fit.run(Hyperparameters((9.0,), 0.0, (), noise=2.0, mean=1.0))
        assert found.weights[0] == pytest.approx(WEIGHT_PRIOR[0], rel=1e-3)
        assert found.noise == pytest.approx(NOISE_PRIOR[0], rel=1e-3)
        assert found.mean == pytest.approx(0.0, abs=1e-3)

    def test_finds_the_number_that_matters(self):
        numbers = self.numbers(80)
        y = torch.sin(2.0 * numbers[:, 1])
        values = MixtureFit(self.tables(80), numbers, (y - y.mean()) / y.std()).run()
        assert values.numbers_weight > 3 * sum(values.weights)
        assert values.lengthscales[1] < min(values.lengthscales[0], values.lengthscales[2]) / 2

    def test_finds_noise_where_there_is_noise(self):
        signal = torch.from_numpy(counts(120)[:, :10].sum(1)).double()
        noise = torch.randn(120, generator=torch.Generator().manual_seed(1)).double() * 4
        clean, noisy = (
            MixtureFit(self.tables(120), None, (y - y.mean()) / y.std()).run()
            for y in (signal, signal + noise)
        )
        assert noisy.noise > clean.noise

    def test_is_kept_until_the_observations_have_grown(self):
        first, _ = fitted(MIXED, look(40), scores(40))
        kept = first.remembered()
        assert kept[0]["n"] == 40
        same, _ = fitted(MIXED, look(45), scores(45), remembered=kept)
        assert same.hyperparameters == first.hyperparameters
        new, _ = fitted(MIXED, look(60), scores(60), remembered=kept)
        assert new.remembered()[0]["n"] == 60
        assert new.hyperparameters != first.hyperparameters

    def test_is_renewed_as_the_ones_left_out_grow_too(self):
        first, _ = fitted(MIXED, look(40), scores(40))
        surrogate = SURROGATES.get(MIXED.kind)(MIXED)
        surrogate.fit(Gallery(look(40), n_left_out=30), scores(40), remembered=first.remembered())
        assert surrogate.remembered()[0]["n"] == 70


def test_a_portfolio_is_its_surrogates():
    observed, y = Gallery(look(30)), scores(30)
    portfolio = Portfolio(SurrogateSettings().members, observed, y)
    comparison = observed.compare(look(5, seed=1))
    for settings, belief in zip(SurrogateSettings().members, portfolio.beliefs(comparison)):
        alone, _ = fitted(settings, look(30), y)
        assert torch.equal(belief.mean, alone.posterior(comparison).mean)
    again = Portfolio(SurrogateSettings().members, observed, y, remembered=portfolio.remembered())
    assert again.remembered() == portfolio.remembered()


class TestLatent:
    def test_interpolates_and_has_a_length_scale_per_coordinate(self):
        z = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
        surrogate = LatentSurrogate(z, z[:, :1].double())
        assert torch.allclose(surrogate.posterior(z).mean, z[:, :1].double(), atol=0.5)
        scales = surrogate.lengthscales()
        assert scales.argmin() == 0

    @pytest.mark.parametrize("y", [[1.0, 1.0, 1.0], [0.0, 1e30, 1e30], [torch.nan] * 3, [5.0]])
    def test_hostile_targets_give_finite_beliefs(self, y):
        z = torch.randn(len(y), 3, generator=torch.Generator().manual_seed(0))
        belief = LatentSurrogate(z, torch.tensor(y).double()[:, None]).posterior(z)
        assert torch.isfinite(belief.mean).all()
        assert (belief.variance >= 0).all()


def test_training_rows_keep_the_best_and_a_sample_of_the_rest():
    y = torch.tensor(np.random.default_rng(0).permutation(100.0 + np.arange(100)))
    y[3] = torch.nan
    priority = torch.rand(100, generator=torch.Generator().manual_seed(0))
    rows = training_rows(y, 10, 20, priority)
    assert len(rows) == 30
    assert set(torch.topk(torch.nan_to_num(y, nan=-1.0), 10).indices.tolist()) <= set(rows.tolist())
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert training_rows(y, 200, 0, priority).tolist() == list(range(100))
    more = torch.cat([y, torch.tensor([0.0]).double()])
    later = training_rows(more, 10, 20, torch.cat([priority, torch.zeros(1)]))
    assert later.tolist() == rows.tolist()  # the sample does not change under the surrogates' feet


def test_unknown_surrogate_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'mixture'"):
        SURROGATES.get("mixtur")
