"""The fitted models of a panel of assays: predictions, and the information gain of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from molvae.chemistry.fingerprints import count_entries
from molvae.models.panel import PanelRows
from molvae.optimization.similarities import MinMaxGallery, Multisets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.models.panel import PanelVAE

    Array = NDArray[np.float64]

WIDTH = 4096
"""Of the folded Morgan counts."""

_STRENGTHS = 10.0 ** np.arange(-2.0, 1.1, 0.5)
_N_CHOICE = 600  # rows the strength is chosen on, which takes an eigendecomposition
_N_FIT = 2000  # rows an assay is fitted on: memory grows with their square, time with their cube


@dataclass(frozen=True)
class KernelRidges:
    """The fitted regressions: sums over the molecules that any of them was fitted on.

    Attributes:
        multisets: Substructures of these molecules, `m`.
        dual: Weight of each in each assay, `m x p`; 0 where it was not measured.
        constant: Mean of each assay, `p`.
    """

    multisets: Multisets
    dual: NDArray[np.float32]
    constant: NDArray[np.float32]

    def predict(self, multisets: Multisets) -> NDArray[np.float32]:
        """Predictions for other molecules, `n x p`."""
        gallery = MinMaxGallery(self.multisets)
        parts = [np.empty((0, len(self.constant)), dtype=np.float32)]
        for start in range(0, len(multisets), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(multisets)))
            similar = gallery.similarities(multisets.take(rows)).astype(np.float32)
            parts.append(similar @ self.dual + self.constant)
        return np.concatenate(parts)


def substructures(molecules: Sequence[Molecule]) -> Multisets:
    """The Morgan counts of molecules."""
    return Multisets.of_entries(*count_entries(molecules, n_features=WIDTH), width=WIDTH)


def fit_kernel_ridges(
    multisets: Multisets, values: NDArray[np.float64], generator: np.random.Generator
) -> tuple[KernelRidges, NDArray[np.float32]]:
    """Fit every assay on the molecules where it is known.

    Args:
        multisets: Of `n` molecules.
        values: `n x p`, NaN where not known.
        generator: Chooses the molecules where there are more than enough.

    Returns:
        fitted: The regressions.
        expected: `n x p`: where a value was fitted, what the others say of it (leave-one-out, which is exact
            and costs nothing), so that a value never helps to predict itself.
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


def _strength(gram: NDArray[np.float64], centered: NDArray[np.float64]) -> float:
    """The strength with the smallest leave-one-out error."""
    values, vectors = np.linalg.eigh(gram)
    turned, squared = vectors.T @ centered, vectors**2
    errors = []
    for strength in _STRENGTHS:
        inverse = 1.0 / (np.maximum(values, 0.0) + strength)
        errors.append(float(np.square(vectors @ (inverse * turned) / (squared @ inverse)).mean()))
    return float(_STRENGTHS[int(np.argmin(errors))])


LARGEST = 6.0
"""Of a value in units of its assay's spread: what is beyond is taken for it."""

_SURE = 0.02  # a probability is kept this far from 0 and 1 before it becomes a logit
_ROWS = 1024  # predicted at once


@dataclass(frozen=True)
class AssayFigures:
    """How held-out cells of an assay were predicted, each from the other values of its molecule.

    Attributes:
        name: The assay.
        kind: "number", or "0/1" for one whose values are predicted as probabilities.
        n: Measured values.
        held_out: How many of them were held out.
        r2: 1 - squared error over that of the mean.
        r2_alone: The same from the molecule alone, as for a compound without any measurement.
        spearman: Rank correlation.
        mae: Mean absolute error.
        within_90: Share within the 90 % interval; NaN for 0/1.
    """

    name: str
    kind: str
    n: int
    held_out: int
    r2: float
    r2_alone: float
    spearman: float
    mae: float
    within_90: float


@dataclass(frozen=True)
class Cells:
    """Molecules to predict: `n` of them, all different, `p` assays.

    Attributes:
        multisets: Their substructures.
        z: Their latent vectors, `n x d`.
        values: What is known of them, `n x p`, NaN elsewhere.
        known: Which molecule of the fitted table each is, -1 for none of them, `n`.
    """

    multisets: Multisets
    z: NDArray[np.float32]
    values: Array
    known: NDArray[np.int64]


