"""Fit the models of an assay panel, and evaluate them on held-out cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import norm, spearmanr

from molvae.evaluation.prediction import r_squared
from molvae.latent.panel_fit import LARGEST, AssayFigures, KernelRidges, PanelFit
from molvae.models.panel import HeldOut, PanelVAE, fit_panel
from molvae.optimization.similarities import MinMaxGallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.optimization.similarities import Multisets
    from molvae.progress import Progress
    from molvae.seeding import Seeds

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

_STRENGTHS = 10.0 ** np.arange(-2.0, 1.1, 0.5)
_N_CHOICE = 600  # rows used to choose the strength, by an eigendecomposition
_N_FIT = 2000  # rows an assay is fitted on: memory grows quadratically, time cubically
_MEMBERS = 4  # each holds out a quarter of the molecules, for early stopping and evaluation
_N_HELD_OUT = 5000  # held-out cells per member
_SHRINKAGE = 30  # cells at which an assay's own calibration counts as much as that of all assays
_WITHIN = 0.9
_REACH = float(norm.ppf(0.5 + _WITHIN / 2))  # standard deviations to the ends of the 90 % interval


@dataclass(frozen=True)
class Judged:
    """Held-out cells `c` and a member's predictions of them.

    There are two predictions, `2 x c`: from the molecule alone, and with its other values.
    """

    row: Whole  # molecule of each, c
    column: Whole  # assay of each, c
    informed: Whole  # 1 where there are other values and they were shown, else 0; 2 x c
    mean: Array  # of the correction, in units of the spread, 2 x c
    variance: Array  # likewise


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
    ridges, expected = _kernel_ridges(multisets, units, seeds.numpy("panel-ridges"))
    rest = np.where(known, units - expected, 0.0)
    spread = np.sqrt(np.maximum((rest**2).sum(axis=0) / known.sum(axis=0), 1e-6))
    spread = np.where(binary, 1.0, spread)
    progress.finish("fit assays one by one")
    ones = np.ones((2, len(names)))
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
        z_center=np.nanmean(z, axis=0),
        z_scale=np.nanstd(z, axis=0) + 1e-6,
        z=z,
        values=values,
        expected=expected,
        figures=(),
    )
    return _calibrated(bare, *_members(bare, seeds, progress))


def _kernel_ridges(
    multisets: Multisets, values: Array, generator: np.random.Generator
) -> tuple[KernelRidges, NDArray[np.float32]]:
    """Fit every assay on the molecules where it is known; values are `n x p`, NaN where not.

    Returns:
        fitted: The regressions.
        expected: Predictions, `n x p`; where a value was fitted, the exact leave-one-out prediction.
    """
    constant = np.nanmean(values, axis=0).astype(np.float32)
    dual = np.zeros(values.shape, dtype=np.float32)
    left_out = np.full(values.shape, np.nan, dtype=np.float32)
    for column in range(values.shape[1]):
        rows = np.flatnonzero(np.isfinite(values[:, column]))
        rows = np.sort(generator.permutation(rows)[:_N_FIT])
        chosen = multisets.take(rows)
        gram = MinMaxGallery(chosen).similarities(chosen)
        centered = values[rows, column] - constant[column]
        some = generator.permutation(len(rows))[:_N_CHOICE]
        gram[np.diag_indices_from(gram)] += _strength(gram[np.ix_(some, some)], centered[some])
        inverse = cho_solve(cho_factor(gram, lower=True), np.eye(len(rows)))
        weights = inverse @ centered
        dual[rows, column] = weights
        left_out[rows, column] = values[rows, column] - weights / np.diag(inverse)
    used = np.flatnonzero(dual.any(axis=1))
    fitted = KernelRidges(multisets.take(used), dual[used], constant)
    return fitted, np.where(np.isfinite(left_out), left_out, fitted.predict(multisets))


def _strength(gram: Array, centered: Array) -> float:
    """The strength with the smallest leave-one-out error."""
    values, vectors = np.linalg.eigh(gram)
    turned, squared = vectors.T @ centered, vectors**2
    errors = []
    for strength in _STRENGTHS:
        inverse = 1.0 / (np.maximum(values, 0.0) + strength)
        errors.append(float(np.square(vectors @ (inverse * turned) / (squared @ inverse)).mean()))
    return float(_STRENGTHS[int(np.argmin(errors))])


def _location(values: Array, binary: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Median and robust spread of each column; the standard deviation where half the values are the same."""
    low, center, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
    deviation = np.nanstd(values, axis=0)
    robust = (high - low) / 1.349
    scale = np.where(robust > 0.1 * deviation, robust, deviation)
    return np.where(binary, 0.0, center), np.where(binary, 1.0, scale)


