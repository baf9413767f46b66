"""The fitted models of a panel of assays: predictions, and the information gain of a measurement."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit, logit

from molvae.chemistry.fingerprints import count_entries
from molvae.models.panel import PanelRows, PanelVAE
from molvae.optimization.similarities import MinMaxGallery, Multisets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.chemistry.molecule import Molecule

    Array = NDArray[np.float64]

LARGEST = 6.0
"""Values are clipped here, in units of their assay's spread."""
_WIDTH = 4096  # of the folded Morgan counts
_SURE = 0.02  # probabilities are clipped this far from 0 and 1 before the logit
_ROWS = 1024  # predicted at once


def substructures(molecules: Sequence[Molecule]) -> Multisets:
    """Morgan count fingerprints of molecules."""
    return Multisets.of_entries(*count_entries(molecules, n_features=_WIDTH), width=_WIDTH)


@dataclass(frozen=True)
class KernelRidges:
    """Fitted kernel ridge regressions, in dual form over the `m` molecules used by any of them."""

    multisets: Multisets  # substructures of these molecules, m
    dual: NDArray[np.float32]  # weight of each in each assay, m x p; 0 where it was not measured
    constant: NDArray[np.float32]  # mean of each assay, p

    def predict(self, multisets: Multisets) -> NDArray[np.float32]:
        """Predictions for other molecules, `n x p`."""
        gallery = MinMaxGallery(self.multisets)
        parts = [np.empty((0, len(self.constant)), dtype=np.float32)]
        for start in range(0, len(multisets), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(multisets)))
            similar = gallery.similarities(multisets.take(rows)).astype(np.float32)
            parts.append(similar @ self.dual + self.constant)
        return np.concatenate(parts)


@dataclass(frozen=True)
class AssayFigures:
    """Accuracy on held-out cells of an assay, each predicted from the other values of its molecule.

    Attributes:
        name: The assay.
        kind: "number", or "0/1" for one whose values are predicted as probabilities.
        n: Measured values.
        held_out: How many of them were held out.
        r2: Coefficient of determination.
        r2_alone: The same from the molecule alone, as for a compound without measurements.
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
    """Molecules to predict: `n` distinct ones, `p` assays."""

    multisets: Multisets  # their substructures
    z: NDArray[np.float32]  # their latent vectors, n x d
    values: Array  # known values, n x p, NaN elsewhere
    known: NDArray[np.int64]  # index of each in the fitted table, -1 if not in it, n


@dataclass(frozen=True)
class PanelFit:
    """The fitted models of a table of `n` molecules and `p` assays."""

    names: tuple[str, ...]  # the assays, sorted
    binary: NDArray[np.bool_]  # which of them hold 0 and 1, p
    center: Array  # median of each, 0 for 0/1, p
    scale: Array  # robust spread of each, 1 for 0/1, p
    spread: Array  # of the residuals of the ridge regressions, in units of `scale`, p
    trust: Array  # factor of the autoencoder's correction, without and with other values, 2 x p
    widening: Array  # factor of the variances, likewise, 2 x p
    ridges: KernelRidges  # one regression for each assay
    members: tuple[PanelVAE, ...]  # the autoencoders
    z_center: NDArray[np.float32]  # mean of the latent vectors, d
    z_scale: NDArray[np.float32]  # their standard deviations, d
    z: NDArray[np.float32]  # latent vectors, n x d
    values: Array  # as measured, n x p, NaN where not
    expected: NDArray[np.float32]  # leave-one-out predictions of the ridges, scaled, n x p
    figures: tuple[AssayFigures, ...]  # accuracy by assay

    def rows(self, z: NDArray[np.float32], expected: NDArray[np.float32], values: Array) -> PanelRows:
        """Molecules as input of the autoencoders."""
        known = np.isfinite(values)
        scaled = np.nan_to_num((z - self.z_center) / self.z_scale)  # the mean for what cannot be encoded
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
        """Mean and variance of every cell, `n x p` each; measured values have variance 0."""
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
        """Reduction in variance of all empty cells of a row by measuring each of them, `n x p`.

        Each assay in units of its spread; NaN where there is a value.
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
        """Predicted values and variances from corrections: of all assays, `n x p`, or of cells, `c`.

        The corrections are added to `expected` (scaled); `informed` is 1 where some value of the molecule is
        known, else 0, `n x 1` or `c`; `columns` are the assays of the cells.
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
        """Latent vectors, ridge predictions and values, in batches of rows."""
        z, expected, values = self.z, self.expected, self.values
        if cells is not None:
            known, z, values = cells.known, cells.z, cells.values.copy()
            expected, ours = self.ridges.predict(cells.multisets), known >= 0
            expected[ours] = self.expected[known[ours]]
            values[ours] = np.where(np.isfinite(values[ours]), values[ours], self.values[known[ours]])
        for start in range(0, len(z), _ROWS):
            stop = start + _ROWS
            yield z[start:stop], expected[start:stop], values[start:stop]

    def tensors(self) -> dict[str, Tensor]:
        """All arrays; names and figures are not included."""
        arrays = {
            **{f"ridge.{name}": getattr(self.ridges, name) for name in ("dual", "constant")},
            **{f"ridge.{name}": getattr(self.ridges.multisets, name) for name in ("keys", "offsets")},
            **{name: getattr(self, name) for name in _ARRAYS},
        }
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        for number, member in enumerate(self.members):
            tensors |= {f"member.{number}.{name}": tensor for name, tensor in member.state_dict().items()}
        return tensors

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        shape: tuple[int, int],
        *,
        names: tuple[str, ...],
        figures: tuple[AssayFigures, ...],
        n_members: int,
    ) -> PanelFit:
        """Restore from `tensors()`, for `n` molecules with `d` latent dimensions (`shape`), names sorted.

        Raises:
            KeyError: A tensor is missing.
            ValueError: A tensor has the wrong shape.
            RuntimeError: The same, in an autoencoder.
        """
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        (n, latent_size), p = shape, len(names)
        shapes: dict[str, tuple[int, ...]] = {
            "z": (n, latent_size),
            **dict.fromkeys(("binary", "center", "scale", "spread", "ridge.constant"), (p,)),
            **dict.fromkeys(("trust", "widening"), (2, p)),
            **dict.fromkeys(("values", "expected"), (n, p)),
            **dict.fromkeys(("z_center", "z_scale"), (latent_size,)),
            "ridge.dual": (len(arrays["ridge.offsets"]) - 1, p),
            "ridge.keys": (int(arrays["ridge.offsets"][-1]),),
        }
        for name, expected in shapes.items():
            if arrays[name].shape != expected:
                raise ValueError(f"'{name}' has shape {arrays[name].shape}, not {expected}")
        members = []
        for prefix in (f"member.{number}." for number in range(n_members)):
            members.append(PanelVAE(latent_size + p, p))
            own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            members[-1].load_state_dict(own)
        multisets = Multisets(arrays["ridge.keys"], arrays["ridge.offsets"], _WIDTH)
        return cls(
            names=names,
            **{name: arrays[name] for name in _ARRAYS},
            ridges=KernelRidges(multisets, arrays["ridge.dual"], arrays["ridge.constant"]),
            members=tuple(members),
            figures=figures,
        )


_ARRAYS = tuple(
    field.name for field in fields(PanelFit) if field.name not in {"names", "ridges", "members", "figures"}
)
