"""Analogues of a molecule, decoded around its latent vector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chemistry.depiction import grid_html
from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.data.columnar import arrow_stream
from molvae.errors import InputError, UsageError
from molvae.models.config import INFERENCE_STEPS
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.latent.codec import MolVAE
    from molvae.progress import Progress

RADII = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Radii at which similarity is measured, in posterior standard deviations."""
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The same for a decoder trained with noise levels: levels."""
FACT = "similarity_by_radius"
"""Key of the calibrated curve in a checkpoint's facts."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A molecule found around another.

    Attributes:
        molecule: The molecule.
        similarity: Tanimoto similarity to the parent (count Morgan fingerprints of radius 3).
        n_found: Number of points that decoded to it.
    """

    molecule: Molecule
    similarity: float
    n_found: int


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """The molecules found around a parent.

    Attributes:
        parent: The molecule.
        radius: Search radius, in posterior standard deviations; with noise levels, the level.
        neighbors: Distinct molecules other than the parent, the most similar first.
        n_draws: Points decoded.
        n_valid: Valid ones among them.
        n_parent: Those that decoded to the parent itself.
    """

    parent: Molecule
    radius: float
    neighbors: list[Neighbor]
    n_draws: int
    n_valid: int
    n_parent: int

    def _repr_html_(self) -> str:
        drawn = [self.parent, *(neighbor.molecule for neighbor in self.neighbors)]
        legends = ["parent", *(f"{neighbor.similarity:.2f}" for neighbor in self.neighbors)]
        caption = f"{self.n_draws} draws, {self.n_valid} valid, {self.n_parent} the molecule itself"
        return grid_html(drawn, legends, caption)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The neighbors as a table."""
        columns: dict[str, list[Any]] = {
            "smiles": [neighbor.molecule.smiles for neighbor in self.neighbors],
            "similarity": [neighbor.similarity for neighbor in self.neighbors],
            "found": [neighbor.n_found for neighbor in self.neighbors],
        }
        return arrow_stream(columns, requested_schema)


@dataclass(frozen=True, slots=True)
class SimilarityCurve:
    """Mean similarity of decoded molecules to their parent by radius, on held-out molecules."""

    radius: tuple[float, ...]  # increasing, in posterior standard deviations; with noise levels, levels
    similarity: tuple[float, ...]  # mean Tanimoto of the valid molecules at each, the parent itself included
    validity: tuple[float, ...]  # share of valid decodes at each
    n_molecules: int  # number of parents

    def radius_for(self, similarity: float) -> float:
        """The smallest radius at which the mean similarity falls to `similarity`, within the measured range.

        >>> SimilarityCurve((0.5, 1.0, 2.0), (0.9, 0.7, 0.3), (1, 1, 1), 9).radius_for(0.5)
        1.5
        """
        falling = np.minimum.accumulate(self.similarity)[::-1]
        return float(np.interp(similarity, falling, self.radius[::-1]))

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> SimilarityCurve:
        """Read the curve from a checkpoint's facts.

        Raises:
            UsageError: The checkpoint was not calibrated.
        """
        fact = facts.get(FACT)
        if fact is None:
            raise UsageError(
                "this checkpoint has no calibrated similarity by radius",
                hint="Give a radius, or run 'molvae calibrate' on it once.",
            )
        radius, similarity, validity = (tuple(fact[name]) for name in ("radius", "similarity", "validity"))
        return cls(radius, similarity, validity, fact["n_molecules"])


def readable(model: MolVAE, molecules: Sequence[str | Molecule]) -> list[Molecule]:
    """Molecules, standardized like the model's training data; `InputError` if one is invalid."""
    found = []
    for item in model.prepare(molecules):
        if isinstance(item, Invalid):
            raise InputError(f"'{item.text}' is not a molecule: {item.reason}", hint=item.pointer() or None)
        found.append(item)
    return found


