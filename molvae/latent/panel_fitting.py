"""Fit the models of an assay panel, and evaluate them on held-out cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import norm, spearmanr

from molvae.evaluation.prediction import r_squared
from molvae.latent.panel_fit import LARGEST, AssayFigures, PanelFit, fit_kernel_ridges
from molvae.models.panel import HeldOut, PanelVAE, fit_panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.optimization.similarities import Multisets
    from molvae.progress import Progress
    from molvae.seeding import Seeds

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

_MEMBERS = 4  # each is trained without a quarter of the molecules, which decide when to stop and measure it
_N_HELD_OUT = 5000  # cells a member is judged by
_SHRINKAGE = 30  # cells at which an assay's own calibration counts as much as that of all assays
_WITHIN = 0.9
_REACH = float(norm.ppf(0.5 + _WITHIN / 2))  # standard deviations to the ends of the 90 % interval


@dataclass(frozen=True)
class Judged:
    """Cells of molecules that a member was not trained on, and what it says of them, `c` each.

    Attributes:
        row: Molecule of each.
        column: Assay of each.
        informed: 1 where other values of the molecule were shown, else 0.
        mean: Of the correction, in units of the spread.
        variance: Likewise.
    """

    row: Whole
    column: Whole
    informed: Whole
    mean: Array
    variance: Array


def fit_units(
    names: tuple[str, ...],
    multisets: Multisets,
    z: NDArray[np.float32],
    values: Array,
    seeds: Seeds,
    progress: Progress,
) -> PanelFit:
    """Fit ridges, autoencoders and their calibration on a table `n x p`, NaN where a cell is empty."""
    known = np.isfinite(values)
    names = tuple(sorted(names))
    binary = np.array([set(np.unique(values[known[:, j], j])) == {0.0, 1.0} for j in range(len(names))])
    center, scale = _location(values, binary)
    units = np.clip((values - center) / scale, -LARGEST, LARGEST)
    progress.start("fit assays one by one")
    ridges, expected = fit_kernel_ridges(multisets, units, seeds.numpy("panel-ridges"))
    rest = np.where(known, units - expected, 0.0)
    spread = np.sqrt(np.maximum((rest**2).sum(axis=0) / known.sum(axis=0), 1e-6))
    spread = np.where(binary, 1.0, spread)
    progress.finish("fit assays one by one")
    ones = np.ones((2, len(names)))
    z_center, z_scale = np.nanmean(z, axis=0), np.nanstd(z, axis=0) + 1e-6
    bare = PanelFit(
        names=names,
        binary=binary,
        center=center,
        scale=scale,
        spread=spread,
        trust=ones,
        widening=ones,
        ridges=ridges,
        members=(),
        z_center=z_center,
        z_scale=z_scale,
        z=z,
        values=values,
        expected=expected,
        figures=(),
    )
    members, judged = _members(bare, seeds, progress)
    return _calibrated(bare, members, judged)


def _location(values: Array, binary: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Median and robust spread of each column; the standard deviation where half the values are the same."""
    low, center, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
    deviation = np.nanstd(values, axis=0)
    robust = (high - low) / 1.349
    scale = np.where(robust > 0.1 * deviation, robust, deviation)
    return np.where(binary, 0.0, center), np.where(binary, 1.0, scale)


def _members(
    panel: PanelFit, seeds: Seeds, progress: Progress
) -> tuple[tuple[PanelVAE, ...], tuple[Judged, Judged]]:
    """The members, and their predictions of held-out cells: from the molecule, and from its other values."""
    rows = panel.rows(panel.z, panel.expected, panel.values)
    shuffled = seeds.numpy("panel-folds").permutation(len(rows))
    members: list[PanelVAE] = []
    judged: tuple[list[Judged], list[Judged]] = ([], [])
    progress.start("fit the panel", _MEMBERS)
    for number in range(_MEMBERS):
        out = np.sort(shuffled[number::_MEMBERS])
        cells = np.argwhere(np.isfinite(panel.values[out]))
        cells = cells[seeds.numpy("panel-cells", number).permutation(len(cells))[:_N_HELD_OUT]]
        row, column = out[cells[:, 0]], cells[:, 1]
        held_out = HeldOut(rows.take(torch.from_numpy(row)), torch.from_numpy(column))
        others = np.setdiff1d(shuffled, out)
        others = others[np.isfinite(panel.values[others]).any(axis=1)]
        model = PanelVAE(rows.features.shape[1], len(panel.names), seeds.integer("panel-weights", number))
        generator = seeds.torch("panel-training", number)
        members.append(fit_panel(model, rows.take(torch.from_numpy(others)), held_out, generator))
        shown = held_out.shown()
        for found, seen in zip(judged, (torch.zeros_like(shown), shown), strict=True):
            mean, variance = (part.double().numpy() for part in held_out.predict(model, seen))
            found.append(Judged(row, column, seen.any(dim=1).long().numpy(), mean, variance))
        progress.advance("fit the panel")
    progress.finish("fit the panel")
    alone, informed = (_joined(parts) for parts in judged)
    return tuple(members), (alone, informed)


