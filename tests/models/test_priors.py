"""Priors reproduce their training distribution, are invertible, and can be saved as tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from molvae.models.config import FitSettings
from molvae.models.fitting import FitContext, Standing
from molvae.models.network import Posterior
from molvae.models.priors.base import PRIORS, StandardNormal
from molvae.models.priors.flow import FlowPrior
from molvae.models.priors.flow_fitting import (
    FIRST_ANGLE,
    Standardization,
    VelocityField,
    matching_loss,
    standardization,
)
from molvae.models.priors.gan import _Game, _perceptron

SETTINGS = FitSettings.model_validate({"flow": {"steps": 600}, "gan": {"steps": 800}})
BRIEF = FitSettings.model_validate({"flow": {"steps": 5}, "gan": {"steps": 5}})
pytestmark = pytest.mark.usefixtures("small_priors")
SIZE = 4
FITTED = ["flow", "gan"]
NAMES = [*FITTED, "normal"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def exact(points):
    """Posteriors without variance, so that the points are fitted."""
    return Posterior(points, torch.full_like(points, -math.inf))


def moons(n, seed):
    """Two interleaved half circles in a plane in four dimensions, with correlated noise."""
    own = generator(seed)
    turn = math.pi * torch.rand(n, 1, generator=own)
    upper = torch.rand(n, 1, generator=own) < 0.5
    plane = torch.cat(
        [torch.where(upper, turn.cos(), 1 - turn.cos()), torch.where(upper, turn.sin(), 0.5 - turn.sin())], 1
    )
    mixing, spread = (torch.randn(k, SIZE, generator=generator(k)) for k in (2, SIZE))
    return 3.0 * plane @ mixing + 0.1 * torch.randn(n, SIZE, generator=own) @ spread


def energy_distance(a, b):
    """2 E|a - b| - E|a - a'| - E|b - b'|: 0 if and only if both come from one distribution."""
    n = len(a)
    within = sum(torch.cdist(x, x).sum().item() / (n * (n - 1)) for x in (a, b))
    return 2 * torch.cdist(a, b).mean().item() - within


@pytest.fixture(scope="module")
def fitted(small_priors):
    del small_priors
    posterior = exact(moons(4000, seed=1))
    made = {name: PRIORS.get(name).fit(posterior, SETTINGS, FitContext(generator())) for name in FITTED}
    return {**made, "normal": StandardNormal(SIZE)}


def test_the_flow_is_at_most_half_as_far_from_two_moons_as_a_gaussian(fitted):
    held_out = moons(2000, seed=2)
    distance = {
        name: energy_distance(prior.sample(2000, generator(3)), held_out) for name, prior in fitted.items()
    }
    floor = abs(energy_distance(moons(2000, seed=4), held_out))
    points = moons(4000, seed=1)
    gaussian = torch.distributions.MultivariateNormal(points.mean(0), torch.cov(points.t()))
    torch.manual_seed(0)
    distance["gaussian"] = energy_distance(gaussian.sample((2000,)), held_out)
    assert distance["flow"] < 0.5 * distance["gaussian"], (distance, floor)
    assert distance["gan"] < 0.5 * distance["normal"], (distance, floor)  # after so few steps


@pytest.mark.parametrize("name", FITTED)
def test_a_sample_is_the_normal_seen_through_a_map(fitted, name):
    noise = torch.randn(2000, SIZE, generator=generator(5))
    assert torch.equal(fitted[name].from_normal(noise), fitted[name].sample(2000, generator(5)))


def test_a_flow_evaluates_its_field_at_trained_times_only(fitted, monkeypatch):
    """Near angle 0 the field of a large network is arbitrary, and can send points to infinity."""
    asked = []
    trained = VelocityField.correction

    def correction(field, points, angles):
        asked.append(float(angles.min()))
        return trained(field, points, angles)

    monkeypatch.setattr(VelocityField, "correction", correction)
    noise = torch.randn(50, SIZE, generator=generator(7))
    fitted["flow"].from_normal(noise)
    assert min(asked) >= FIRST_ANGLE - 1e-6
    assert len(asked) == 4 * fitted["flow"].n_steps


def test_a_cooler_flow_carries_less_noise(fitted):
    warm = fitted["flow"]
    cool = FlowPrior(warm.units, warm.velocity, warm.n_steps, temperature=0.5)
    noise = torch.randn(500, SIZE, generator=generator(8))
    assert torch.equal(cool.from_normal(noise), warm.from_normal(0.5 * noise))
    again = FlowPrior.from_tensors(cool.tensors(), SIZE)
    assert torch.equal(again.sample(20, generator(9)), cool.sample(20, generator(9)))


def test_units_have_the_moments_of_the_mixture_of_posteriors():
    mu = moons(3000, seed=1)
    logvar = torch.linspace(-1.0, 1.0, SIZE).expand(3000, SIZE)
    units, variances = standardization(Posterior(mu, logvar))
    restored = torch.diag(units.scale) @ units.axes * variances.sqrt()
    expected = torch.cov(mu.t(), correction=0) + logvar[0].exp().diag()
    torch.testing.assert_close(restored @ restored.t(), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(units.mean, mu.mean(0), rtol=0.0, atol=1e-4)


def test_a_latent_gan_reports_the_critic_and_trains_both_networks_apart(fitted):
    assert list(fitted["gan"].critic) == list(range(0, 800, 8))
    points = moons(200, seed=1)
    units, _ = standardization(exact(points))
    pair = torch.nn.ModuleDict({"generator": _perceptron(SIZE, 5, SIZE), "critic": _perceptron(SIZE, 5, 1)})
    game = _Game(pair, exact(points), units, BRIEF.gan.steps, generator())
    moved = []
    for step in (3, 4):  # the critic alone; both
        game.random.manual_seed(0)
        pair.zero_grad()
        game.loss(Standing(step=step))[0].backward()
        moved.append(
            [
                {name: p.grad for name, p in part.named_parameters()}
                for part in (pair["generator"], pair["critic"])
            ]
        )
    assert all(gradient is None for gradient in moved[0][0].values())
    assert all(gradient is not None for gradient in moved[1][0].values())
    assert all(torch.equal(moved[0][1][name], moved[1][1][name]) for name in moved[0][1])


def test_a_gaussian_is_exact_and_needs_no_network():
    variance = torch.tensor([0.05, 0.3, 1.0, 4.0])
    field = VelocityField(variance, width=8, hidden=8, n_blocks=1, n_harmonics=2)
    field.initialize(generator())
    axes = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=generator()))[0]
    alone = Posterior(torch.zeros(64, SIZE), variance.log().expand(64, SIZE))
    assert matching_loss(field, torch.eye(SIZE), alone, generator()).item() < 1e-10
    assert matching_loss(field, axes, alone, generator()).item() > 0.1
    noise = torch.randn(9, SIZE, generator=generator())
    prior = FlowPrior(Standardization(torch.ones(SIZE), torch.full((SIZE,), 2.0), axes), field, n_steps=1)
    torch.testing.assert_close(prior.from_normal(noise), 1 + 2 * (noise * variance.sqrt()) @ axes.t())


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_is_a_function_of_the_generator_alone(name):
    kind, posterior = PRIORS.get(name), exact(moons(400, seed=1))
    global_state = torch.get_rng_state()
    first, again = (kind.fit(posterior, BRIEF, FitContext(generator(9))).tensors() for _ in range(2))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert torch.equal(torch.get_rng_state(), global_state)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_prior_comes_back_from_its_tensors(fitted, name):
    prior = fitted[name]
    again = PRIORS.get(name).from_tensors(
        {k: v.clone(memory_format=torch.contiguous_format) for k, v in prior.tensors().items()}, SIZE
    )
    drawn = prior.sample(7, generator(1))
    assert drawn.shape == (7, SIZE)
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, again.sample(7, generator(1)))
    assert prior.sample(0, generator()).shape == (0, SIZE)
    assert np.isfinite(prior.sample(1, generator(2)).numpy()).all()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_tensors_are_refused(fitted, name):
    kind, tensors = PRIORS.get(name), fitted[name].tensors()
    with pytest.raises(ValueError, match="more"):
        kind.from_tensors({**tensors, "more": torch.zeros(1)}, SIZE)
    for key, tensor in tensors.items():
        damages = {
            "NaN": torch.full_like(tensor, float("nan")),
            "shape": tensor.new_zeros(*tensor.shape, 2),
            "scalar": tensor.new_zeros(()),
            "integers": tensor.int(),
        }
        for damaged in damages.values():
            with pytest.raises(ValueError, match=r"shape|finite|matrix|missing"):
                kind.from_tensors({**tensors, key: damaged}, SIZE)
        with pytest.raises(ValueError, match=r"missing|not expected"):
            kind.from_tensors({k: v for k, v in tensors.items() if k != key}, SIZE)
    if tensors:
        with pytest.raises(ValueError, match="shape"):
            kind.from_tensors(tensors, SIZE + 1)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("flow", "scale", torch.zeros(SIZE)),
        ("flow", "velocity.variances", -torch.ones(SIZE)),
        ("flow", "steps", torch.tensor([2.5])),
        ("flow", "steps", torch.tensor([1e9])),
        ("flow", "temperature", torch.zeros(1)),
    ],
)
def test_numbers_that_make_no_prior_are_refused(fitted, name, key, value):
    with pytest.raises(ValueError, match=r"positive|steps"):
        PRIORS.get(name).from_tensors({**fitted[name].tensors(), key: value}, SIZE)
