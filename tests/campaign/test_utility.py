"""What is wanted becomes one number: goals, constraints, several goals."""

import numpy as np
import pytest
from pydantic import ValidationError

from molvae.campaign.config import CampaignSettings
from molvae.campaign.utility import constrained_scores, feasible, goals, utilities
from molvae.config import load_settings, to_toml
from molvae.errors import ConfigError
from molvae.oracles.config import Objective, objectives

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
