"""Scaling of scores and inputs: zero mean and unit variance outside, the unit cube for trust regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ScoreScaler:
    """Scales one column of scores to zero mean and unit variance.

    Attributes:
        mean: Mean of the finite scores.
        scale: Their standard deviation; 1 where they do not vary.
    """

    mean: float
    scale: float

    @classmethod
    def fit(cls, y: Tensor) -> ScoreScaler:
        """The scaler of the finite entries of `y` (n).

        >>> ScoreScaler.fit(torch.tensor([1.0, 3.0])).to_unit(torch.tensor([2.0])).item()
        0.0
        """
        finite = y[torch.isfinite(y)].double()
        if not len(finite):
            return cls(0.0, 1.0)
        mean = float(finite.mean())
        scale = float(finite.std(correction=0))
        return cls(mean, scale if scale > 1e-9 * max(1.0, abs(mean)) else 1.0)

    def to_unit(self, y: Tensor) -> Tensor:
        """Scores in units of their standard deviation."""
        return (y.double() - self.mean) / self.scale

    def from_unit(self, y: Tensor) -> Tensor:
        """Scores in their own units."""
        return y * self.scale + self.mean


def to_cube(z: Tensor) -> Tensor:
    """Latent points to the unit cube through the standard normal distribution function.

    >>> to_cube(torch.zeros(1, 2)).tolist()
    [[0.5, 0.5]]
    """
    cube: Tensor = torch.special.ndtr(z.double())
    return cube


def from_cube(u: Tensor) -> Tensor:
    """Unit cube to latent points; the inverse of `to_cube`, kept within five standard deviations."""
    z: Tensor = torch.special.ndtri(u.double().clamp(3e-7, 1 - 3e-7))
    return z
