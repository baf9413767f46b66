"""Figures from records: learning curves, progress of a search, a Pareto front; PNG or SVG by suffix."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from molvae.errors import InputError, UsageError, suggest
from molvae.persistence.files import write_atomically
from molvae.progress import read_events
from molvae.reporting.training_curves import flat_record, panels, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
Direction = Literal["maximize", "minimize", "at_most", "at_least", "part"]

INK, SOFT, GRID = "#1b1f24", "#57606a", "#d8dee4"
FEW_POINTS = 30  # points that are drawn as dots on their line
COLORS = ("#0b6bcb", "#d9480f", "#2b8a3e", "#7048e8", "#c2255c", "#0c8599")


@dataclass(frozen=True)
class Track:
    """The scores of one objective in the order they were paid for.

    Attributes:
        name: The objective.
        values: n raw values, NaN where the oracle had none.
        direction: What is wanted of it.
        bound: The bound of `at_most` and `at_least`.
    """

    name: str
    values: np.ndarray
    direction: Direction = "maximize"
    bound: float | None = None


def learning_curves(metrics: Path, target: Path) -> None:
    """Draw what a training run logged in its `metrics.jsonl`, one panel per kind of figure.

    Raises:
        InputError: The log has no epoch yet.
    """
    epochs = [flat_record(record) for record in read_events(metrics, "epoch")]
    drawn = panels(epochs)
    if not drawn:
        raise InputError(f"{metrics} has no finished epoch to draw yet")
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = _figure(4.4 * columns, 3.1 * rows)
    for index, (title, names) in enumerate(drawn):
        axes = figure.add_subplot(rows, columns, index + 1)
        for color, name in enumerate(names):
            points = [
                (_number(record["epoch"]), _number(record[name])) for record in epochs if name in record
            ]
            x, y = np.array(points, dtype=float).T
            axes.plot(
                x,
                y,
                color=_color(color),
                marker="o" if len(x) < FEW_POINTS else None,
                ms=3,
                lw=1.6,
                label=words(name),
            )
        _dress(axes, title=title, x="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(names) > 1:
            axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    _save(figure, target)


def optimization_progress(tracks: Sequence[Track], target: Path, *, n_start: int = 0, top: int = 10) -> None:
    """Draw best-so-far and mean of the best `top` against oracle calls, one panel per objective.

    Args:
        tracks: Objectives, each with its n values in call order.
        target: Where the picture goes.
        n_start: Calls that belong to the start set; shaded.
        top: How many of the best are averaged.

    Raises:
        InputError: There is no score to draw.
    """
    if not any(np.isfinite(track.values).any() for track in tracks):
        raise InputError("no oracle call has succeeded yet, so there is no progress to draw")
    columns = min(3, len(tracks))
    rows = -(-len(tracks) // columns)
    figure = _figure(5.2 * columns, 3.6 * rows)
    for index, track in enumerate(tracks):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_track(axes, track, n_start=n_start, top=top)
    _save(figure, target)


def pareto_scatter(
    values: np.ndarray,
    names: tuple[str, str],
    directions: tuple[Direction, Direction],
    target: Path,
    *,
    front: np.ndarray | None = None,
    n_start: int = 0,
) -> None:
    """Draw two objectives against one another with their non-dominated front.

    Args:
        values: n x 2 raw values, NaN where the oracle had none.
        names: The two objectives.
        directions: What is wanted of each.
        target: Where the picture goes.
        front: n mask of the non-dominated points; computed from `values` when absent.
        n_start: The first so many points belong to the start set.
    """
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        raise InputError("no molecule has both scores, so there is no front to draw")
    signs = np.array([-1.0 if way in ("minimize", "at_most") else 1.0 for way in directions])
    mask = _non_dominated(values * signs) if front is None else front & known
    start = np.arange(len(values)) < n_start
    figure = _figure(5.6, 4.4)
    axes = figure.add_subplot(1, 1, 1)
    others = known & ~mask
    for chosen, color, label in ((others & start, "#adb5bd", "start"), (others & ~start, COLORS[0], "found")):
        if chosen.any():
            axes.scatter(
                values[chosen, 0], values[chosen, 1], s=14, color=color, alpha=0.6, lw=0, label=label
            )
    line = values[mask][np.argsort(values[mask][:, 0])]
    axes.plot(*line.T, color=COLORS[1], lw=1.2, marker="o", ms=5, label="Pareto front")
    _dress(axes, x=_axis(names[0], directions[0]), y=_axis(names[1], directions[1]))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    _save(figure, target)


def _draw_track(axes: Axes, track: Track, *, n_start: int, top: int) -> None:
    calls = np.arange(1, len(track.values) + 1)
    known = np.isfinite(track.values)
    axes.scatter(calls[known], track.values[known], s=8, color=SOFT, alpha=0.35, lw=0, label="each call")
    if track.direction in ("maximize", "minimize"):
        sign = 1.0 if track.direction == "maximize" else -1.0
        best, mean = _best_so_far(sign * track.values, top)
        axes.plot(calls, sign * best, color=COLORS[0], lw=2, drawstyle="steps-post", label="best so far")
        axes.plot(
            calls, sign * mean, color=COLORS[1], lw=1.6, drawstyle="steps-post", label=f"mean of top {top}"
        )
    elif track.bound is not None:
        axes.axhline(track.bound, color=COLORS[1], lw=1.4, ls="--", label=f"bound {track.bound:g}")
    if n_start:
        axes.axvspan(0.5, n_start + 0.5, color=GRID, alpha=0.6, lw=0, label="start set")
    _dress(axes, title=_axis(track.name, track.direction), x="oracle calls")
    axes.set_xlim(0.5, max(len(calls), 2) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, loc="best", labelcolor=INK)


def _best_so_far(values: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Running maximum and running mean of the `top` largest, each n; NaN before there are so many."""
    best, mean = np.full(len(values), np.nan), np.full(len(values), np.nan)
    kept: list[float] = []
    for index, value in enumerate(values):
        if np.isfinite(value):
            kept = sorted([*kept, float(value)], reverse=True)[:top]
        best[index] = kept[0] if kept else np.nan
        mean[index] = float(np.mean(kept)) if len(kept) == top else np.nan
    return best, mean


