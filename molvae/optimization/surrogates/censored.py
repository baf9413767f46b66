r"""Censored scores in a Gaussian process, as Gaussian pseudo-observations.

A score known to exceed b contributes the probability that it does, not a density (Tobin, Econometrica 26,
1958): :math:`p(y > b \mid f) = \Phi((f - b) / \sigma)`. Expectation propagation replaces each such factor by
the Gaussian that leaves the same posterior moments (Minka, UAI 2001; Rasmussen and Williams, section 3.6).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SWEEPS = 30
_DAMPING = 0.6
_LEAST_PRECISION = 1e-8


def sites(
    mean: Tensor, covariance: Tensor, bound: Tensor, sign: Tensor, noise: float
) -> tuple[Tensor, Tensor]:
    """Pseudo-observations for bounds on `c` scores.

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
