"""A model with a fixed library: decodes to the nearest molecule, encodes by lookup."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

CORES = ("c1ccccc1{}", "c1ccncc1{}", "C1CCCCC1{}", "CC{}", "CCCC{}", "c1ccsc1{}", "C1CCNCC1{}", "COC{}")
TAILS = (
    "C",
    "CC",
    "O",
    "N",
    "F",
    "C(=O)O",
    "C(=O)N",
    "C#N",
    "Cl",
    "OC",
    "CCO",
    "S(=O)(=O)N",
    "c1ccccc1",
    "CN(C)C",
)


class FakeModel:
    """112 molecules on a noisy grid in latent space: near points are similar, distant ones are not.

    Points outside the grid decode to invalid molecules.
    """

    latent_size = 6

    def __init__(self) -> None:
        self.molecules = [m for c, t in product(CORES, TAILS) if is_valid(m := parse(c.format(t)))]
        rng = np.random.default_rng(0)
        core, tail = rng.standard_normal((len(CORES), 6)), rng.standard_normal((len(TAILS), 6))
        grid = [core[i] + tail[j] for i, j in product(range(len(CORES)), range(len(TAILS)))]
        self.points = (np.array(grid) / np.sqrt(2.0)).astype(np.float32)
        self._row = {molecule.smiles: row for row, molecule in enumerate(self.molecules)}
        self.n_decoded = 0

    def encode(self, molecules: Sequence[Molecule]) -> np.ndarray:
        z = np.full((len(molecules), 6), np.nan, dtype=np.float32)
        for index, molecule in enumerate(molecules):
            if molecule.smiles in self._row:
                z[index] = self.points[self._row[molecule.smiles]]
        return z

    def decode(self, z: np.ndarray) -> list[Molecule | Invalid]:
        self.n_decoded += len(z)
        distance = ((z[:, None, :] - self.points[None]) ** 2).sum(-1)
        nearest = distance.argmin(1)
        far = distance.min(1) > 9.0
        return [Invalid("C(", "far out") if f else self.molecules[row] for row, f in zip(nearest, far)]

    def sample_latent(self, n: int, *, generator: np.random.Generator) -> np.ndarray:
        return generator.standard_normal((n, 6)).astype(np.float32)
