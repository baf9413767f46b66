"""Metrics of predictions and latent codes: known values, invariants, and bad input."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from molvae.errors import InputError, UsageError
from molvae.evaluation.information import information_metrics, mutual_information, reconstruction
from molvae.evaluation.prediction import calibration, linear_probe, prediction_metrics


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_errors_are_those_of_the_known_rows():
    truth = np.array([1.0, 2.0, 3.0, np.nan])
    table = prediction_metrics(truth, np.array([1.0, 2.0, 5.0, 0.0]), np.full(4, 4.0), name="y")
    assert table["MAE y"] == pytest.approx(2 / 3)
    assert table["RMSE y"] == pytest.approx(math.sqrt(4 / 3))
    assert table["R2 y"] == pytest.approx(-1.0)
    assert table["NLL y"] == pytest.approx(0.5 * math.log(8 * math.pi) + 0.5 / 3)
    assert {row.n for row in table} == {3}
    nothing = prediction_metrics(np.full(3, np.nan), np.zeros(3), np.ones(3))
    assert all(math.isnan(row.value) for row in nothing)
    with pytest.raises(UsageError, match="one by one"):
        prediction_metrics(np.zeros(3), np.zeros(2), np.ones(3))


def test_calibration_separates_calibrated_from_overconfident(generator):
    truth = generator.standard_normal(20_000)
    honest = calibration(truth, np.zeros(20_000), np.ones(20_000))
    assert honest.error < 0.01
    assert honest.at(0.9) == pytest.approx(0.9, abs=0.01)
    overconfident = calibration(truth, np.zeros(20_000), np.full(20_000, 0.25))
    assert (overconfident.coverage < overconfident.levels).all()
    assert overconfident.error > 0.15


def test_mutual_information_is_bounded_from_both_sides(generator):
    # x ~ N(0, I) in 3 dimensions through z = x + noise: I = 3/2 log(1 + 1/sigma²)
    for sigma in (0.5, 1.0, 2.0):
        mu = generator.standard_normal((2000, 3))
        lower, upper = mutual_information(mu, np.full_like(mu, sigma), generator=generator)
        true = 1.5 * math.log(1 + sigma**-2)
        assert lower == pytest.approx(true, rel=0.1, abs=0.05)
        assert upper == pytest.approx(true, rel=0.1, abs=0.05)
    deterministic = mutual_information(mu, np.full_like(mu, 1e-6), generator=generator)
    assert deterministic[0] == pytest.approx(math.log(2000))
    assert deterministic[1] > 20


def test_an_uninformative_code_has_no_active_unit(generator):
    mu = np.zeros((50, 4))
    table = information_metrics(
        np.vstack([mu, np.full((1, 4), np.nan)]), np.ones((51, 4)), generator=generator
    )
    assert table.values() == pytest.approx(
        {"KL": 0.0, "active units": 0.0, "MI lower bound": 0.0, "MI upper bound": 0.0}, abs=1e-9
    )
    assert {row.n for row in table} == {50}
    nothing = information_metrics(np.full((2, 4), np.nan), np.ones((2, 4)), generator=generator)
    assert math.isnan(nothing["KL"])


def test_a_linear_probe_finds_what_is_linear_and_nothing_in_noise(generator):
    z = generator.standard_normal((300, 6))
    y = z @ np.arange(6.0) + 0.01 * generator.standard_normal(300)
    y[3] = np.nan
    explained, n = linear_probe(z, y)
    assert (explained > 0.999, n) == (True, 299)
    assert linear_probe(z, generator.standard_normal(300))[0] < 0.1
    assert math.isnan(linear_probe(z[:5], y[:5])[0])


@pytest.fixture
def sparse_process(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts" / "benchmark"))
    return importlib.import_module("sparse_process")


def test_a_sparse_process_with_all_points_is_the_exact_one(generator, sparse_process):
    x = generator.standard_normal((40, 2))
    y = np.sin(x[:, 0]) + 0.1 * generator.standard_normal(40)
    process = sparse_process._SparseProcess(x, y, n_inducing=40, n_fit=40)
    new = generator.standard_normal((7, 2))
    gram = process._kernel(x, x) + process.noise * np.eye(40)
    cross = process._kernel(new, x)
    mean = cross @ np.linalg.solve(gram, y)
    variance = process.scale + process.noise - np.einsum("ij,ji->i", cross, np.linalg.solve(gram, cross.T))
    np.testing.assert_allclose(process.predict(new)[0], mean, atol=1e-3)
    np.testing.assert_allclose(process.predict(new)[1], variance, atol=1e-3)


def test_a_process_learns_a_smooth_function(generator, sparse_process):
    z = generator.standard_normal((500, 3))
    y = 5.0 + 2.0 * np.sin(z[:, 0]) * z[:, 1] + 0.1 * generator.standard_normal(500)
    table = sparse_process.process_probe(z, y, generator=generator, n_inducing=150, n_fit=150, name="y")
    assert table["GP RMSE y"] < 0.5 * y.std()
    assert table["GP LL y"] > -0.5 * math.log(2 * math.pi * math.e * y.var()), "better than a constant"
    with pytest.raises(InputError, match="needs 20 rows"):
        sparse_process.process_probe(z[:5], y[:5], generator=generator)


def test_the_same_molecule_in_another_notation_matches():
    table = reconstruction(["CCO", "CCN", "C", "CC"], ["CCO", "NCC", "((", "C"], suffix=" (mu)")
    assert table.values() == {
        "string match (mu)": 0.25,
        "molecule match (mu)": 0.5,
        "decoded valid (mu)": 0.75,
    }
    with pytest.raises(UsageError, match="got 1 for 2"):
        reconstruction(["C", "C"], ["C"])
