"""The utility of several objectives; PMO's area under the top-10 curve against its published test values."""

import math

import numpy as np
import pytest
from play import objectives
from pydantic import ValidationError

from molvae.campaign.config import CampaignSettings
from molvae.campaign.utility import constrained_scores, feasible, goals, running_top, top_auc, utilities
from molvae.config import load_settings, to_toml
from molvae.errors import ConfigError
from molvae.oracles.config import Objective

VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [np.nan, 1.0]])


def test_one_goal_is_its_score():
    assert utilities(VALUES[:, :1], objectives(maximize=["a"]))[:3].tolist() == [1.0, 3.0, 5.0]
    assert utilities(VALUES[:, :1], objectives(minimize=["a"]))[:3].tolist() == [-1.0, -3.0, -5.0]
    assert np.isnan(utilities(VALUES[:, :1], objectives(maximize=["a"]))[3])


@pytest.mark.parametrize(("words", "expected"), [("at_most", [1, 1, 0, 0]), ("at_least", [0, 1, 1, 0])])
def test_constraints_gate(words, expected):
    wanted = objectives(maximize=["a"], **{words: {"b": 4.0}})
    assert feasible(VALUES, wanted).tolist() == [bool(x) for x in expected]
    assert np.isfinite(utilities(VALUES, wanted)).tolist() == [bool(x) for x in expected]


def test_constraint_bounds_have_directions():
    scores, lower, upper = constrained_scores(
        np.array([[1.0, 2.0, 3.0]]), objectives(maximize=["a"], at_most={"b": 4.0}, at_least={"c": 1.0})
    )
    assert scores.tolist() == [[2.0, 3.0]]
    assert lower.tolist() == [-np.inf, 1.0]
    assert upper.tolist() == [4.0, np.inf]


def test_several_goals_combine_by_geometric_mean_of_their_ranges():
    wanted = objectives(maximize=["a"], minimize=["b"])
    values = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    assert goals(values, wanted).tolist() == [[0.0, 0.0], [1.0, -1.0], [0.5, -0.5]]
    assert utilities(values, wanted).tolist() == [0.0, 0.0, 0.5]
    assert utilities(values[:1], wanted).tolist() == [1.0]


def test_settings_refuse_nonsense_with_a_sentence():
    with pytest.raises(ValidationError, match="needs a bound"):
        Objective(name="sa", direction="at_most")
    with pytest.raises(ValidationError, match="takes no bound"):
        Objective(name="sa", direction="maximize", bound=1.0)
    with pytest.raises(ValidationError, match="at least one objective to maximize"):
        CampaignSettings(objectives=objectives(at_most={"sa": 3.0}))
    with pytest.raises(ValidationError, match="given twice"):
        CampaignSettings(objectives=objectives(maximize=["qed", "qed"]))
    with pytest.raises(ConfigError, match="did you mean 'budget'"):
        load_settings(CampaignSettings, overrides=['objectives=[{name="qed"}]', "budgt=3"])


def test_settings_round_trip_through_toml_and_json(tmp_path):
    settings = CampaignSettings(objectives=objectives(maximize=["qed"], at_most={"sa": 3.5}), budget=9)
    (tmp_path / "s.toml").write_text(to_toml(settings))
    assert load_settings(CampaignSettings, tmp_path / "s.toml") == settings
    assert CampaignSettings.model_validate(settings.model_dump(mode="json")) == settings


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
