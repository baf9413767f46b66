r"""Exact Gaussian processes: the mixed kernel, its fit, regression with censored scores.

The kernel is a sum of MinMax similarities of several fingerprints and an RBF on numbers.

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
from linear_operator.utils.cholesky import psd_safe_cholesky
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of one output, in units of its scaled scores.

    Attributes:
        weights: Prior variance of each fingerprint's part, one per view.
        numbers_weight: Prior variance of the RBF part on numbers; 0 without it.
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

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Hyperparameters:
        """The inverse of `dataclasses.astuple`."""
        return cls(tuple(row[0]), row[1], tuple(row[2]), row[3], row[4])


def covariances(values: Hyperparameters, tables: Iterable[Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Prior covariances, `q x n`, from similarities (one table per view) and scaled numbers of both sides."""
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
"""Log-normal prior of the variance of each part: median, and standard deviation of the logarithm."""
NOISE_PRIOR = (0.01, 1.5)
"""Prior of the noise variance, likewise."""
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
        numbers: Scaled numbers, `n x p`; absent: no RBF part.
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
        """The fit, from `start` or the medians of the priors, which are returned if it fails."""
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


@dataclass(frozen=True)
class ExactProcess:
    """A Gaussian process conditioned on `n` observations.

    Attributes:
        factor: Lower Cholesky factor of covariance + noise, `n x n`, float64.
        residual: Factor^-1 (y - mean), `n`.
        mean: Constant prior mean.
    """

    factor: Tensor
    residual: Tensor
    mean: float

    @classmethod
    def fit(cls, covariance: Tensor, y: Tensor, *, noise: Tensor | float, mean: float) -> ExactProcess:
        """Condition on observations `y` (`n`) with prior covariance `n x n`, noise variances one or `n`."""
        noisy = covariance.clone()
        noisy.diagonal().add_(noise)
        factor = psd_safe_cholesky(noisy, max_tries=6)
        return cls(factor, _solved(factor, y - mean), mean)

    def extended(self, cross: Tensor, own: Tensor, y: Tensor, noise: Tensor | float) -> ExactProcess:
        """The process after `p` more observations `y`, from a block update of the factor in O(p n^2).

        Given are prior covariances of new and old observations (`p x n`) and among the new ones (`p x p`),
        and noise variances, one or `p`.
        """
        below = _solved(self.factor, cross.T).T  # p x n
        rest = own - below @ below.T
        rest.diagonal().add_(noise)
        corner = psd_safe_cholesky(rest, max_tries=6)
        upper = torch.cat([self.factor, torch.zeros(len(self.factor), len(y), dtype=torch.float64)], dim=1)
        factor = torch.cat([upper, torch.cat([below, corner], dim=1)])
        new = _solved(corner, y - self.mean - below @ self.residual)
        return ExactProcess(factor, torch.cat([self.residual, new]), self.mean)

    def posterior(self, cross: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Means (`q`) of the noise-free function, and its variances (`q`) or covariances (`q x q`).

        Given are prior covariances of candidates and observations (`q x n`), and the prior variances or
        covariances of the candidates.
        """
        whitened = _solved(self.factor, cross.T)  # n x q
        mean = self.mean + whitened.T @ self.residual
        if own.dim() == 1:
            return mean, (own - (whitened**2).sum(0)).clamp_min(0.0)
        return mean, own - whitened.T @ whitened


def _solved(factor: Tensor, right: Tensor) -> Tensor:
    columns = right[:, None] if right.dim() == 1 else right
    solved: Tensor = torch.linalg.solve_triangular(factor, columns, upper=False)
    return solved[:, 0] if right.dim() == 1 else solved


_SWEEPS = 30
_DAMPING = 0.6
_LEAST_PRECISION = 1e-8


def sites(
    mean: Tensor, covariance: Tensor, bound: Tensor, sign: Tensor, noise: float
) -> tuple[Tensor, Tensor]:
    r"""Gaussian pseudo-observations for bounds on `c` scores.

    A score known to exceed b contributes the probability that it does, not a density (Tobin, Econometrica 26,
    1958): :math:`p(y > b \mid f) = \Phi((f - b) / \sigma)`. Expectation propagation replaces each such factor
    by the Gaussian that leaves the same posterior moments (Minka, UAI 2001; Rasmussen and Williams, section
    3.6).

    Args:
        mean: Posterior mean of the noise-free scores given the measurements, `c`.
        covariance: Their posterior covariance, `c x c`.
        bound: The bounds, `c`.
        sign: 1 where the score is above its bound, -1 where below, `c`.
        noise: Variance of a measurement.

    Returns:
        Values and noise variances, `c` each.
    """
    precision = torch.zeros_like(mean)
    shift = torch.zeros_like(mean)  # precision times value
    cavity_mean = mean
    for _ in range(_SWEEPS):
        root = precision.sqrt()
        factor = torch.linalg.cholesky(
            torch.eye(len(mean), dtype=mean.dtype) + root[:, None] * covariance * root
        )
        half = torch.linalg.solve_triangular(factor, root[:, None] * covariance, upper=False)
        posterior = covariance - half.T @ half
        variance = posterior.diagonal().clamp_min(1e-12)
        center = mean + posterior @ (shift - precision * mean)
        cavity = 1.0 / (1.0 / variance - precision).clamp_min(1e-12)
        cavity_mean = cavity * (center / variance - shift)
        spread = (noise + cavity).sqrt()
        z = sign * (cavity_mean - bound) / spread
        ratio = torch.exp(-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(z))
        moved = cavity_mean + sign * cavity * ratio / spread
        narrowed = cavity - cavity**2 * ratio * (z + ratio) / spread**2
        fresh = (1.0 / narrowed - 1.0 / cavity).clamp_min(_LEAST_PRECISION)
        precision = precision + _DAMPING * (fresh - precision)
        shift = shift + _DAMPING * ((moved / narrowed - cavity_mean / cavity) - shift)
    informed = precision > 10 * _LEAST_PRECISION
    return torch.where(informed, shift / precision, cavity_mean), 1.0 / precision
