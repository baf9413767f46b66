"""Properties of acquisition functions, feasibility as a probability, and diverse batches."""

import math

import numpy as np
import pytest
import torch

from molvae.optimization.acquisition import (
    ACQUISITIONS,
    Bounds,
    LogImprovement,
    Problem,
    Slot,
    Standing,
    Thompson,
    UpperConfidence,
    constrained,
    log_feasibility,
    log_softplus,
    select_batch,
)
from molvae.optimization.config import AcquisitionSettings
from molvae.optimization.surrogates import Belief

NONE = Bounds(torch.empty(0).double(), torch.empty(0).double())


def belief(mean, variance):
    return Belief(torch.tensor(mean).double()[:, None], torch.tensor(variance).double()[:, None])


def joint(mean, covariance):
    covariance = torch.as_tensor(covariance).double()
    return Belief(
        torch.tensor(mean).double()[:, None], covariance.diagonal()[:, None].clone(), covariance[None]
    )


@pytest.mark.parametrize("function", [UpperConfidence(0.5), LogImprovement()])
class TestLaws:
    def test_higher_mean_is_better(self, function):
        values = function(belief([0.0, 0.5, 1.0, 3.0], [0.2] * 4), incumbent=1.0)
        assert (values.diff() > 0).all()

    def test_more_doubt_is_better_below_the_incumbent(self, function):
        values = function(belief([0.0] * 4, [0.01, 0.1, 1.0, 4.0]), incumbent=1.0)
        assert (values.diff() > 0).all()

    def test_stays_finite_far_below_the_incumbent(self, function):
        assert torch.isfinite(function(belief([-30.0, 0.0], [1e-4, 0.0]), incumbent=1.0)).all()


def test_ucb_is_mean_plus_weighted_deviation():
    values = UpperConfidence(0.25)(belief([1.0, 2.0], [4.0, 0.0]), incumbent=0.0)
    assert values.tolist() == pytest.approx([2.0, 2.0], abs=1e-4)


def test_log_improvement_equals_the_textbook_formula():
    mean, sigma, best = 0.3, 0.7, 0.9
    u = (mean - best) / sigma
    density, mass = math.exp(-u * u / 2) / math.sqrt(2 * math.pi), 0.5 * (1 + math.erf(u / math.sqrt(2)))
    value = LogImprovement()(belief([mean], [sigma**2]), incumbent=best).item()
    assert value == pytest.approx(math.log(sigma * (density + u * mass)), rel=1e-6)


def test_thompson_draws_have_the_believed_moments():
    believed = joint([1.0, -1.0], [[1.0, 0.9], [0.9, 1.0]])
    draws = torch.stack([Thompson(seed)(believed, 0.0) for seed in range(800)])
    assert draws.mean(0).tolist() == pytest.approx([1.0, -1.0], abs=0.12)
    assert np.corrcoef(draws.T.numpy())[0, 1] == pytest.approx(0.9, abs=0.05)
    marginal = torch.stack([Thompson(s)(belief([0.0, 0.0], [1.0, 1.0]), 0.0) for s in range(800)])
    assert abs(np.corrcoef(marginal.T.numpy())[0, 1]) < 0.1


def test_registry_draws_beta_log_uniformly():
    generator = torch.Generator().manual_seed(0)
    betas = [ACQUISITIONS.get("ucb")(AcquisitionSettings(), generator).beta for _ in range(300)]
    assert min(betas) >= 0.01
    assert max(betas) <= 1.0
    assert np.mean(np.log10(betas)) == pytest.approx(-1.0, abs=0.1)
    assert ACQUISITIONS.names() == ["logei", "thompson", "ucb"]


def test_feasibility_is_a_probability():
    lower, upper = torch.tensor([-torch.inf, 1.0, 0.0]).double(), torch.tensor([0.0, torch.inf, 2.0]).double()
    believed = Belief(torch.tensor([[0.0, 1.0, 1.0]]).double(), torch.ones(1, 3).double())
    expected = 0.5 * 0.5 * math.erf(1 / math.sqrt(2))
    assert log_feasibility(believed, Bounds(lower, upper)).exp().item() == pytest.approx(expected)
    assert log_feasibility(Belief(torch.zeros(4, 0), torch.zeros(4, 0)), NONE).tolist() == [0.0] * 4


def test_bounds_have_directions():
    infinite = torch.tensor([torch.inf]).double()
    believed, bound = belief([3.0, -1.0], [1.0, 1.0]), torch.tensor([1.0]).double()
    above = log_feasibility(believed, Bounds(bound, infinite)).exp()
    below = log_feasibility(believed, Bounds(-infinite, bound)).exp()
    assert above.tolist() == pytest.approx([0.97725, 0.02275], abs=1e-5)
    assert (above + below).tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("function", [UpperConfidence(0.5), LogImprovement()])
