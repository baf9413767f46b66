"""Folded Morgan counts as a matrix, for baseline models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rdkit.Chem import rdFingerprintGenerator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule


def count_matrix(
    molecules: Sequence[Molecule], *, radius: int = 3, n_features: int = 2048
) -> NDArray[np.float32]:
    """Counts of the atom environments of each molecule, `n x f`."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=n_features)
    rows = [generator.GetCountFingerprintAsNumPy(molecule.mol) for molecule in molecules]
    return np.array(rows, dtype=np.float32).reshape(len(rows), n_features)
