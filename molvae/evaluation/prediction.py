"""Quality of predictions: errors, likelihood, calibration, and a linear probe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf

from molvae.errors import UsageError
from molvae.evaluation.base import Metric, MetricTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = np.arange(1, 20) / 20
"""Probabilities of the central intervals."""

_SHOWN_LEVELS = (0.5, 0.9, 0.95)
_PENALTIES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)  # of the ridge regression; each fold chooses one
_FEWEST_ROWS = 20  # of a linear probe
_FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """Predicted and observed coverage of central intervals.

    Attributes:
        levels: Probabilities of the intervals, `k`.
        coverage: Share of true values inside each interval, `k`.
        n: Number of values compared.
    """

    levels: NDArray[np.float64]
    coverage: NDArray[np.float64]
    n: int

    @property
    def error(self) -> float:
        """Expected calibration error: mean |coverage - level| (Kuleshov 2018, arXiv:1807.00263)."""
        return float(np.abs(self.coverage - self.levels).mean()) if self.n else math.nan

    def at(self, level: float) -> float:
        """The coverage at one of the levels."""
        return float(self.coverage[np.isclose(self.levels, level)][0])


def prediction_metrics(
    truth: NDArray[np.floating],
    mean: NDArray[np.floating],
    variance: NDArray[np.floating],
    *,
    name: str = "",
) -> MetricTable:
    """Errors, likelihood and calibration of predictions; rows with a NaN are left out.

    Arrays are `n`, in the unit of the property (the variance in its square). Its name is added to the names
    of the metrics.

    Raises:
        UsageError: The lengths differ.
    """
    label = f" {name}" if name else ""
    y, predicted, spread = _observed(truth, mean, variance)
    error = y - predicted
    n = len(error)
    found = calibration(y, predicted, spread)
    rows = [
        Metric(f"MAE{label}", _mean(np.abs(error)), n, "lower"),
        Metric(f"RMSE{label}", math.sqrt(_mean(error**2)) if n else math.nan, n, "lower"),
        Metric(f"R2{label}", r_squared(y, predicted), n, "higher"),
        Metric(f"NLL{label}", -_mean(gaussian_log_likelihood(y, predicted, spread)), n, "lower"),
        Metric(f"calibration error{label}", found.error, n, "lower"),
    ]
    rows += [
        Metric(f"coverage {round(100 * level)} %{label}", found.at(level), n, "neither")
        for level in _SHOWN_LEVELS
    ]
    return MetricTable(tuple(rows))


def calibration(
    truth: NDArray[np.floating], mean: NDArray[np.floating], variance: NDArray[np.floating]
) -> Calibration:
    """Coverage of the central intervals of Gaussian predictions; rows with a NaN are left out.

    >>> draws = np.random.default_rng(0).standard_normal(4000)
    >>> calibration(draws, np.zeros(4000), np.ones(4000)).error < 0.02
    True
    """
    y, predicted, spread = _observed(truth, mean, variance)
    if not len(y):
        return Calibration(LEVELS, np.full(len(LEVELS), np.nan), 0)
    # the true value is in the central interval of level p if erf(|error| / sigma / 2^½) <= p
    needed = erf(np.abs(y - predicted) / np.sqrt(2.0 * spread))
    return Calibration(LEVELS, np.array([(needed <= level).mean() for level in LEVELS]), len(y))


def gaussian_log_likelihood(
    truth: NDArray[np.floating], mean: NDArray[np.floating], variance: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Log-density of the true values under N(mean, variance) in nats, `n`."""
    error = np.asarray(truth - mean, dtype=np.float64)
    result: NDArray[np.float64] = -0.5 * (error**2 / variance + np.log(2.0 * np.pi * variance))
    return result


def r_squared(truth: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """1 - sum of squared errors over that of the mean; NaN if the true values do not vary.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    total = float(((truth - truth.mean()) ** 2).sum()) if len(truth) else 0.0
    return 1.0 - float(((truth - predicted) ** 2).sum()) / total if total > 0 else math.nan


def _observed(*columns: NDArray[np.floating]) -> list[NDArray[np.float64]]:
    """The columns without the rows that have a NaN in one of them."""
    given = [np.asarray(column, dtype=np.float64) for column in columns]
    if len({column.shape for column in given}) != 1 or given[0].ndim != 1:
        raise UsageError(f"predictions are compared one by one, got shapes {[c.shape for c in given]}")
    known = np.isfinite(given).all(axis=0)
    return [column[known] for column in given]


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def linear_probe(z: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[float, int]:
    """R2 of ridge regression from vectors `n x d` to `n` values, and the number of rows used.

    Predictions come from five-fold cross-validation. Rows with a NaN are left out; R2 of fewer than 20 rows
    is NaN.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, target = complete_rows(z, y)
    if len(x) < _FEWEST_ROWS:
        return math.nan, len(x)
    model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
    predicted = cross_val_predict(model, x, target, cv=KFold(_FOLDS, shuffle=True, random_state=0))
    return r_squared(target, predicted), len(x)


def complete_rows(
    z: NDArray[np.floating], y: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows of vectors `n x d` and values `n` without a NaN."""
    x, target = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x).all(axis=1) & np.isfinite(target)
    return x[known], target[known]
