from __future__ import annotations

import sys

import numpy as np
import pytest

from molvae.errors import InputError, UsageError
from molvae.progress import EventLog
from molvae.reporting import figures
from molvae.reporting import training_curves as epochs
from molvae.reporting.figures import Track, learning_curves, optimization_progress, pareto_scatter

PNG = b"\x89PNG"


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with EventLog(path) as log:
        for epoch in range(1, 4):
            valid = {
                "kl": 30.0 + epoch,
                "mae_qed": 0.1 / epoch,
                "prior_validity": 0.5,
                "exact_reconstruction": float("nan"),
            }
            log.write(
                "epoch",
                epoch=epoch,
                step=epoch * 10,
                loss=9.0 / epoch,
                beta=0.1,
                train={"kl": 31.0},
                valid=valid,
            )
    return path


def test_learning_curves_show_what_was_logged(metrics, tmp_path):
    learning_curves(metrics, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(PNG)
    panels = dict(epochs.panels([epochs.flat_record(r) for r in figures.read_events(metrics, "epoch")]))
    assert panels["KL (nats per molecule)"] == ["train kl", "valid kl"]
    assert panels["mean absolute error of properties"] == ["valid mae_qed"]
    assert "active units" not in panels


def test_no_epoch_yet_is_told(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"event": "start"}\n')
    with pytest.raises(InputError, match="no finished epoch"):
        learning_curves(tmp_path / "metrics.jsonl", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def test_progress_of_goals_and_constraints(tmp_path):
    values = np.array([0.1, np.nan, 0.5, 0.3])
    tracks = [Track("qed", values), Track("sa", values, "at_most", 0.4), Track("mw", values, "minimize")]
    optimization_progress(tracks, tmp_path / "p.svg", n_start=2)
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()


def test_progress_without_a_score_is_told(tmp_path):
    for values in (np.full(3, np.nan), np.array([])):
        with pytest.raises(InputError, match="no oracle call"):
            optimization_progress([Track("qed", values)], tmp_path / "p.png")


def test_best_so_far_ignores_failures_and_waits_for_ten():
    best, mean = figures._best_so_far(np.array([np.nan, 1.0, 3.0, np.nan, 2.0]), 2)
    np.testing.assert_array_equal(best, [np.nan, 1, 3, 3, 3])
    np.testing.assert_array_equal(mean, [np.nan, np.nan, 2, 2, 2.5])


def test_the_front_is_what_nothing_beats():
    gains = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.4, 0.5], [np.nan, 9], [1, 0]])
    np.testing.assert_array_equal(figures._non_dominated(gains), [True, True, True, False, False, False])


def test_pareto_scatter_draws_both_directions(tmp_path):
    values = np.random.default_rng(0).random((30, 2))
    pareto_scatter(values, ("qed", "sa"), ("maximize", "minimize"), tmp_path / "f.png", n_start=5)
    assert (tmp_path / "f.png").read_bytes().startswith(PNG)
    with pytest.raises(InputError, match="both scores"):
        pareto_scatter(values * np.nan, ("a", "b"), ("maximize", "maximize"), tmp_path / "g.png")


def test_same_data_same_bytes(metrics, tmp_path):
    for name in ("a.png", "b.png"):
        learning_curves(metrics, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_other_suffixes_are_refused(metrics, tmp_path):
    with pytest.raises(UsageError, match=r"did you mean '\.png'"):
        learning_curves(metrics, tmp_path / "c.pgn")


def test_no_global_state_of_pyplot_is_used():
    assert "matplotlib.pyplot" not in sys.modules
