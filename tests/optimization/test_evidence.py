"""Censored values, and noise estimated from replicates."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))

from looks import counts, seen

from molvae.optimization.config import SurrogateSettings
from molvae.optimization.gaussian_process import sites
from molvae.optimization.similarities import Gallery
from molvae.optimization.surrogates import SURROGATES, Belief, Evidence, ScoreScaler

PLAIN, MIXED = SurrogateSettings().members[:2]


def look(n):
    """All features of the default surrogates."""
    x = counts(n, seed=0)
    numbers = np.stack([x[:, :10].sum(1), x[:, 10:20].sum(1)], axis=1).astype(np.float64)
    found = seen(x, counts(n, seed=100), numbers)
    views = ("morgan", "feature_morgan", "atom_pair")
    return type(found)(views, (*found.multisets, found.multisets[0]), numbers)


def scores(n):
    x = counts(n, seed=0)
    return torch.from_numpy(100.0 + 5.0 * x[:, :1] + x[:, 1:2]).double()


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("power", [-30, 30])
def test_units_do_not_matter(power):
    y = torch.from_numpy(np.array([*np.linspace(-10.0, 0.0, 50), -357.8]))
    scaled = y * 2.0**power
    assert torch.equal(ScoreScaler.fit(scaled).to_unit(scaled), ScoreScaler.fit(y).to_unit(y))
    belief = Belief(y[:3, None], torch.ones(3, 1).double(), torch.eye(3).double()[None] + 0.5)
    small, large = belief.scaled(2.0**-power).believing(0), belief.believing(0)
    assert torch.allclose(small.variance, large.variance * 4.0**power, rtol=1e-9, atol=0.0)


class TestBounds:
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("bound", [-1.0, 0.3, 2.5])
    def test_one_bound_leaves_the_moments_of_the_product(self, sign, bound):
        f = np.linspace(-9, 9, 200_001)
        weight = norm.pdf(f, 0.3, 0.8**0.5) * norm.cdf(sign * (f - bound) / 0.1**0.5)
        weight /= weight.sum()
        mean = (f * weight).sum()
        variance = ((f - mean) ** 2 * weight).sum()
        value, noise = sites(tensor(0.3), tensor(0.8)[None], tensor(bound), tensor(sign), 0.1)
        precision = 1 / 0.8 + 1 / float(noise)
        assert 1 / precision == pytest.approx(variance, rel=1e-4)
        assert (0.3 / 0.8 + float(value / noise)) / precision == pytest.approx(mean, abs=1e-4)

    @pytest.mark.parametrize("settings", [PLAIN, MIXED], ids=["plain", "mixed"])
    def test_a_surrogate_heeds_what_bounds_say(self, settings):
        """The best third are censored: predictions of similar molecules become more accurate."""
        x, y = look(60), scores(60)
        high = y[:, 0] > torch.quantile(y[:, 0], 0.67)
        known = torch.where(high[:, None], torch.nan, y)
        nothing, bound = torch.full_like(y, torch.nan), torch.full_like(y, float(y[~high].max()))
        evidence = Evidence(
            torch.where(high[:, None], bound, nothing), nothing, torch.ones_like(y), tensor(math.nan)
        )
        beliefs = []
        for more in ({}, {"evidence": evidence}):
            surrogate, gallery = SURROGATES.get(settings.kind)(settings), Gallery(x)
            surrogate.fit(gallery, known, **more)
            beliefs.append(surrogate.posterior(gallery.compare(x)).mean[high, 0])
        without, with_bounds = beliefs
        assert (with_bounds - y[high, 0]).abs().mean() < 0.8 * (without - y[high, 0]).abs().mean()
        assert (with_bounds > float(y[~high].max()) - y.std()).double().mean() > 0.9


def test_a_mean_of_many_measurements_is_believed_more():
    x, y = look(20), scores(20)
    nothing = torch.full_like(y, torch.nan)
    counts = torch.ones_like(y)
    counts[0] = 20.0
    surrogate, gallery = SURROGATES.get(PLAIN.kind)(PLAIN), Gallery(x)
    surrogate.fit(gallery, y, evidence=Evidence(nothing, nothing, counts, tensor(float(y.var()))))
    belief = surrogate.posterior(gallery.compare(x))
    assert float(belief.variance[0, 0]) < 0.3 * float(belief.variance[1:, 0].min())
    assert surrogate.hyperparameters[0].noise == pytest.approx(1.0, rel=0.1), "as replicates tell it"
