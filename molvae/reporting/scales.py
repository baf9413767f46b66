"""Scales and bins of charts, and numbers, shares and dates as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_STEPS = (1.0, 2.0, 5.0, 10.0)
_LARGE, _THOUSAND, _SMALL = 1e6, 1e3, 1e-3  # outside these, numbers are written with an exponent
_MARGIN = 0.04  # of a range, added at both ends
_BINS, _FEWEST_BINS = 40, 8
_EDGES = (0.2, 99.8)  # percentiles a histogram shows


@dataclass(frozen=True)
class Scale:
    """A linear scale from data to page coordinates.

    Attributes:
        low: Data value at `start`.
        high: Data value at `end`; never equal to `low`.
        start: Coordinate of `low`.
        end: Coordinate of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def span(values: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    """The range of all finite values, with a margin; 0 to 1 without values.

    >>> span([np.array([1.0, np.nan]), np.array([3.0])])
    (0.92, 3.08)
    """
    parts = [part[np.isfinite(part)] for part in values]
    known = np.concatenate(parts) if parts else np.empty(0)
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    wide = high - low
    if wide <= 1e-12 * max(abs(low), abs(high), 1e-300):  # all the same
        wide = abs(low) or 1.0
        return low - wide / 2, high + wide / 2
    return low - _MARGIN * wide, high + _MARGIN * wide


def ticks(low: float, high: float, n: int = 5, *, whole: bool = False) -> list[float]:
    """About `n` round numbers within a range; whole numbers where they are counts.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(1, 4, whole=True)
    [1.0, 2.0, 3.0, 4.0]
    """
    raw = (high - low) / n
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((s * power for s in _STEPS), key=lambda s: abs(math.log(s / raw)))
    if whole:
        step = max(1.0, round(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the bins of a histogram, `k + 1`."""
    low, high = np.percentile(values, _EDGES)
    whole = bool((values == np.round(values)).all())
    if whole and high - low <= 2 * _BINS:  # counts: one bar each
        return np.asarray(np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0, 1.0))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    few = int(np.ceil(2 * np.sqrt(len(values))))  # with few numbers, narrow bins look like a comb
    return np.asarray(np.linspace(low, high, min(_BINS, max(_FEWEST_BINS, few)) + 1))


def bin_shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the values in each bin, `k`."""
    counts, _ = np.histogram(values, edges)
    return np.asarray(counts / max(len(values), 1), dtype=np.float64)


def shown(value: float | None) -> str:
    """A number with a few significant digits and thousands separators; a dash for a missing one.

    >>> [shown(v) for v in (0.94812, 336.02, 12345.6, 3e-7, 0.0, float("nan"), None)]
    ['0.948', '336', '12,346', '3e-07', '0', '-', '-']
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value and not _SMALL <= abs(value) < _LARGE:
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e12 else f"{value:.3g}"  # noqa: PLR2004
    if abs(value) >= _THOUSAND or value == round(value):
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.15g}"


def marks(values: Sequence[float]) -> list[str]:
    """Tick labels.

    >>> marks([0.0, 0.5, 1.0])
    ['0', '0.5', '1']
    """
    return [f"{value:,.10g}" if abs(value) < _LARGE else f"{value:.3g}" for value in values]


def percent(share: float | None) -> str:
    """A share in percent.

    >>> percent(0.1234), percent(None), percent(1.0)
    ('12.3 %', '-', '100 %')
    """
    if share is None or not math.isfinite(share):
        return "-"
    return f"{100 * share:.3g} %"


def moment(written: str | float) -> str:
    """A recorded time (ISO 8601, or seconds since 1970), in UTC to the minute.

    >>> moment("2026-11-22T13:49:09.123+00:00"), moment(0)
    ('2026-11-22 13:49 UTC', '1970-01-01 00:00 UTC')
    """
    if isinstance(written, str):
        time = datetime.fromisoformat(written)
    else:
        time = datetime.fromtimestamp(written, UTC)
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
