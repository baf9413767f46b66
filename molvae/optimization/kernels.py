r"""The mixed kernel: MinMax similarities of several fingerprints plus an RBF on numbers.

.. math::
    k(a, b) = \sum_v w_v\, \mathrm{MinMax}_v(a, b)
            + w_0 \exp\Big(-\tfrac{1}{2} \sum_j (x_j(a) - x_j(b))^2 / \ell_j^2\Big)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    tables = [gallery.gram(view) for view in views]
    return _mixed(tables, gallery.numbers, gallery.numbers, values)


def cross(comparison: Comparison, views: Sequence[str], values: Hyperparameters) -> Tensor:
    """Prior covariances of candidates and observations, `q x n`."""
    tables = [comparison.cross(view) for view in views]
    return _mixed(tables, comparison.numbers, comparison.gallery.numbers, values)


def own(comparison: Comparison, views: Sequence[str], values: Hyperparameters) -> Tensor:
    """Prior covariances among the candidates, `q x q`."""
    tables = [comparison.own(view) for view in views]
    return _mixed(tables, comparison.numbers, comparison.numbers, values)


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