def decode_near(
    model: MolVAE,
    z: NDArray[np.float32],
    spread: float | NDArray[np.float32],
    level: float,
    generator: np.random.Generator,
) -> list[Molecule | Invalid]:
    """Molecules near latent vectors `n x d`, one each.

    A decoder trained with noise levels decodes the vectors at a level; others decode `z + spread * noise`.
    """
    if model.noise_levels:
        return model.decode(z, noise=level, seed=int(generator.integers(2**31)))
    return model.decode(z + spread * generator.standard_normal(z.shape, dtype=np.float32))


def usual_radius(model: MolVAE) -> float:
    """The default radius: a noise level of 0.5, or one posterior standard deviation."""
    return 0.5 if model.noise_levels else 1.0


def neighborhood(
    model: MolVAE,
    parent: str | Molecule,
    *,
    radius: float | None = None,
    n_draws: int = 200,
    seed: int = 0,
) -> Neighborhood:
    """Decode points around a molecule.

    A decoder trained with noise levels decodes the posterior mean at a level; others decode points
    `mu + radius * sigma * noise`, with the posterior's sigma.

    Args:
        model: The model.
        parent: SMILES or molecule.
        radius: With noise levels, the level, 0 to 1 (0.5 if not given); otherwise posterior standard
            deviations (1 if not given, the posterior itself).
        n_draws: Points decoded.
        seed: Of the draws.

    Raises:
        InputError: The parent is not a molecule, or the model cannot read it.
        UsageError: The radius is not a noise level.
    """
    (molecule,) = readable(model, [parent])
    mu, sigma = model.posterior([molecule], inference_steps=INFERENCE_STEPS)
    if not np.isfinite(mu).all():
        raise InputError(f"the model cannot read {molecule.smiles}", hint="It is too long.")
    radius = usual_radius(model) if radius is None else radius
    around = mu.repeat(n_draws, axis=0)
    decoded = decode_near(model, around, np.float32(radius) * sigma, radius, Seeds(seed).numpy("neighbors"))
    counts = Counter(item for item in decoded if is_valid(item))
    others = [item for item in counts if item != molecule]
    similarities = tanimoto(molecule, others).tolist() if others else []
    neighbors = [Neighbor(item, s, counts[item]) for item, s in zip(others, similarities, strict=True)]
    neighbors.sort(key=lambda neighbor: (-neighbor.similarity, neighbor.molecule.smiles))
    return Neighborhood(molecule, radius, neighbors, n_draws, counts.total(), counts[molecule])


def measure_similarity(
    model: MolVAE,
    molecules: Sequence[str | Molecule],
    *,
    n_draws: int = 5,
    seed: int = 0,
    progress: Progress = SILENT,
) -> SimilarityCurve:
    """Measure how similarity falls with the radius, on held-out molecules.

    The radii are `LEVELS` for a decoder trained with noise levels, else `RADII`; around each molecule that
    the model can read, `n_draws` points are decoded at each.

    Raises:
        InputError: None of the molecules can be read.
    """
    mu, sigma = model.posterior(molecules, inference_steps=INFERENCE_STEPS)
    prepared = model.prepare(molecules)
    rows = [row for row, item in enumerate(prepared) if is_valid(item) and np.isfinite(mu[row]).all()]
    if not rows:
        raise InputError("none of the molecules to calibrate on can be read")
    parents = [item for row in rows if is_valid(item := prepared[row])]
    generator = Seeds(seed).numpy("similarity-curve")
    similarity, validity = [], []
    radii = LEVELS if model.noise_levels else RADII
    progress.start("similarity by radius", len(radii))
    for radius in radii:
        around, spread = (part[rows].repeat(n_draws, axis=0) for part in (mu, np.float32(radius) * sigma))
        decoded = decode_near(model, around, spread, radius, generator)
        of = np.repeat(np.arange(len(rows)), n_draws)
        found = [
            float(tanimoto(parents[parent], [item])[0])
            for parent, item in zip(of, decoded, strict=True)
            if is_valid(item)
        ]
        similarity.append(float(np.mean(found)) if found else 0.0)
        validity.append(len(found) / len(decoded))
        progress.advance("similarity by radius")
    progress.finish("similarity by radius")
    return SimilarityCurve(radii, tuple(similarity), tuple(validity), len(rows))
