"""Pictures: the charts of runs, campaigns and evaluations as PNG or SVG files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from molvae.errors import InputError, UsageError, suggest
from molvae.persistence.files import write_atomically
from molvae.progress import read_events
from molvae.reporting.charts import Chart, Layer
from molvae.reporting.scales import bin_edges, bin_shares, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import matplotlib.axes

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.table import Row

SUFFIXES = (".png", ".svg")

_INK, _SOFT, _GRID = "#1b1f24", "#57606a", "#d8dee4"
_COLORS = dict(
    zip(
        ("c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "soft"),
        ("#0b6bcb", "#d9480f", "#2b8a3e", "#7048e8", "#c2255c", "#0c8599", "#8d6b00", _SOFT, _SOFT),
        strict=True,
    )
)
"""The colors of the style sheet of reports, in light mode."""
_ACROSS = 3  # charts in a row
_FEW = 30  # points of a line that are marked


def draw_learning_curves(metrics: Path, target: Path) -> None:
    """Draw the `metrics.jsonl` of a training run, one chart per kind of figure.

    Raises:
        InputError: The log has no epoch yet.
    """
    from molvae.reporting.training_report import curve_charts

    charts = curve_charts(read_events(metrics, "epoch"))
    if not charts:
        raise InputError(f"{metrics} has no finished epoch to draw yet")
    save_charts(charts, target)


def draw_progress(settings: CampaignSettings, table: Sequence[Row], target: Path) -> None:
    """Draw best and top-10 mean so far against oracle calls, and each objective.

    Raises:
        InputError: No call has given a score.
    """
    from molvae.reporting.campaign_progress import curves, progress_charts
    from molvae.reporting.campaign_standing import Standing

    standing = Standing(settings, table)
    if not np.isfinite(standing.matrix(standing.called)).any():
        raise InputError("no oracle call has succeeded yet, so there is no progress to draw")
    save_charts(progress_charts(standing, *curves(standing, None), {}), target)


def draw_front(settings: CampaignSettings, table: Sequence[Row], target: Path) -> bool:
    """Draw two goals with their Pareto front; False if there is nothing to draw."""
    from molvae.reporting.campaign_progress import front_charts
    from molvae.reporting.campaign_standing import Standing

    standing = Standing(settings, table)
    charts, _ = front_charts(standing, {})
    if len(charts) != 1:
        return False
    save_charts(charts, target)
    return True


def draw_parity(
    truth: np.ndarray, mean: np.ndarray, names: Sequence[str], target: Path, r_squared: Sequence[float]
) -> None:
    """Draw predictions against the truth (`n x p` each, NaN where missing), one chart per property."""
    known = np.isfinite(truth) & np.isfinite(mean)
    charts = []
    for column, name in enumerate(names):
        x, y = truth[known[:, column], column], mean[known[:, column], column]
        ends = span([x, y])
        title, dots = f"{name} (R² {r_squared[column]:.3f})", Layer(x, y, form="dots")
        charts.append(Chart([dots], "true", "predicted", title, x_range=ends, y_range=ends, diagonal=True))
    save_charts(charts, target)


def draw_calibration(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], target: Path) -> None:
    """Draw the coverage of central intervals against their level: both `k` numbers, by property."""
    layers = [Layer(*curve, name, color=f"c{k % 8}") for k, (name, curve) in enumerate(curves.items())]
    names = ("level of the interval", "share of truths inside", "calibration")
    save_charts([Chart(layers, *names, x_range=(0, 1), y_range=(0, 1), diagonal=True)], target)


def draw_histograms(
    samples: np.ndarray, references: Mapping[str, np.ndarray], names: Sequence[str], target: Path
) -> None:
    """Draw the distributions of properties of samples (`n x p`) and of references (`m x p` each)."""
    charts = []
    for column, name in enumerate(names):
        given = {"samples": samples, **references}
        values = {key: part[np.isfinite(part[:, column]), column] for key, part in given.items()}
        edges = bin_edges(np.concatenate(list(values.values())))
        layers = []
        for k, (key, part) in enumerate(values.items()):
            shares = np.append(bin_shares(part, edges), 0.0)
            layers.append(Layer(edges, shares, key, "steps", f"c{k % 8}"))
        charts.append(Chart(layers[::-1], name, "share", name))
    save_charts(charts, target)


def save_charts(charts: Sequence[Chart], target: Path) -> None:
    """Draw charts side by side into one file; the same charts give the same bytes.

    Raises:
        UsageError: The file is neither .png nor .svg.
        StorageError: It cannot be written; an existing file is intact.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot draw '{target}': a picture ends with {' or '.join(SUFFIXES)}{suggest(suffix, SUFFIXES)}"
        )
    across = min(_ACROSS, len(charts))
    down = -(-len(charts) // across)
    figure = Figure(figsize=(4.8 * across, 3.4 * down), layout="constrained", facecolor="white")
    for number, chart in enumerate(charts, start=1):
        _draw(figure.add_subplot(down, across, number), chart)
    buffer = BytesIO()
    metadata = {"Date": None} if suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "molvae"}):  # else the names inside an SVG are random
        figure.savefig(buffer, format=suffix[1:], dpi=144, metadata=metadata)
    write_atomically(target, buffer.getvalue())


def _draw(axes: matplotlib.axes.Axes, chart: Chart) -> None:
    if chart.band is not None:
        axes.axvspan(*chart.band[:2], color=_GRID, alpha=0.6, lw=0, label=chart.band[2])
    for value, name in chart.levels:
        axes.axhline(value, color=_SOFT, lw=1, ls="--", label=name)
    if chart.diagonal:
        axes.axline((0.0, 0.0), slope=1.0, color=_SOFT, lw=1, ls="--")
    for layer in chart.layers:
        known = np.isfinite(layer.x) & np.isfinite(layer.y)
        x, y, color, label = layer.x[known], layer.y[known], _COLORS[layer.color], layer.label or None
        if layer.form == "dots":
            axes.scatter(x, y, s=10, color=color, alpha=0.5, lw=0, label=label)
            continue
        step = "steps-post" if layer.form == "steps" else "default"
        marker = "o" if layer.form == "line" and len(x) <= _FEW else None
        dash = "--" if layer.dashed else "-"
        axes.plot(x, y, color=color, lw=1.6, ls=dash, drawstyle=step, marker=marker, ms=3, label=label)
    axes.set_xlim(chart.x_range)
    axes.set_ylim(chart.y_range)
    if chart.whole_x:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GRID)
    axes.tick_params(colors=_SOFT, labelsize=8)
    axes.grid(color=_GRID, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.set_title(chart.title, fontsize=10, color=_INK, loc="left")
    axes.set_xlabel(chart.x, fontsize=9, color=_SOFT)
    axes.set_ylabel(chart.y, fontsize=9, color=_SOFT)
    if sum(bool(layer.label) for layer in chart.layers) > 1:
        axes.legend(framealpha=0.8, edgecolor="none", fontsize=8, labelcolor=_INK)
