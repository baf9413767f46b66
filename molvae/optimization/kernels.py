r"""The mixed kernel, MinMax similarities of several fingerprints plus an RBF on numbers, and its fit.

.. math::
    k(a, b) = \sum_v w_v\, \mathrm{MinMax}_v(a, b)
            + w_0 \exp\Big(-\tfrac{1}{2} \sum_j (x_j(a) - x_j(b))^2 / \ell_j^2\Big)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.optimization.similarities import Comparison, Gallery


@dataclass(frozen=True)
class Hyperparameters:
    """Of one output, in units of its scaled scores.

    Attributes:
        weights: Prior variance of each fingerprint's part, one per view.
        numbers_weight: Prior variance of the part that sees numbers; 0 without it.
        lengthscales: Of each number, `p`; empty without that part.
        noise: Noise variance.
        mean: Constant prior mean.
    """

    weights: tuple[float, ...]
    numbers_weight: float
    lengthscales: tuple[float, ...]
    noise: float
    mean: float

    @property
    def outputscale(self) -> float:
        """Prior variance."""
        return sum(self.weights) + self.numbers_weight

    def to_json(self) -> list[Any]:
        """As JSON values."""
        return [list(self.weights), self.numbers_weight, list(self.lengthscales), self.noise, self.mean]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Hyperparameters:
        """The inverse of `to_json`."""
        return cls(tuple(row[0]), row[1], tuple(row[2]), row[3], row[4])


def gram(gallery: Gallery, views: Sequence[str], values: Hyperparameters) -> Tensor:
    """Prior covariances among the observations, `n x n`."""
    return _mixed([*map(gallery.gram, views)], gallery.numbers, gallery.numbers, values)


def cross(comparison: Comparison, views: Sequence[str], values: Hyperparameters) -> Tensor:
    """Prior covariances of candidates and observations, `q x n`."""
    return _mixed([*map(comparison.cross, views)], comparison.numbers, comparison.gallery.numbers, values)


def own(comparison: Comparison, views: Sequence[str], values: Hyperparameters) -> Tensor:
    """Prior covariances among the candidates, `q x q`."""
    return _mixed([*map(comparison.own, views)], comparison.numbers, comparison.numbers, values)


def _mixed(tables: Sequence[Tensor], a: Tensor, b: Tensor, values: Hyperparameters) -> Tensor:
    mixed = torch.zeros(len(a), len(b), dtype=torch.float64)
    for weight, table in zip(values.weights, tables, strict=True):
        mixed.add_(table, alpha=weight)
    if values.numbers_weight > 0:
        scales = torch.tensor(values.lengthscales, dtype=torch.float64)
        near = squared_distances(a / scales, b / scales).mul_(-0.5).exp_()
        mixed.add_(near, alpha=values.numbers_weight)
    return mixed


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of rows, `q x n`."""
    sums = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :]
    return torch.addmm(sums, a, b.T, alpha=-2.0).clamp_min(0.0)


MINIMUM_NOISE = 1e-6
WEIGHT_PRIOR = (0.3, 1.5)
"""Of the variance of each part, log-normal: its median, and the spread of its logarithm."""
NOISE_PRIOR = (0.01, 1.5)
"""Of the noise variance, likewise."""
_KNOWN_SPREAD = 0.3  # of the logarithm of a noise variance known from replicates
_ITERATIONS = 40
_LOWEST, _HIGHEST = math.log(1e-4), math.log(1e4)
_JITTER = 1e-8


