"""Paths between two molecules through latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from molvae.chemistry.depiction import grid_html
from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.errors import InputError, UsageError
from molvae.latent.neighbors import decode_near, readable
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.latent.codec import MolVAE

PathKind: TypeAlias = Literal["spherical", "linear"]
_JITTER = 0.1  # standard deviation of noise added to a point whose decode is invalid
_LEVEL = 0.3  # noise level of such a point, for a decoder trained with noise levels


@dataclass(frozen=True, slots=True)
class Waypoint:
    """One step of a path.

    Attributes:
        position: 0 at the start, 1 at the end.
        molecule: The decoded molecule.
        to_start: Tanimoto similarity to the start (count Morgan fingerprints of radius 3); NaN if invalid.
        to_end: Similarity to the end, likewise.
        n_decodes: Points decoded until one was valid; 1 if the point itself was.
    """

    position: float
    molecule: Molecule | Invalid
    to_start: float
    to_end: float
    n_decodes: int


class LatentPath(list[Waypoint]):
    """The waypoints in order; a notebook shows them as pictures."""

    def _repr_html_(self) -> str:
        found = [(w.molecule, w) for w in self if is_valid(w.molecule)]
        legends = [f"{w.position:.2f}: {w.to_start:.2f} | {w.to_end:.2f}" for _, w in found]
        caption = "position on the way, similarity to the start and to the end"
        return grid_html([molecule for molecule, _ in found], legends, caption)


def path_points(
    start: NDArray[np.floating], end: NDArray[np.floating], n_steps: int, kind: PathKind = "spherical"
) -> NDArray[np.float32]:
    """Points `n_steps x d` from one latent vector `d` to another, both included.

    A straight line between two samples of a high-dimensional normal passes through points of untypically
    small norm; the spherical path (White, arXiv:1609.04468) interpolates direction and norm separately.

    >>> [[round(float(x), 3) for x in p] for p in path_points(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 3)]
    [[2.0, 0.0], [1.414, 1.414], [0.0, 2.0]]
    >>> path_points(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 3, "linear").tolist()
    [[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    share = np.linspace(0.0, 1.0, n_steps)[:, None]
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    angle = 0.0
    if kind == "spherical" and min(lengths) > 0:
        angle = float(np.arccos(np.clip(a @ b / (lengths[0] * lengths[1]), -1.0, 1.0)))
    if np.sin(angle) < 1e-6:  # noqa: PLR2004 - the same or the opposite direction: no arc between them
        points = (1.0 - share) * a + share * b
    else:
        turned = np.sin((1.0 - share) * angle) * a / lengths[0] + np.sin(share * angle) * b / lengths[1]
        points = turned / np.sin(angle) * ((1.0 - share) * lengths[0] + share * lengths[1])
    return points.astype(np.float32)


def interpolate(
    model: MolVAE,
    start: str | Molecule,
    end: str | Molecule,
    *,
    n_steps: int = 9,
    kind: PathKind = "spherical",
    n_tries: int = 10,
    seed: int = 0,
) -> LatentPath:
    """Molecules on the path from one molecule to another.

    The ends are the reconstructions of the two molecules; if one is not exact, the similarities show it.

    Args:
        model: The model.
        start: SMILES or molecule.
        end: Likewise.
        n_steps: Points on the path, both ends included; at least 2.
        kind: Shape of the path.
        n_tries: Maximum number of decodes of a point, with a little noise after a failure.
        seed: Of that noise.

    Raises:
        InputError: An end is not a molecule.
        UsageError: Fewer than 2 steps.
    """
    if n_steps < 2:  # noqa: PLR2004 - both ends
        raise UsageError(f"a path has at least 2 steps, got {n_steps}")
    first, last = readable(model, [start, end])
    z = model.encode([first, last])
    if not np.isfinite(z).all():
        raise InputError("the model cannot read one of the two molecules", hint="It is too long.")
    points = path_points(z[0], z[1], n_steps, kind)
    molecules, n_decodes = _decode_with_tries(model, points, n_tries, Seeds(seed).numpy("interpolation"))
    return LatentPath(
        Waypoint(float(position), molecule, *_similarities(molecule, first, last), n)
        for position, molecule, n in zip(np.linspace(0, 1, n_steps), molecules, n_decodes, strict=True)
    )


def distinct(path: list[Waypoint]) -> list[Waypoint]:
    """The waypoints at which the path reaches a molecule for the first time; invalid ones are left out."""
    first: dict[str, Waypoint] = {}
    for waypoint in path:
        if is_valid(waypoint.molecule):
            first.setdefault(waypoint.molecule.smiles, waypoint)
    return list(first.values())


def _decode_with_tries(
    model: MolVAE, points: NDArray[np.float32], n_tries: int, generator: np.random.Generator
) -> tuple[list[Molecule | Invalid], list[int]]:
    molecules, n_decodes = model.decode(points, beam=True), [1] * len(points)
    for _ in range(n_tries - 1):
        failed = [row for row, molecule in enumerate(molecules) if not is_valid(molecule)]
        if not failed:
            break
        again = decode_near(model, points[failed], _JITTER, _LEVEL, generator)
        for row, molecule in zip(failed, again, strict=True):
            n_decodes[row] += 1
            molecules[row] = molecule if is_valid(molecule) else molecules[row]
    return molecules, n_decodes


def _similarities(molecule: Molecule | Invalid, first: Molecule, last: Molecule) -> tuple[float, float]:
    if not is_valid(molecule):
        return float("nan"), float("nan")
    to_first, to_last = tanimoto(molecule, [first, last]).tolist()
    return to_first, to_last
