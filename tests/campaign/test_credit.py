"""Credit goes to surrogates that select and predict well; all keep a share; the journal stores it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "optimization"))

from looks import counts, seen

from molvae.campaign.search.credit import FLOOR, N_RECENT, Credit, Outcome, allotted
from molvae.optimization.config import MemberSettings
from molvae.optimization.similarities import Gallery
from molvae.optimization.surrogates import Portfolio


def outcomes(n, *, hitter, foreteller):
    """`n` outcomes, with alternating members."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        value = rng.normal()
        predicted = [rng.normal(), rng.normal()]
        if foreteller is not None:
            predicted[foreteller] = value + 0.1 * rng.normal()
        found.append(Outcome(i % 2, i % 2 == hitter, value, tuple(predicted)))
    return found


def test_begins_with_equal_shares():
    assert Credit.new(3).weights().tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("best", [0, 1])
def test_hits_and_foresight_earn_a_larger_share(best):
    for told in (outcomes(40, hitter=best, foreteller=None), outcomes(40, hitter=None, foreteller=best)):
        weights = Credit.new(2).after(told).weights()
        assert weights[best] > 0.6
        assert weights.min() >= FLOOR / 2 - 1e-12
        assert weights.sum() == pytest.approx(1.0)


def test_old_deeds_fade():
    credit = Credit.new(2).after(outcomes(200, hitter=0, foreteller=0))
    later = credit.after(outcomes(200, hitter=1, foreteller=1))
    assert credit.weights().argmax() == 0
    assert later.weights().argmax() == 1
    assert len(later.recent) == N_RECENT


def test_failures_count_as_misses_and_teach_no_ranking():
    credit = Credit.new(2).after([Outcome(0, hit=False, value=float("nan"))])
    assert credit.picks[0] == 1.0
    assert credit.recent == ()
    assert np.isfinite(credit.weights()).all()


def test_round_trip_through_the_journal_is_exact():
    credit = Credit.new(2).after(outcomes(9, hitter=0, foreteller=1))
    assert Credit.from_json(json.loads(json.dumps(asdict(credit)))) == credit


def test_places_follow_the_weights():
    rng = np.random.default_rng(0)
    weights = np.array([0.6, 0.3, 0.1])
    for n in (1, 5, 50):
        drawn = np.concatenate([allotted(weights, n, rng) for _ in range(2000 // n)])
        assert np.bincount(drawn, minlength=3) / len(drawn) == pytest.approx(weights, abs=0.04)
    assert np.bincount(allotted(weights, 10, rng), minlength=3).tolist() == [6, 3, 1]


@pytest.mark.parametrize("numbers_matter", [True, False])
def test_credit_moves_to_the_surrogate_that_sees_what_matters(numbers_matter):
    """Scores depend on a descriptor or on a fingerprint; each surrogate sees one of them."""
    rng = np.random.default_rng(2)
    x, numbers = counts(120, f=30), rng.normal(size=(120, 2))
    target = np.minimum(x, x[:1]).sum(1) / np.maximum(x, x[:1]).sum(1)
    score = np.sin(numbers[:, 0]) if numbers_matter else target
    members = (
        MemberSettings(name="shape"),
        MemberSettings(name="numbers", views=(), numbers=True, hyperparameters="map"),
    )
    credit = Credit.new(2)
    for begin in range(40, 120, 20):
        observed = Gallery(seen(x[:begin], numbers=numbers[:begin]))
        portfolio = Portfolio(members, observed, torch.from_numpy(score[:begin, None]).double())
        new = slice(begin, begin + 20)
        beliefs = portfolio.beliefs(observed.compare(seen(x[new], numbers=numbers[new])))
        predicted = torch.cat([belief.mean for belief in beliefs], dim=1).tolist()
        told = [Outcome(-1, hit=False, value=v, predicted=tuple(p)) for v, p in zip(score[new], predicted)]
        credit = credit.after(told)
    weights = credit.weights()
    assert weights[int(numbers_matter)] > 0.6