@dataclass(frozen=True)
class PanelFit:
    """What is learned from a table; `n` molecules, `p` assays.

    Attributes:
        names: The assays.
        binary: Which of them hold 0 and 1, `p`.
        center: Median of each, 0 for 0/1, `p`.
        scale: Robust spread of each, 1 for 0/1, `p`.
        spread: Of what the ridge regressions leave, in units of `scale`, `p`.
        trust: How much of the autoencoder's correction is applied, without and with other values, `2 x p`.
        widening: Factor of the variances, likewise, `2 x p`.
        ridges: One regression for each assay.
        members: The autoencoders.
        z_center: Mean of the latent vectors, `d`.
        z_scale: Their standard deviations, `d`.
        z: Latent vectors, `n x d`.
        values: As measured, `n x p`, NaN where not.
        expected: What the ridges expect, without the value itself, in units, `n x p`.
        figures: How good all this is, by assay.
    """

    names: tuple[str, ...]
    binary: NDArray[np.bool_]
    center: Array
    scale: Array
    spread: Array
    trust: Array
    widening: Array
    ridges: KernelRidges
    members: tuple[PanelVAE, ...]
    z_center: NDArray[np.float32]
    z_scale: NDArray[np.float32]
    z: NDArray[np.float32]
    values: Array
    expected: NDArray[np.float32]
    figures: tuple[AssayFigures, ...]

    def rows(self, z: NDArray[np.float32], expected: NDArray[np.float32], values: Array) -> PanelRows:
        """Molecules as the autoencoders read them."""
        known = np.isfinite(values)
        scaled = np.nan_to_num((z - self.z_center) / self.z_scale)  # of what cannot be encoded: average
        sure = np.clip(expected, _SURE, 1 - _SURE)
        units = np.clip((values - self.center) / self.scale, -LARGEST, LARGEST)
        rest = (units - np.where(self.binary, sure, expected)) / self.spread
        features, offset, residuals = (
            torch.from_numpy(part.astype(np.float32))
            for part in (
                np.concatenate([scaled, expected], axis=1),
                np.where(self.binary, logit(sure), expected),
                np.where(known, rest, 0.0),
            )
        )
        return PanelRows(features, offset, residuals, torch.from_numpy(known), torch.from_numpy(self.binary))

    def predict(self, cells: Cells | None = None) -> tuple[Array, Array]:
        """Mean and variance of every cell, `n x p` each: measured ones are what they are, with variance 0."""
        means, variances = [], []
        for z, expected, values in self._parts(cells):
            rows = self.rows(z, expected, values)
            found = [member.predict(rows, rows.known) for member in self.members]
            mean, variance = (np.stack([part[i].double().numpy() for part in found]) for i in (0, 1))
            informed = rows.known.any(dim=1, keepdim=True).long().numpy()
            mean, variance = self.in_their_units(
                mean.mean(axis=0), variance.mean(axis=0) + mean.var(axis=0), expected, informed
            )
            means.append(np.where(rows.known, values, mean))
            variances.append(np.where(rows.known, 0.0, variance))
        return np.concatenate(means), np.concatenate(variances)

    def gains(self, cells: Cells | None = None) -> Array:
        """Variance that a measurement of each empty cell takes from all empty cells of its row, `n x p`.

        Of each assay in units of its own spread; NaN where there is a value.
        """
        sizes = torch.from_numpy(np.where(self.binary, 0.5, self.spread)).float()
        gains = []
        for z, expected, values in self._parts(cells):
            rows = self.rows(z, expected, values)
            found = [member.gains(rows, rows.known, sizes).numpy() for member in self.members]
            gains.append(np.where(rows.known, np.nan, np.mean(found, axis=0, dtype=np.float64)))
        return np.concatenate(gains)

    def in_their_units(
        self,
        mean: Array,
        variance: Array,
        expected: NDArray[np.floating],
        informed: NDArray[np.integer],
        columns: Any = None,
    ) -> tuple[Array, Array]:
        """Corrections as values of the assays and their variance: of all assays `n x p`, or of cells `c`.

        Args:
            mean: Of the correction.
            variance: Likewise.
            expected: What it corrects, in units.
            informed: 1 where some value of the molecule is known, else 0; `n x 1` or `c`.
            columns: The assays of the cells, `c`.
        """
        columns = np.arange(len(self.names)) if columns is None else columns
        moved = self.trust[informed, columns] * mean
        odds = logit(np.clip(expected, _SURE, 1 - _SURE)) + moved
        probability = expit(odds / np.sqrt(1.0 + np.pi / 8.0 * variance))  # MacKay 1992
        step = self.scale[columns] * self.spread[columns]
        value = self.center[columns] + self.scale[columns] * expected + step * moved
        square = variance * self.widening[informed, columns] * step**2
        return (
            np.where(self.binary[columns], probability, value),
            np.where(self.binary[columns], probability * (1.0 - probability), square),
        )

    def _parts(self, cells: Cells | None) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], Array]]:
        """Latent vectors, expectations and values, some rows at a time."""
        z, expected, values = self.z, self.expected, self.values
        if cells is not None:
            known, z, values = cells.known, cells.z, cells.values.copy()
            expected, ours = self.ridges.predict(cells.multisets), known >= 0
            expected[ours] = self.expected[known[ours]]
            values[ours] = np.where(np.isfinite(values[ours]), values[ours], self.values[known[ours]])
        for start in range(0, len(z), _ROWS):
            stop = start + _ROWS
            yield z[start:stop], expected[start:stop], values[start:stop]