class MixtureFit:
    """Maximum a posteriori hyperparameters by L-BFGS on the exact marginal likelihood.

    The mean has a standard normal prior; so has the logarithm of each length scale, around half that of their
    number.

    Args:
        tables: Similarities among the observations, one per view, `n x n` each.
        numbers: Scaled numbers, `n x p`; absent: no part sees numbers.
        y: Scaled scores, `n`.
        counts: Measurements each score is the mean of, `n`; absent: one.
        noise: Variance of a single measurement, if known from replicates.
    """

    def __init__(
        self,
        tables: Sequence[Tensor],
        numbers: Tensor | None,
        y: Tensor,
        *,
        counts: Tensor | None = None,
        noise: float | None = None,
    ) -> None:
        self.tables = torch.stack(list(tables)) if tables else torch.zeros(0, len(y), len(y)).double()
        self.numbers = numbers
        self.y = y
        self._shares = torch.ones(len(y), dtype=torch.float64) if counts is None else 1.0 / counts
        p = 0 if numbers is None else numbers.shape[1]
        v = len(self.tables)
        parts = v + (numbers is not None)
        median, noise_spread = NOISE_PRIOR if noise is None else (noise, _KNOWN_SPREAD)
        center = [math.log(WEIGHT_PRIOR[0])] * parts + [0.5 * math.log(max(p, 1))] * p
        spread = [WEIGHT_PRIOR[1]] * parts + [1.0] * p
        self._v, self._p, self._parts = v, p, parts
        self._center = torch.tensor([*center, math.log(median), 0.0], dtype=torch.float64)
        self._spread = torch.tensor([*spread, noise_spread, 1.0], dtype=torch.float64)

    def run(self, start: Hyperparameters | None = None) -> Hyperparameters:
        """The fit, from `start` or from the medians of the priors; those if the fit fails."""
        begin = self._center.numpy() if start is None else self._vector(start)
        low, high = np.full(len(begin), _LOWEST), np.full(len(begin), _HIGHEST)
        low[-2], low[-1], high[-1] = math.log(MINIMUM_NOISE), -10.0, 10.0
        found = minimize(
            self._objective,
            np.clip(begin, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high)),
            options={"maxiter": _ITERATIONS},
        )
        vector = found.x if np.isfinite(found.x).all() and np.isfinite(found.fun) else begin
        return self._values(np.asarray(vector))

    def _objective(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta = torch.tensor(vector, requires_grad=True)
        covariance = self._covariance(theta)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if int(failed):
            return 1e10, np.zeros_like(vector)
        residual = torch.linalg.solve_triangular(factor, (self.y - theta[-1])[:, None], upper=False)
        loss = 0.5 * (residual**2).sum() + factor.diagonal().log().sum()
        loss = loss + 0.5 * (((theta - self._center) / self._spread) ** 2).sum()
        loss.backward()
        assert theta.grad is not None  # noqa: S101 - the loss depends on every entry
        return float(loss.detach()), theta.grad.numpy()

    def _covariance(self, theta: Tensor) -> Tensor:
        weights = theta[: self._parts].exp()
        covariance = torch.tensordot(weights[: self._v], self.tables, dims=1)
        if self.numbers is not None:
            scaled = self.numbers / theta[self._parts : self._parts + self._p].exp()
            covariance = covariance + weights[-1] * torch.exp(-0.5 * squared_distances(scaled, scaled))
        noisy: Tensor = covariance + torch.diag(theta[-2].exp() * self._shares + _JITTER)
        return noisy

    def _values(self, vector: NDArray[np.float64]) -> Hyperparameters:
        weights = [math.exp(x) for x in vector[: self._parts]]
        scales = [math.exp(x) for x in vector[self._parts : self._parts + self._p]]
        return Hyperparameters(
            weights=tuple(weights[: self._v]),
            numbers_weight=weights[-1] if self.numbers is not None else 0.0,
            lengthscales=tuple(scales),
            noise=math.exp(vector[-2]),
            mean=float(vector[-1]),
        )

    def _vector(self, values: Hyperparameters) -> NDArray[np.float64]:
        parts = [*values.weights, values.numbers_weight] if self.numbers is not None else [*values.weights]
        logs = np.log([*parts, *values.lengthscales, values.noise])
        return np.array([*logs, values.mean])
