"""Figures of an evaluation: parity of predictions, calibration, property histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.errors import InputError
from molvae.reporting.figures import COLORS, GRID, SOFT, _dress, _figure, _save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

_MOST_DOTS = 3_000  # of one scatter
_BINS = 50
_EDGES = (0.1, 99.9)  # percentiles a histogram shows


def parity_plot(
    truth: np.ndarray,
    mean: np.ndarray,
    names: Sequence[str],
    target: Path,
    *,
    r_squared: Sequence[float] = (),
) -> None:
    """Draw predictions against the truth, one panel per property.

    Args:
        truth: `n x p`, NaN where missing.
        mean: `n x p`.
        names: The `p` properties.
        target: Where the picture goes.
        r_squared: Shown in the titles, if given.

    Raises:
        InputError: There is no pair to draw.
    """
    known = np.isfinite(truth) & np.isfinite(mean)
    if not known.any():
        raise InputError("no molecule has both a label and a prediction, so there is no parity to draw")
    figure = _figure(3.9 * len(names), 3.7)
    for column, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), column + 1)
        rows = np.flatnonzero(known[:, column])[:_MOST_DOTS]
        x, y = truth[rows, column], mean[rows, column]
        axes.scatter(x, y, s=6, alpha=0.35, lw=0, color=COLORS[0])
        if len(rows):
            ends = [min(x.min(), y.min()), max(x.max(), y.max())]
            axes.plot(ends, ends, color=SOFT, lw=1, ls="--")
        shown = f" (R² {r_squared[column]:.3f})" if len(r_squared) else ""
        _dress(axes, title=f"{name}{shown}", x="true", y="predicted")
    _save(figure, target)


def calibration_plot(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], target: Path) -> None:
    """Draw the coverage of central intervals against their level.

    Args:
        curves: Levels and coverage, `k` each, by property.
        target: Where the picture goes.
    """
    figure = _figure(4.4, 4.0)
    axes = figure.add_subplot(1, 1, 1)
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, ls="--")
    for color, (name, (levels, coverage)) in zip(COLORS, curves.items()):
        axes.plot(levels, coverage, color=color, lw=1.6, marker="o", ms=3, label=name)
    _dress(axes, title="calibration", x="level of the interval", y="share of truths inside")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, target)


def property_histograms(
    samples: np.ndarray, references: Mapping[str, np.ndarray], names: Sequence[str], target: Path
) -> None:
    """Draw how properties of samples are distributed, with those of references behind.

    Args:
        samples: `n x p`.
        references: `m x p` by name.
        names: The `p` properties.
        target: Where the picture goes.

    Raises:
        InputError: The samples have no value to draw.
    """
    if not np.isfinite(samples).any():
        raise InputError("no sample has a property to draw")
    figure = _figure(3.4 * len(names), 3.1)
    for column, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), column + 1)
        columns = {key: _finite(values[:, column]) for key, values in references.items()}
        _draw_histograms(axes, _finite(samples[:, column]), columns)
        _dress(axes, title=name, y="density" if column == 0 else None)
        axes.set_yticklabels([])
        if column == 0:
            axes.legend(frameon=False, fontsize=8)
    _save(figure, target)


def _draw_histograms(axes: Axes, own: np.ndarray, others: Mapping[str, np.ndarray]) -> None:
    everything = np.concatenate([own, *others.values()])
    if not len(everything):
        return
    low, high = np.percentile(everything, _EDGES)
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    for color, (name, values) in zip(COLORS[1:], others.items()):
        if len(values):
            axes.hist(
                values, edges, density=True, histtype="stepfilled", color=GRID, edgecolor=color, label=name
            )
    if len(own):
        axes.hist(own, edges, density=True, histtype="step", color=COLORS[0], lw=1.6, label="samples")


def _finite(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.isfinite(values)])