def _joined(parts: list[Judged]) -> Judged:
    names = ("row", "column", "informed", "mean", "variance")
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _calibrated(panel: PanelFit, members: tuple[PanelVAE, ...], judged: tuple[Judged, Judged]) -> PanelFit:
    """Calibrate trust and variances on the held-out cells, and compute the figures of each assay."""
    row, column = judged[0].row, judged[0].column
    expected = panel.expected[row, column].astype(np.float64)
    truth = panel.values[row, column]
    units = np.clip((truth - panel.center[column]) / panel.scale[column], -LARGEST, LARGEST)
    rest = (units - expected) / panel.spread[column]
    trust, widening = np.ones((2, len(panel.names))), np.ones((2, len(panel.names)))
    for which, found in enumerate(judged):
        at = found.informed == which
        if at.any():
            of = (column[at], len(panel.names))
            trust[which] = np.where(panel.binary, 1.0, _trust(rest[at], found.mean[at], *of))
            error = rest[at] - trust[which][column[at]] * found.mean[at]
            widening[which] = _widening(np.abs(error) / np.sqrt(found.variance[at]), *of)
    fitted = replace(panel, members=members, trust=trust, widening=widening)
    predicted = [fitted.in_their_units(p.mean, p.variance, expected, p.informed, column) for p in judged]
    figures = [
        _figures(fitted, j, truth[column == j], [tuple(part[column == j] for part in p) for p in predicted])
        for j in range(len(panel.names))
    ]
    return replace(fitted, figures=tuple(figures))


def _trust(rest: Array, mean: Array, column: Whole, n: int) -> Array:
    """How much of the correction is right, by least squares, drawn towards what holds for all assays."""
    overall = np.clip((rest * mean).sum() / max((mean**2).sum(), 1e-12), 0.0, 1.0)
    right = np.bincount(column, rest * mean, minlength=n)
    square = np.bincount(column, mean**2, minlength=n)
    typical = (mean**2).mean()
    share = (right + _SHRINKAGE * typical * overall) / (square + _SHRINKAGE * max(typical, 1e-12))
    return np.asarray(np.clip(share, 0.0, 1.0))


def _widening(ratio: Array, column: Whole, n: int) -> Array:
    """Factor of the variance with which the 90 % interval holds 90 %, drawn towards that of all assays."""
    overall = np.quantile(ratio, _WITHIN) / _REACH
    factors = np.full(n, overall)
    for j in np.unique(column):
        own = ratio[column == j]
        weight = len(own) / (len(own) + _SHRINKAGE)
        factors[j] = weight * np.quantile(own, _WITHIN) / _REACH + (1 - weight) * overall
    return factors**2


def _figures(panel: PanelFit, column: int, y: Array, predicted: list[tuple[Array, ...]]) -> AssayFigures:
    (alone, _), (mean, variance) = predicted
    binary = bool(panel.binary[column])
    varied = len(y) > 1 and np.ptp(y) > 0
    inside = np.abs(y - mean) <= _REACH * np.sqrt(variance)
    return AssayFigures(
        panel.names[column],
        "0/1" if binary else "number",
        int(np.isfinite(panel.values[:, column]).sum()),
        len(y),
        r_squared(y, mean),
        r_squared(y, alone),
        float(spearmanr(y, mean)[0]) if varied and np.ptp(mean) > 0 else np.nan,
        float(np.abs(y - mean).mean()) if len(y) else np.nan,
        float(inside.mean()) if len(y) and not binary else np.nan,
    )
