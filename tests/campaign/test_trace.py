"""PMO's area under the top-10 curve, by the published unit-test values."""

import math

import pytest

from molvae.campaign.trace import running_top, top_auc


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0] * 50, 0.9975),
        ([1.0] * 100, 0.995),
        ([1.0] * 150, 0.995),
        ([1.0] * 10_000, 0.995),
        ([i / 10_000 for i in range(10_000)], 0.49945275),
        ([0.0] * 5_000 + [1.0] * 5_000, 0.495),
        ([0.5] * 5 + [1.0] * 3, 0.687225),
    ],
)
def test_golden_values(values, expected):
    assert top_auc(values) == pytest.approx(expected, abs=1e-9)


def test_a_constant_earns_its_value():
    assert top_auc([0.7] * 10_000) == pytest.approx(0.995 * 0.7)


def test_failures_cost_a_call_and_count_for_nothing():
    assert top_auc([math.nan] * 50 + [1.0] * 50) == pytest.approx(top_auc([1.0] * 100))
    assert top_auc([math.nan] * 10) == 0.0
    assert top_auc([]) == 0.0


def test_calls_beyond_the_budget_are_ignored():
    assert top_auc([0.1] * 200 + [1.0] * 100, budget=200) == pytest.approx(top_auc([0.1] * 200, budget=200))


def test_running_top_averages_what_there_is():
    best, mean = running_top([math.nan, 2.0, 4.0, 1.0], 2)
    assert math.isnan(best[0])
    assert best[1:] == [2.0, 4.0, 4.0]
    assert mean[1:] == [2.0, 3.0, 3.0]
