"""The fitting loop: schedule, averaged weights, saved states, stopping and resuming."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from molvae.errors import CheckpointError, DivergedError, StoppedEarly
from molvae.models.fitting import Fit, Recipe, adam

X = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
RECIPE = {"epochs": 4, "steps": 10, "learning_rate": 0.05, "gradient_clip": 1.0}


class InMemory:
    """Saves every seventh state; stops after a given step."""

    def __init__(self, stop=None):
        self.states, self.stop = {}, stop

    def newest(self):
        return self.states[max(self.states)] if self.states else None

    def after_step(self, step, state):
        stops = step == self.stop
        if stops or step % 7 == 0:
            self.save(step, state)
        if stops:
            raise StoppedEarly(f"after {step}")

    def save(self, step, state):
        self.states[step] = deepcopy(state())


def regression(states=None, spoil=None, optimizer=adam, **changes):
    """A linear regression with random batches, and its loss function."""
    torch.manual_seed(0)
    network, generator = nn.Linear(3, 1), torch.Generator().manual_seed(1)
    recipe = Recipe(**{**RECIPE, **changes})
    given = {} if states is None else {"states": states}
    fit = Fit(network, optimizer(network), recipe, task="line", generator=generator, **given)

    def loss(at):
        rows = torch.randint(len(X), (8,), generator=generator)
        value = (network(X[rows]) - Y[rows]).square().mean()
        at.facts["drawn"] = at.facts.get("drawn", 0) + len(rows)
        return value * torch.nan if at.step == spoil else value, {"square": value.item()}

    return fit, loss


def test_the_learning_rate_rises_to_its_peak_and_falls_to_its_floor():
    recipe = Recipe(epochs=10, steps=10, learning_rate=1e-2, gradient_clip=1.0, warmup=50, floor=0.01)
    rates = [recipe.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-3), "a warm-up is a tenth of the fit at most"
    assert max(rates) == rates[10] == pytest.approx(1e-2)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4)


@pytest.mark.parametrize("steps", [1, 4, 1000])
def test_fits_of_any_length_reach_most_of_the_peak(steps):
    recipe = Recipe(epochs=1, steps=steps, learning_rate=1.0, gradient_clip=1.0)
    assert max(recipe.rate(step) for step in range(steps)) > 0.9


@pytest.mark.parametrize("ema_decay", [None, 0.99])
def test_a_fit_stopped_anywhere_ends_as_one_never_stopped(ema_decay):
    fit, loss = regression(ema_decay=ema_decay)
    whole, measured = fit.run(loss, lambda at: at.sums["square"]).state_dict(), fit.at
    for stop in (7, 10, 23):
        states = InMemory(stop)
        fit, loss = regression(states, ema_decay=ema_decay)
        with pytest.raises(StoppedEarly):
            fit.run(loss, lambda at: at.sums["square"])
        states.stop = None
        fit, loss = regression(states, ema_decay=ema_decay)
        fit.resume()
        assert fit.at.step == stop
        ended = fit.run(loss, lambda at: at.sums["square"]).state_dict()
        assert all(torch.equal(whole[name], ended[name]) for name in whole)
        assert fit.at == measured


def test_what_is_kept_is_the_running_mean_and_the_network_trains_on():
    fit, loss = regression(ema_decay=0.9, epochs=1)
    seen = []

    def noted(at):
        seen.append(fit._network.weight.detach().clone())
        return loss(at)

    result = fit.run(noted)
    mean = seen[0]
    for n, weight in enumerate([*seen[1:], fit._network.weight.detach()]):
        mean = mean + (weight - mean) * (1.0 - min(0.9, (1 + n) / (10 + n)))
    torch.testing.assert_close(result.weight.detach(), mean)
    assert not torch.equal(result.weight, fit._network.weight)


def test_a_gradient_is_cut():
    def plain(network):
        return torch.optim.SGD(network.parameters())

    fit, loss = regression(epochs=1, steps=1, gradient_clip=1e-3, learning_rate=1.0, optimizer=plain)
    before = torch.cat([p.detach().flatten() for p in fit._network.parameters()])
    fit.run(loss)
    moved = torch.cat([p.detach().flatten() for p in fit._network.parameters()]) - before
    assert float(moved.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_best_epoch_is_kept_and_patience_ends_the_fit():
    fit, loss = regression(epochs=9, patience=2)
    kept, said = [], iter([3.0, 1.0, 1.0, 2.0, 0.0])
    fit.run(loss, lambda _: next(said), lambda at: kept.append(at.epoch))
    assert kept == [1, 2]
    assert (fit.at.epoch, fit.at.best, fit.at.best_epoch) == (4, 1.0, 2)


def test_what_is_not_finite_ends_a_fit_at_once_and_the_last_good_state_stays():
    states = InMemory()
    fit, loss = regression(states, spoil=16)
    with pytest.raises(DivergedError, match="the loss of step 17 is not a finite number"):
        fit.run(loss)
    good = states.newest()
    assert good.facts["progress"]["step"] == 14
    assert all(bool(tensor.isfinite().all()) for tensor in good.tensors["weights"].values())
    fit, loss = regression()
    with pytest.raises(DivergedError, match="validation loss of epoch 1"):
        fit.run(loss, lambda _: float("nan"))


def test_a_state_of_another_network_is_refused():
    states = InMemory()
    fit, loss = regression(states, epochs=1)
    fit.run(loss)
    other = Fit(nn.Linear(4, 1), adam(nn.Linear(4, 1)), Recipe(**RECIPE), task="line", states=states)
    with pytest.raises(CheckpointError, match="not one of this fit"):
        other.resume()
