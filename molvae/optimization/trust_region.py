"""TuRBO-1's trust region as an immutable state machine, and its candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.quasirandom import SobolEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

START, SHORTEST, LONGEST = 0.8, 2.0**-7, 1.6
"""Side lengths in the unit cube: at the start and after a restart; of a restart; the largest."""
SUCCESS_TOLERANCE = 3
"""Successes in a row that double the length."""


@dataclass(frozen=True)
class TrustRegion:
    """A box around the incumbent that grows on successes, shrinks on failures and restarts when too small.

    (Eriksson et al., NeurIPS 2019, TuRBO-1.)

    Attributes:
        failure_tolerance: Failures in a row that halve the length.
        length: Side length in the unit cube.
        n_successes: Improvements in a row.
        n_failures: Failures in a row.
        n_restarts: Number of restarts.
    """

    failure_tolerance: int
    length: float = START
    n_successes: int = 0
    n_failures: int = 0
    n_restarts: int = 0

    @classmethod
    def new(cls, *, dimension: int, q: int) -> TrustRegion:
        """A fresh region for `dimension` coordinates and batches of `q`."""
        return cls(math.ceil(max(4.0, float(dimension)) / q))

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> TrustRegion:
        """The inverse of `dataclasses.asdict`; other keys, which earlier versions wrote, are ignored."""
        return cls(**{field.name: state[field.name] for field in fields(cls)})

    def after(self, improved: bool) -> TrustRegion:  # noqa: FBT001 - the only argument
        """The region after a batch that did or did not improve on the incumbent.

        >>> TrustRegion.new(dimension=4, q=1).after(True).n_successes
        1
        """
        successes, failures = (self.n_successes + 1, 0) if improved else (0, self.n_failures + 1)
        length = self.length
        if successes >= SUCCESS_TOLERANCE:
            length, successes = min(2.0 * length, LONGEST), 0
        elif failures >= self.failure_tolerance:
            length, failures = length / 2.0, 0
        if length < SHORTEST:
            return TrustRegion(self.failure_tolerance, n_restarts=self.n_restarts + 1)
        return replace(self, length=length, n_successes=successes, n_failures=failures)

    def box(self, center: Tensor, lengthscales: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper corners (`d` each) around `center` in the unit cube.

        Sides are proportional to the length scales, normalized to a geometric mean of 1.
        """
        weights = lengthscales / lengthscales.log().mean().exp()
        half = 0.5 * self.length * weights
        return (center - half).clamp(0.0, 1.0), (center + half).clamp(0.0, 1.0)

    def candidates(self, center: Tensor, lengthscales: Tensor, n: int, seed: int) -> Tensor:
        """`n x d` points of the box: `center` with a random subset of coordinates from a Sobol sequence.

        Each coordinate is perturbed with probability min(1, 20 / d), at least one in every point.

        Args:
            center: The incumbent in the unit cube, `d`.
            lengthscales: Of the surrogate, `d`.
            n: Number of points.
            seed: Of the Sobol scramble and the subsets.
        """
        lower, upper = self.box(center, lengthscales)
        d = len(center)
        engine = SobolEngine(d, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        sobol = engine.draw(n, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        perturbed = torch.rand(n, d, generator=generator) <= min(1.0, 20.0 / d)
        forced = torch.randint(d, (n,), generator=generator)
        perturbed[torch.arange(n), forced] = True
        return torch.where(perturbed, lower + (upper - lower) * sobol, center[None, :])
