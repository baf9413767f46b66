"""Priors draw what they were fitted to, and survive being written as tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molvae.models.priors import PRIORS, GaussianMixture
from molvae.models.priors.base import StandardNormal


def _blobs(n=4000):
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((3, 3))
    left = generator.standard_normal((n, 3)) @ mixing.T + 6.0
    right = 0.3 * generator.standard_normal((n, 3)) - 6.0
    return np.concatenate([left, right]).astype(np.float32)


@pytest.mark.parametrize("k", [1, 2])
def test_a_mixture_has_the_moments_of_what_it_was_fitted_to(k):
    z = _blobs()
    drawn = GaussianMixture.fit(z, n_components=k, seed=0).sample(40_000, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(drawn.mean(0), z.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.numpy().T), np.cov(z.T), rtol=0.05, atol=0.3)
    between = float((drawn[:, 0].abs() < 1).float().mean())
    assert (between < 0.02) == (k == 2)  # one Gaussian fills the hole between the blobs, two do not


@pytest.mark.parametrize("name", ["normal", "mixture"])
def test_the_same_prior_comes_back_from_its_tensors(name):
    prior = StandardNormal(3) if name == "normal" else GaussianMixture.fit(_blobs(50), n_components=2)
    again = PRIORS.get(name).from_tensors(prior.tensors(), 3)
    drawn = prior.sample(7, torch.Generator().manual_seed(1))
    assert drawn.shape == (7, 3)
    assert torch.equal(drawn, again.sample(7, torch.Generator().manual_seed(1)))
    assert prior.sample(0, torch.Generator()).shape == (0, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": torch.tensor([0.5, 0.6])},
        {"means": torch.zeros(2, 4)},
        {"factors": torch.full((2, 3, 3), float("nan"))},
        {"more": torch.zeros(1)},
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(change):
    tensors = {**GaussianMixture.fit(_blobs(50), n_components=2).tensors(), **change}
    with pytest.raises(ValueError, match=r"mixture|shape"):
        GaussianMixture.from_tensors(tensors, 3)
