"""Exact Gaussian process regression on a covariance matrix, with block updates of its Cholesky factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from linear_operator.utils.cholesky import psd_safe_cholesky

if TYPE_CHECKING:
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
