"""The trust region grows, shrinks and restarts as in TuRBO-1, and its candidates stay inside."""

from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from molvae.optimization.surrogates import ScoreScaler
from molvae.optimization.turbo import LONGEST, SHORTEST, SUCCESS_TOLERANCE, TrustRegion, from_cube, to_cube


def region(**changes):
    return replace(TrustRegion.new(dimension=8, q=4), **changes)


def after(start, outcomes):
    for outcome in outcomes:
        start = start.after(outcome)
    return start


def test_starts_as_the_paper_says():
    fresh = region()
    assert (fresh.length, fresh.failure_tolerance) == (0.8, 2)
    assert TrustRegion.new(dimension=2, q=3).failure_tolerance == 2


def test_three_successes_in_a_row_double_it_up_to_the_longest():
    assert after(region(), [True] * 2).length == 0.8
    assert after(region(), [True] * 3).length == 1.6
    assert after(region(), [True] * 30).length == 1.6
    assert after(region(), [True, True, False, True, True]).length == 0.8


def test_failures_in_a_row_halve_it():
    assert after(region(), [False] * 2).length == 0.4
    assert after(region(), [False, True, False]).length == 0.8


def test_restarts_when_it_vanishes():
    shrunk = after(region(), [False] * 2 * 6)
    assert shrunk.length == pytest.approx(0.0125)
    reborn = after(shrunk, [False] * 2)
    assert (reborn.length, reborn.n_restarts, reborn.n_failures) == (0.8, 1, 0)


def test_is_immutable():
    fresh = region()
    fresh.after(True)
    assert fresh == region()
    with pytest.raises(AttributeError):
        fresh.length = 1.0


@given(st.lists(st.booleans(), max_size=200))
def test_length_stays_within_its_bounds(outcomes):
    last = after(region(), outcomes)
    assert SHORTEST <= last.length <= LONGEST
    assert last.n_successes < SUCCESS_TOLERANCE
    assert last.n_failures < last.failure_tolerance


def test_box_follows_the_length_scales():
    lower, upper = region(length=0.2).box(torch.full((2,), 0.5).double(), torch.tensor([4.0, 1.0]).double())
    assert (upper - lower).tolist() == pytest.approx([0.4, 0.1])
    clipped, _ = region().box(torch.zeros(2).double(), torch.ones(2).double())
    assert clipped.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("d", [3, 60])
def test_candidates_stay_in_the_box_and_perturb_few_coordinates(d):
    center, scales = torch.full((d,), 0.4).double(), torch.ones(d).double()
    found = region(length=0.3).candidates(center, scales, 400, seed=1)
    lower, upper = region(length=0.3).box(center, scales)
    assert ((found >= lower) & (found <= upper)).all()
    moved = (found != center).double().sum(1)
    assert moved.min() >= 1
    assert moved.mean().item() == pytest.approx(min(d, 20), rel=0.1)
    assert torch.equal(found, region(length=0.3).candidates(center, scales, 400, seed=1))
    assert not torch.equal(found, region(length=0.3).candidates(center, scales, 400, seed=2))


def test_a_region_of_an_earlier_version_is_read():
    kept = {**asdict(region(length=0.4, n_failures=1)), "start": 0.8, "shortest": 2.0**-7, "longest": 1.6}
    assert TrustRegion.from_json(kept) == region(length=0.4, n_failures=1)


def test_cube_and_back():
    z = torch.tensor([[-4.0, 0.0, 1.0, 4.9]]).double()
    assert torch.allclose(from_cube(to_cube(z)), z, atol=1e-6)
    assert torch.isfinite(from_cube(torch.tensor([[0.0, 1.0]]))).all()


def test_score_scaler_round_trip_and_constants():
    y = torch.tensor([1.0, torch.nan, 5.0, 3.0]).double()
    scaler = ScoreScaler.fit(y)
    assert torch.allclose(scaler.from_unit(scaler.to_unit(y)), y, equal_nan=True)
    assert ScoreScaler.fit(torch.tensor([2.0, 2.0])).scale == 2.0, "whatever the unit"
    assert ScoreScaler.fit(torch.tensor([torch.nan])) == ScoreScaler(0.0, 1.0)