def _members(panel: PanelFit, seeds: Seeds, progress: Progress) -> tuple[tuple[PanelVAE, ...], Judged]:
    """The members, and their predictions of held-out cells."""
    rows = panel.rows(panel.z, panel.expected, panel.values)
    shuffled = seeds.numpy("panel-folds").permutation(len(rows))
    members: list[PanelVAE] = []
    judged = []
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
        model = fit_panel(model, rows.take(torch.from_numpy(others)), held_out, generator)
        members.append(model)
        shown = held_out.shown()
        both = (torch.zeros_like(shown), shown)
        informed = torch.stack([seen.any(dim=1).long() for seen in both]).numpy()
        found = torch.stack([torch.stack(held_out.predict(model, seen)) for seen in both]).double().numpy()
        judged.append((row, column, informed, found[:, 0], found[:, 1]))
        progress.advance("fit the panel")
    progress.finish("fit the panel")
    return tuple(members), Judged(*(np.concatenate(parts, axis=-1) for parts in zip(*judged, strict=True)))


def _calibrated(panel: PanelFit, members: tuple[PanelVAE, ...], judged: Judged) -> PanelFit:
    """Calibrate trust and variances on the held-out cells, and compute the figures of each assay."""
    row, column = judged.row, judged.column
    expected = panel.expected[row, column].astype(np.float64)
    truth = panel.values[row, column]
    units = np.clip((truth - panel.center[column]) / panel.scale[column], -LARGEST, LARGEST)
    rest = (units - expected) / panel.spread[column]
    trust, widening = np.ones((2, len(panel.names))), np.ones((2, len(panel.names)))
    corrections = list(zip(judged.mean, judged.variance, judged.informed, strict=True))
    for which, (mean, variance, informed) in enumerate(corrections):
        at = informed == which
        if at.any():
            of = (column[at], len(panel.names))
            trust[which] = np.where(panel.binary, 1.0, _trust(rest[at], mean[at], *of))
            error = rest[at] - trust[which][column[at]] * mean[at]
            widening[which] = _widening(np.abs(error) / np.sqrt(variance[at]), *of)
    fitted = replace(panel, members=members, trust=trust, widening=widening)
    predicted = [fitted.in_their_units(m, v, expected, informed, column) for m, v, informed in corrections]
    figures = [
        _figures(fitted, j, truth[column == j], [tuple(part[column == j] for part in p) for p in predicted])
        for j in range(len(panel.names))
    ]
    return replace(fitted, figures=tuple(figures))


def _trust(rest: Array, mean: Array, column: Whole, n: int) -> Array:
    """Factor of the correction by least squares, shrunk towards that of all assays."""
    overall = np.clip((rest * mean).sum() / max((mean**2).sum(), 1e-12), 0.0, 1.0)
    right = np.bincount(column, rest * mean, minlength=n)
    square = np.bincount(column, mean**2, minlength=n)
    typical = (mean**2).mean()
    share = (right + _SHRINKAGE * typical * overall) / (square + _SHRINKAGE * max(typical, 1e-12))
    return np.asarray(np.clip(share, 0.0, 1.0))


def _widening(ratio: Array, column: Whole, n: int) -> Array:
    """Factor of the variance that gives the 90 % interval its coverage, shrunk towards that of all assays."""
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
