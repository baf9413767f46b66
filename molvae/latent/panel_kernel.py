"""What each assay says of a molecule by itself: kernel ridge regression on similar substructures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from molvae.chemistry.fingerprints import count_entries
from molvae.optimization.features import Multisets
from molvae.optimization.similarities import MinMaxGallery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule

WIDTH = 4096
"""Of the folded Morgan counts."""

_STRENGTHS = 10.0 ** np.arange(-2.0, 1.1, 0.5)
_N_CHOICE = 600  # rows the strength is chosen on, which takes an eigendecomposition
_N_FIT = 2000  # rows an assay is fitted on: memory grows with their square, time with their cube
_ROWS = 1024  # predicted at once


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
