"""Scaling: standardization of scores, treatment of outliers."""

from __future__ import annotations

import math
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
        scale: Their standard deviation; their magnitude if they do not vary.
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
        return cls(mean, scale if scale > 1e-9 * abs(mean) else abs(mean) or 1.0)

    def to_unit(self, y: Tensor) -> Tensor:
        """Scores in units of their standard deviation."""
        return (y.double() - self.mean) / self.scale

    def from_unit(self, y: Tensor) -> Tensor:
        """Scores in their own units."""
        return y * self.scale + self.mean


_FAR = 5.0  # gaps to the next score, in ranges of all others
_BEYOND = 0.05  # how far beyond them such a score is put, in the same
_FEWEST = 8
_SHARE = 4  # at most a fourth of the scores is far
_DISCOVERIES = 100  # more good outliers than one in a hundred, if they differ, are a discovery


@dataclass(frozen=True)
class Tails:
    """Limits of the bulk of scores, to move outliers next to it.

    A docking program reports -357.8 where all others are between -10 and 0; a table has -1000 for failures.
    Such scores keep their rank and are moved just beyond all others. Other scores are unchanged.

    Attributes:
        low: Lowest score of the bulk; -inf without outliers.
        high: Highest score of the bulk.
        width: Its range.
        ends: Its lowest and highest score; infinite if there are too few scores.
    """

    low: float = -math.inf
    high: float = math.inf
    width: float = 1.0
    ends: tuple[float, float] = (-math.inf, math.inf)

    @classmethod
    def fit(cls, y: Tensor, *, high_is_good: bool) -> Tails:
        """The tails of the finite entries of `y` (n): beyond a gap of five times the range of the others."""
        values = torch.sort(y[torch.isfinite(y)].double()).values
        n = len(values)
        if n < _FEWEST:
            return cls()
        low, high = _bulk(values, n // _SHARE, n // _SHARE)
        good = values[high + 1 :] if high_is_good else values[:low]
        few = max(1, n // _DISCOVERIES)
        if len(good) > few and float(good[0]) != float(good[-1]):
            low, high = _bulk(values, *((n // _SHARE, few) if high_is_good else (few, n // _SHARE)))
        first, last = float(values[low]), float(values[high])
        cut = (first if low else -math.inf, last if high < n - 1 else math.inf)
        return cls(*cut, last - first, (first, last))

    def tamed(self, y: Tensor) -> Tensor:
        """Scores with outliers moved next to the bulk; increasing in `y`."""
        below, above = (self.low - y) / self.width, (y - self.high) / self.width
        near = torch.where(y < self.low, self.low - _BEYOND * self.width * below / (1 + below), y)
        return torch.where(y > self.high, self.high + _BEYOND * self.width * above / (1 + above), near)

    def beyond(self, value: float) -> int:
        """1 for a value far above the bulk, -1 far below, else 0."""
        reach = _FAR * self.width
        return int(value > self.ends[1] + reach) - int(value < self.ends[0] - reach)


def _bulk(values: Tensor, below: int, above: int) -> tuple[int, int]:
    """First and last of the sorted scores without a gap between them and the middle ones."""
    low, high, last = below, len(values) - 1 - above, len(values) - 1
    if values[high] <= values[low]:
        return 0, last
    while True:
        reach = _FAR * (values[high] - values[low])
        if low > 0 and values[low] - values[low - 1] <= reach:
            low -= 1
        elif high < last and values[high + 1] - values[high] <= reach:
            high += 1
        else:
            return low, high