def test_constraints_only_ever_lower_the_worth(function):
    goal, standing = belief([0.0, 0.0, 2.0], [1.0, 1.0, 1.0]), Standing(0.5, 1.0)
    bounds = Bounds(torch.tensor([-torch.inf]).double(), torch.tensor([1.0]).double())
    doubtful = constrained(function, goal, standing, belief([0.0, 5.0, 0.0], [1.0, 1.0, 1.0]), bounds)
    certain = constrained(function, goal, standing, belief([-50.0] * 3, [1e-6] * 3), bounds)
    assert (doubtful <= certain).all()
    assert doubtful[1] < doubtful[0] < doubtful[2]
    nothing_yet = constrained(function, goal, Standing(None, 1.0), belief([0.0, 5.0, 0.0], [1.0] * 3), bounds)
    assert nothing_yet[0] == nothing_yet[2] > nothing_yet[1]


def test_log_softplus_is_smooth_and_keeps_order():
    x = torch.linspace(-60, 60, 4001).double()
    assert (log_softplus(x).diff() > 0).all()
    assert log_softplus(torch.tensor([0.0]).double()).exp().item() == pytest.approx(math.log(2.0))


def test_kriging_believer_removes_doubt_where_it_believes():
    covariance = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    after = joint([0.0, 0.0, 0.0], covariance).believing(0)
    assert after.variance[:, 0].tolist() == pytest.approx([0.0, 1 - 0.81, 1.0], abs=1e-5)
    assert torch.equal(after.mean, torch.zeros(3, 1).double())
    with pytest.raises(ValueError, match="marginal"):
        belief([0.0], [1.0]).believing(0)


class TestBatches:
    problem = Problem(1, (Standing(0.0, 1.0),), NONE)

    def pick(self, means, similarity, slots=3, taken=None, cap=0.9):
        n = len(means)
        taken = torch.zeros(n).double() if taken is None else torch.tensor(taken).double()
        chosen = [Slot(0, UpperConfidence(1e-4))] * slots
        return select_batch(
            self.problem, chosen, [joint(means, torch.eye(n))], torch.tensor(similarity).double(), taken, cap
        )

    def test_takes_the_best_first(self):
        assert self.pick([1.0, 3.0, 2.0, 0.0], np.eye(4)) == [1, 2, 0]

    def test_leaves_out_what_is_too_similar(self):
        similarity = np.eye(4)
        similarity[1, 2] = similarity[2, 1] = 0.95
        assert self.pick([1.0, 3.0, 2.0, 0.0], similarity) == [1, 0, 3]

    def test_respects_pending_candidates(self):
        assert self.pick([1.0, 3.0, 2.0, 0.0], np.eye(4), taken=[0, 0.99, 0, 0]) == [2, 0, 3]

    def test_lifts_the_cap_when_nothing_else_is_left(self):
        assert sorted(self.pick([1.0, 3.0, 2.0], np.ones((3, 3)))) == [0, 1, 2]

    def test_a_small_pool_is_taken_whole(self):
        assert self.pick([1.0, 2.0], np.eye(2), slots=5) == [1, 0]

    def test_doubt_moves_the_second_choice_elsewhere(self):
        believed = joint([0.0, 0.0, -0.05], [[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
        slots = [Slot(0, UpperConfidence(1.0))] * 2
        assert select_batch(self.problem, slots, [believed], torch.eye(3), torch.zeros(3), 0.9) == [0, 2]

    def test_what_was_chosen_raises_the_bar_for_the_next(self):
        believed = joint([3.0, 0.0], torch.eye(2))
        assert self.problem.after(believed, 0).standings[0].incumbent == 3.0
        assert self.problem.after(believed, 1).standings[0].incumbent == 0.0
        slots = [Slot(0, LogImprovement())] * 2  # the certain one betters the old incumbent, not the new one
        covariance = torch.diag(torch.tensor([0.01, 0.01, 4.0]))
        wild = joint([3.0, 1.0, -1.0], covariance)
        assert select_batch(self.problem, slots, [wild], torch.eye(3), torch.zeros(3), 0.9) == [0, 2]

    def test_slots_may_have_different_goals(self):
        problem = Problem(2, (Standing(0.0, 1.0),) * 2, NONE)
        mean = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).double()
        believed = Belief(mean, torch.ones(3, 2).double(), torch.eye(3).double().expand(2, 3, 3))
        slots = [Slot(0, UpperConfidence(0.01)), Slot(1, UpperConfidence(0.01))]
        assert select_batch(problem, slots, [believed], torch.eye(3), torch.zeros(3), 0.9) == [0, 1]
