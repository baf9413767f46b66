"""A sparse Gaussian process on latent vectors, by the protocol of Kusner et al. (2017)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, optimize

from molvae.errors import InputError
from molvae.evaluation.base import Metric, MetricTable
from molvae.evaluation.prediction import complete_rows, gaussian_log_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_FEWEST = 20  # rows
_JITTER = 1e-6
_BLOCK = 8192  # rows whose kernel is held in memory at once


def process_probe(
    z: NDArray[np.floating],
    y: NDArray[np.floating],
    *,
    generator: np.random.Generator,
    n_inducing: int = 500,
    n_fit: int = 1000,
    held_out: float = 0.1,
    name: str = "",
) -> MetricTable:
    """Log-likelihood and RMSE of a sparse Gaussian process on held-out rows, 90/10 by default.

    Squared exponential kernel with one length scale. Scale, length and noise maximize the marginal likelihood
    of an exact process on `n_fit` rows; the variational posterior of Titsias (2009) uses all training rows
    and random inducing points. The protocol is that of Kusner (2017): 500 inducing points, 90/10, the target
    in its own units.

    Args:
        z: Vectors, `n x d`.
        y: Target, `n`; rows with a NaN are left out.
        generator: Random generator of the split and the inducing points.
        n_inducing: Inducing points.
        n_fit: Rows the hyperparameters are fitted to.
        held_out: Share of the held-out rows.
        name: Name of the target, appended to each metric.

    Raises:
        InputError: Fewer than 20 complete rows.
    """
    x, target = complete_rows(z, y)
    if len(x) < _FEWEST:
        raise InputError(f"a Gaussian process needs {_FEWEST} rows, got {len(x)}")
    order = generator.permutation(len(x))
    n_test = max(1, round(held_out * len(x)))
    test, train = order[:n_test], order[n_test:]
    center, scale = target[train].mean(), target[train].std() or 1.0
    spread = x[train].std(axis=0)
    x = (x - x[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    unit = (target - center) / scale
    process = _SparseProcess(x[train], unit[train], n_inducing, n_fit)
    mean, variance = process.predict(x[test])
    mean, variance = center + scale * mean, scale**2 * variance
    label = f" {name}" if name else ""
    likelihood = gaussian_log_likelihood(target[test], mean, variance)
    return MetricTable(
        (
            Metric(f"GP LL{label}", float(likelihood.mean()), n_test, "higher"),
            Metric(f"GP RMSE{label}", float(np.sqrt(((target[test] - mean) ** 2).mean())), n_test, "lower"),
        )
    )


class _SparseProcess:
    """The posterior of Titsias (2009) with kernel s exp(-|x - x'|² / 2 l²) and noise v; unit targets.

    Args:
        x: Training rows in random order, `n x d`.
        y: `n`.
        n_inducing: Number of first rows that are inducing points.
        n_fit: Number of first rows that fit the hyperparameters.
    """

    def __init__(self, x: Matrix, y: Matrix, n_inducing: int, n_fit: int) -> None:
        self.scale, self.length, self.noise = _fit(x[:n_fit], y[:n_fit])
        self.points = x[:n_inducing]
        self.root = linalg.cholesky(_jittered(self._kernel(self.points, self.points)), lower=True)
        gram = np.eye(len(self.points))
        projected = np.zeros(len(self.points))
        for start in range(0, len(x), _BLOCK):
            rows = slice(start, start + _BLOCK)
            features = self._features(x[rows])  # m x b
            gram += features @ features.T / self.noise
            projected += features @ y[rows] / self.noise
        self.inner = linalg.cholesky(gram, lower=True)
        self.weights = linalg.cho_solve((self.inner, True), projected)

    def predict(self, x: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and variance of noisy observations, `q` each."""
        features = self._features(x)
        explained = (features**2).sum(axis=0)
        remaining = (linalg.solve_triangular(self.inner, features, lower=True) ** 2).sum(axis=0)
        return features.T @ self.weights, self.scale - explained + remaining + self.noise

    def _features(self, x: Matrix) -> Matrix:
        """L⁻¹ K(points, x): Nyström features, `m x b`."""
        found: Matrix = linalg.solve_triangular(self.root, self._kernel(self.points, x), lower=True)
        return found

    def _kernel(self, a: Matrix, b: Matrix) -> Matrix:
        return self.scale * np.exp(-0.5 * _squared_distances(a, b) / self.length**2)


def _fit(x: Matrix, y: Matrix) -> tuple[float, float, float]:
    """Scale, length and noise that maximize the marginal likelihood of an exact process."""
    distances = _squared_distances(x, x)
    typical = math.log(max(float(np.median(distances)), 1e-12)) / 2

    def objective(logs: Matrix) -> tuple[float, Matrix]:
        scale, length, noise = np.exp(logs)
        shape = np.exp(-0.5 * distances / length**2)
        root = linalg.cholesky(scale * shape + (noise + _JITTER) * np.eye(len(x)), lower=True)
        inverse = linalg.cho_solve((root, True), np.eye(len(x)))
        alpha = inverse @ y
        value = 0.5 * float(y @ alpha) + float(np.log(np.diag(root)).sum())
        inner = inverse - np.outer(alpha, alpha)  # the gradient is half the trace of this times dK
        slopes = (scale * shape, scale * shape * distances / length**2, noise * np.eye(len(x)))
        return value, np.array([0.5 * float((inner * slope).sum()) for slope in slopes])

    start = np.array([0.0, typical, math.log(0.3)])
    bounds = [(-6.0, 6.0), (typical - 4.0, typical + 4.0), (-9.0, 2.0)]
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
    )
    scale, length, noise = np.exp(found.x).tolist()
    return scale, length, noise


def _squared_distances(a: Matrix, b: Matrix) -> Matrix:
    found = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.asarray(np.maximum(found, 0.0))


def _jittered(gram: Matrix) -> Matrix:
    return gram + _JITTER * float(np.diag(gram).mean()) * np.eye(len(gram))
