"""The models of a panel of assays, fitted: what they predict, and what a measurement would tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit, logit

from molvae.models.panel import PanelRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from molvae.latent.panel_kernel import KernelRidges
    from molvae.models.panel import PanelVAE

    Array = NDArray[np.float64]

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
        rest = np.where(known, (units - np.where(self.binary, sure, expected)) / self.spread, 0.0)
        parts = (
            np.concatenate([scaled, expected], axis=1),
            np.where(self.binary, logit(sure), expected),
            rest,
        )
        told = [torch.from_numpy(part.astype(np.float32)) for part in parts]
        return PanelRows(*told, torch.from_numpy(known), torch.from_numpy(self.binary))

    def predict(self, cells: Any = None) -> tuple[Array, Array]:
        """Mean and variance of every cell, `n x p` each: measured ones are what they are, with variance 0.

        Args:
            cells: Of other molecules: substructures, z, values, and which of ours each is (or -1).
        """

        def answer(rows: PanelRows, values: Array, expected: NDArray[np.float32]) -> tuple[Array, Array]:
            found = [member.predict(rows, rows.known) for member in self.members]
            means, variances = (np.stack([part[i].double().numpy() for part in found]) for i in (0, 1))
            told = rows.known.numpy().any(axis=1).astype(int)
            mean, variance = self.in_their_units(
                means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0), expected, told
            )
            return np.where(np.isfinite(values), values, mean), np.where(np.isfinite(values), 0.0, variance)

        return self._in_parts(cells, answer)

    def gains(self, cells: Any = None) -> tuple[Array, Array]:
        """Variance that a measurement of each empty cell takes from all empty cells of its row; and zeros."""
        size = np.where(self.binary, 0.5, self.spread)  # of a step of the decoder, in the assay's own spread

        def answer(rows: PanelRows, values: Array, _: NDArray[np.float32]) -> tuple[Array, Array]:
            empty, total = ~np.isfinite(values), np.zeros(values.shape)
            for member in self.members:
                shared, noise = (part.numpy() for part in member.shared_variance(rows, rows.known))
                own = np.einsum("npp->np", shared) + np.where(self.binary, 1.0, noise)
                total += np.einsum("npq,nq->np", (shared * size) ** 2, empty) / own
            return np.where(empty, total / len(self.members), np.nan), np.zeros(values.shape)

        return self._in_parts(cells, answer)

    def in_their_units(
        self,
        mean: Array,
        variance: Array,
        expected: NDArray[np.floating],
        told: NDArray[np.integer],
        columns: Any = slice(None),
    ) -> tuple[Array, Array]:
        """Corrections `... x p` (or of single columns) as values of the assays, and their variance.

        Args:
            mean: Of the correction.
            variance: Likewise.
            expected: What it corrects, in units.
            told: 1 for rows of which some value is known, else 0.
            columns: The columns that these are.
        """
        trust, widening = self.trust[told][..., columns], self.widening[told][..., columns]
        if not isinstance(columns, slice):
            trust, widening = self.trust[told, columns], self.widening[told, columns]
        binary, spread = self.binary[columns], self.spread[columns]
        moved = trust * mean
        odds = logit(np.clip(expected, _SURE, 1 - _SURE)) + moved
        probability = expit(odds / np.sqrt(1.0 + np.pi / 8.0 * variance))  # MacKay 1992
        value = self.center[columns] + self.scale[columns] * (expected + moved * spread)
        square = variance * widening * (self.scale[columns] * spread) ** 2
        return (
            np.where(binary, probability, value),
            np.where(binary, probability * (1.0 - probability), square),
        )

    def _in_parts(
        self, cells: Any, answer: Callable[[PanelRows, Array, NDArray[np.float32]], tuple[Array, Array]]
    ) -> tuple[Array, Array]:
        parts = [answer(self.rows(*part), part[2], part[1]) for part in self._parts(cells)]
        first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
        return first, second

    def _parts(self, cells: Any) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], Array]]:
        """Latent vectors, expectations and values, some rows at a time."""
        z, expected, values = self.z, self.expected, self.values
        if cells is not None:
            multisets, z, values, known = cells
            expected, ours = self.ridges.predict(multisets), known >= 0
            expected[ours] = self.expected[known[ours]]
            values = values.copy()
            values[ours] = np.where(np.isfinite(values[ours]), values[ours], self.values[known[ours]])
        for start in range(0, len(z), _ROWS):
            stop = start + _ROWS
            yield z[start:stop], expected[start:stop], values[start:stop]
