"""TuRBO-1's trust region as an immutable state machine, and its candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.quasirandom import SobolEngine

if TYPE_CHECKING:
    from torch import Tensor

    from molvae.optimization.config import TrustRegionSettings


@dataclass(frozen=True)
class TrustRegion:
    """A box around the incumbent that grows on successes, shrinks on failures and restarts when it vanishes.

    (Eriksson et al., NeurIPS 2019, TuRBO-1.)

    Attributes:
        length: Side length in the unit cube.
        n_successes: Improvements in a row.
        n_failures: Failures in a row.
        n_restarts: How often the region has started anew.
        start: Length at the start and after a restart.
        shortest: Below this length the region restarts.
        longest: The region never grows past this length.
        success_tolerance: Successes in a row that double the length.
        failure_tolerance: Failures in a row that halve it.
    """

    length: float
    start: float
    shortest: float
    longest: float
    success_tolerance: int
    failure_tolerance: int
    n_successes: int = 0
    n_failures: int = 0
    n_restarts: int = 0

    @classmethod
    def new(cls, settings: TrustRegionSettings, *, dimension: int, q: int) -> TrustRegion:
        """A fresh region for `dimension` coordinates and batches of `q`."""
        tolerance = settings.failure_tolerance or math.ceil(max(4.0, float(dimension)) / q)
        return cls(
            length=settings.length,
            start=settings.length,
            shortest=settings.shortest,
            longest=settings.longest,
            success_tolerance=settings.success_tolerance,
            failure_tolerance=tolerance,
        )

    def after(self, improved: bool) -> TrustRegion:  # noqa: FBT001 - the one thing it is told
        """The region after a batch that did or did not improve on the incumbent.

        >>> from molvae.optimization.config import TrustRegionSettings
        >>> region = TrustRegion.new(TrustRegionSettings(success_tolerance=1), dimension=4, q=1)
        >>> region.after(True).length
        1.6
        """
        successes, failures = (self.n_successes + 1, 0) if improved else (0, self.n_failures + 1)
        length = self.length
        if successes >= self.success_tolerance:
            length, successes = min(2.0 * length, self.longest), 0
        elif failures >= self.failure_tolerance:
            length, failures = length / 2.0, 0
        if length < self.shortest:
            return replace(
                self, length=self.start, n_successes=0, n_failures=0, n_restarts=self.n_restarts + 1
            )
        return replace(self, length=length, n_successes=successes, n_failures=failures)

    def box(self, center: Tensor, lengthscales: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper corners (`d` each) around `center` in the unit cube.

        Sides are proportional to the length scales, whose geometric mean is put to 1.
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
            n: How many.
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


def n_candidates(dimension: int) -> int:
    """How many points Thompson sampling looks at: min(5000, max(2000, 200 d)).

    >>> n_candidates(5), n_candidates(128)
    (2000, 5000)
    """
    return min(5000, max(2000, 200 * dimension))
