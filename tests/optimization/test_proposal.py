"""Moves in latent space: distribution, endpoints, and records of parents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.optimization import proposal
from molvae.optimization.cma_es import Evolution
from molvae.optimization.proposal import Elites, Slope, pcn, propose, rank_weights, slerp

MOVES = {"pcn": 100, "noise": 60, "slerp": 70, "ascent": 40, "prior": 30}


def normal(n, d=32, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("step", [0.05, 0.4, 1.0])
def test_pcn_leaves_the_standard_normal_invariant(step):
    z = normal(8000)
    moved = pcn(z, step, np.random.default_rng(1))
    assert moved.dtype == np.float32
    assert moved.mean() == pytest.approx(0.0, abs=0.01)
    assert moved.var() == pytest.approx(1.0, abs=0.01)
    norms = np.linalg.norm(moved, axis=1)
    assert norms.mean() == pytest.approx(np.sqrt(31.5), rel=0.005)
    assert norms.std() == pytest.approx(np.linalg.norm(z, axis=1).std(), rel=0.05)
    assert (moved * z).mean() == pytest.approx(np.sqrt(1 - step**2), abs=0.01)


def test_pcn_steps_may_differ_by_point_and_zero_stays():
    z = normal(2)
    moved = pcn(z, np.array([0.0, 0.9]), np.random.default_rng(0))
    assert np.array_equal(moved[0], z[0])
    assert not np.allclose(moved[1], z[1])


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 50))
def test_slerp_keeps_norms_between_its_ends(share, seed):
    a, b = normal(1, seed=seed), 2 * normal(1, seed=seed + 100)
    low, high = sorted([np.linalg.norm(a), np.linalg.norm(b)])
    assert low - 1e-3 <= np.linalg.norm(slerp(a, b, share)) <= high + 1e-3


def test_slerp_starts_ends_and_reverses():
    a, b = normal(5), normal(5, seed=1)
    assert np.allclose(slerp(a, b, 0.0), a, atol=1e-5)
    assert np.allclose(slerp(a, b, 1.0), b, atol=1e-5)
    assert np.allclose(slerp(a, b, 0.3), slerp(b, a, 0.7), atol=1e-5)


def test_slerp_of_parallel_opposite_and_zero_vectors_is_finite():
    a = normal(1)
    for b in (a, 2 * a, -a, 0 * a):
        assert np.isfinite(slerp(a, b, 0.5)).all()
    assert np.allclose(slerp(a, 3 * a, 0.5), 2 * a, atol=1e-4)


def test_slerp_between_prior_draws_keeps_the_prior_norm():
    middle = slerp(normal(2000, 64), normal(2000, 64, seed=1), 0.5)
    assert np.linalg.norm(middle, axis=1).mean() == pytest.approx(np.sqrt(63.5), rel=0.01)


def proposed(elites, counts, *, widening=1.0, fitness=None, deviation=0.1, seed=0):
    worth = np.arange(float(len(elites))) if fitness is None else fitness
    return propose(
        Elites(elites, worth, np.full_like(elites, deviation), Slope.fit(elites, worth)),
        counts,
        np.random.default_rng(seed),
        normal(sum(counts.values()), seed=2),
        widening=widening,
    )


def test_proposals_account_for_themselves():
    elites = normal(10)
    found = proposed(elites, MOVES)
    assert found.z.shape == (300, 32)
    assert {move: found.source.count(move) for move in MOVES} == MOVES
    prior = np.array([name == "prior" for name in found.source])
    assert (found.parent[prior] == -1).all()
    assert (found.parent[~prior] >= 0).all()
    walked = np.array([name == "pcn" for name in found.source])
    assert np.bincount(found.parent[walked], minlength=10).argmax() == 9
    near = np.linalg.norm(found.z[walked] - elites[found.parent[walked]], axis=1)
    assert near.max() < np.linalg.norm(found.z[prior], axis=1).min() + 2


def test_the_step_is_the_share_of_noise():
    found = proposed(np.zeros((4, 32), dtype=np.float32), MOVES, deviation=0.0)
    lengths = np.linalg.norm(found.z, axis=1) / np.sqrt(32)
    walked = np.array(found.source) == "pcn"
    assert (lengths[walked] / found.level[walked]).mean() == pytest.approx(1.0, abs=0.05)
    by_move = {move: set(found.level[np.array(found.source) == move].round(6)) for move in MOVES}
    assert by_move["prior"] == {1.0}
    assert by_move["ascent"] == {proposal.STEPS[0]}
    assert len(by_move["pcn"]) > 20


def test_interpolations_and_ascents_end_with_noise_for_a_decoder_of_noise_levels():
    place = normal(1)
    unsure = Slope(np.zeros(32), np.eye(32), 0.0)  # an ascent that goes nowhere
    elites = Elites(np.repeat(place, 4, axis=0), np.zeros(4), slope=unsure, noise_levels=True)
    found = propose(elites, {"slerp": 300, "ascent": 300}, np.random.default_rng(0), normal(0))
    assert (found.level.min(), found.level.max()) == pytest.approx(proposal.STEPS, abs=0.02)
    level = found.level[:, None]
    noise = (found.z - np.sqrt(1 - level**2) * place) / level
    assert noise.mean() == pytest.approx(0.0, abs=0.03)
    assert noise.std(axis=0) == pytest.approx(np.ones(32), rel=0.15)


def test_noise_follows_the_deviations_of_the_posterior(monkeypatch):
    monkeypatch.setattr(proposal, "SCALES", (0.5, 0.5 + 1e-9))
    elites = normal(1)
    deviation = np.where(np.arange(32) < 16, 0.0, 1.0).astype(np.float32)[None]
    found = propose(
        Elites(elites, np.zeros(1), deviation),
        {"noise": 400},
        np.random.default_rng(0),
        normal(400),
    )
    assert np.array_equal(found.z[:, :16], np.repeat(elites[:, :16], 400, axis=0))
    assert (found.z - elites)[:, 16:].std() == pytest.approx(0.5, rel=0.05)
    for move, missing in (("noise", "deviations"), ("ascent", "slope")):
        with pytest.raises(ValueError, match=missing):
            propose(
                Elites(elites, np.zeros(1)),
                {move: 1},
                np.random.default_rng(0),
                normal(1),
            )


def test_ascents_go_where_scores_rise_and_anywhere_while_that_is_unknown():
    z, weights = normal(600), np.random.default_rng(5).standard_normal(32)
    scores = z @ weights + 0.3 * np.random.default_rng(6).standard_normal(600)
    unit = weights / np.linalg.norm(weights)
    found = Slope.fit(z, scores).directions(50, np.random.default_rng(0))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(50))
    assert (found @ unit).min() > 0.9
    assert np.allclose(found, Slope.fit(z, np.exp(scores)).directions(50, np.random.default_rng(0)))
    blind = Slope.fit(z[:0], scores[:0]).directions(400, np.random.default_rng(0))
    assert abs((blind @ unit).mean()) < 0.03
    elites = normal(5)
    climbed = propose(
        Elites(elites, np.zeros(5), slope=Slope.fit(z, scores)), {"ascent": 100},
        np.random.default_rng(0), normal(100),
    )  # fmt: skip
    assert ((climbed.z - elites[climbed.parent]) @ unit > 0).all()


def test_slopes_are_as_unsure_as_the_scores_leave_them():
    z, weights = normal(600, d=8), np.random.default_rng(5).standard_normal(8)
    linear, noise = z @ weights, np.random.default_rng(6).standard_normal(600)
    assert Slope.fit(z, linear).noise < 0.2
    assert Slope.fit(z, noise).noise == pytest.approx(1.0, abs=0.1)
    slope = Slope(np.array([3.0, 0.0]), np.diag([1.0, 10.0]), 0.5)  # posterior deviations .5 and .05
    spread = slope.directions(4000, np.random.default_rng(0))[:, 1].std()
    assert spread == pytest.approx(0.05 / 3.0, rel=0.1)


@pytest.mark.parametrize("move", ["pcn", "noise"])
def test_widening_takes_longer_steps(move):
    elites = normal(1)
    distance = [
        np.linalg.norm(proposed(elites, {move: 50}, widening=w).z - elites, axis=1).mean()
        for w in (0.5, 1.0, 2.0)
    ]
    assert distance[0] < distance[1] < distance[2]


@pytest.mark.parametrize("n_elites", [0, 1])
def test_few_elites_fall_back(n_elites):
    found = proposed(normal(n_elites), MOVES)
    assert len(found.z) == 300
    assert "slerp" not in found.source
    assert n_elites or set(found.source) == {"prior"}


def test_cma_es_climbs_a_slope_and_survives_a_round_trip():
    goal = normal(1, d=8)[0]
    evolution = Evolution.start(np.zeros(8, dtype=np.float32), 0.5)
    generator = np.random.default_rng(0)
    for _ in range(60):
        points = evolution.candidates(evolution.n_population, generator)
        again = Evolution.from_json(evolution.to_json())
        evolution = evolution.after(points, -((points - goal) ** 2).sum(axis=1))
        same = again.after(points, -((points - goal) ** 2).sum(axis=1))
        assert same.to_json() == evolution.to_json()
    assert evolution.generation == 60
    assert np.linalg.norm(evolution.mean - goal) < 0.05 * np.linalg.norm(goal)


def test_rank_weights_fall_with_rank_and_sum_to_one():
    weights = rank_weights(np.array([0.3, 9.0, -1.0, 5.0]), 0.1)
    assert weights.sum() == pytest.approx(1.0)
    assert np.argsort(-weights).tolist() == [1, 3, 0, 2]
