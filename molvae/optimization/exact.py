"""Exact Gaussian process regression: block updates of the Cholesky factor, censored scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from linear_operator.utils.cholesky import psd_safe_cholesky
from torch import Tensor


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
        """The process after `p` more observations, from a block update of the factor in O(p n^2).

        Args:
            cross: Prior covariances of new and old observations, `p x n`.
            own: Prior covariances among the new ones, `p x p`.
            y: The new observations, `p`.
            noise: Their noise variances, one or `p`.
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
        """Means (`q`) of the noise-free function and its variances (`q`) or covariances (`q x q`).

        Args:
            cross: Prior covariances of candidates and observations, `q x n`.
            own: Prior variances of the candidates, `q`; or their covariances, `q x q`.
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