def _non_dominated(gains: np.ndarray) -> np.ndarray:
    """Mask (n) of rows no other row beats in both columns; rows with NaN are never on the front."""
    mask: np.ndarray = np.isfinite(gains).all(axis=1)
    order = np.lexsort((-gains[:, 1], -gains[:, 0]))
    highest = -np.inf
    for index in order:
        if mask[index]:
            mask[index] = gains[index, 1] > highest
            highest = max(highest, gains[index, 1])
    return mask


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _dress(axes: Axes, *, title: str | None = None, x: str | None = None, y: str | None = None) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=SOFT, labelsize=8)
    axes.grid(color=GRID, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, fontsize=10, color=INK, loc="left")
    if x:
        axes.set_xlabel(x, fontsize=9, color=SOFT)
    if y:
        axes.set_ylabel(y, fontsize=9, color=SOFT)


def _axis(name: str, direction: Direction) -> str:
    return f"{_shortened(name)} ({direction.replace('_', ' ')})"


def _shortened(name: str, limit: int = 40) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _color(index: int) -> str:
    return COLORS[index % len(COLORS)]


def _save(figure: Figure, target: Path) -> None:
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot draw '{target}': a picture ends with {' or '.join(SUFFIXES)}{suggest(suffix, SUFFIXES)}"
        )
    buffer = BytesIO()
    metadata = {"Date": None} if suffix == ".svg" else {"Software": None}  # same data, same bytes
    figure.savefig(buffer, format=suffix[1:], dpi=144, metadata=metadata)
    write_atomically(target, buffer.getvalue())
