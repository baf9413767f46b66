"""Attribute directions: change a property by moving along a latent vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import linalg

from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.errors import InputError
from molvae.latent.neighbors import decode_near
from molvae.models.config import INFERENCE_STEPS
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.latent.codec import MolVAE

DirectionMethod: TypeAlias = Literal["means", "ridge"]
_FEWEST = 20  # minimum number of molecules to learn a direction
_LEVEL = 0.3  # noise level of further tries, for a decoder trained with noise levels
_RIDGE = 1e-2  # times n, added to the scatter matrix of z


@dataclass(frozen=True, slots=True)
class Direction:
    """A direction in latent space along which an attribute grows, learned from `n` molecules."""

    name: str  # the attribute
    vector: NDArray[np.float32]  # step that raises it by one unit in a linear model, d
    method: DirectionMethod
    r2: float  # R2 of a linear model of the attribute on z, on these molecules
    n: int


@dataclass(frozen=True, slots=True)
class Shifted:
    """A molecule moved along a direction."""

    parent: Molecule | Invalid
    molecule: Molecule | Invalid  # the decoded result
    similarity: float  # Tanimoto (count Morgan fingerprints of radius 3); NaN if either is invalid


def learn_direction(
    z: NDArray[np.floating],
    values: NDArray[np.floating],
    *,
    name: str = "",
    method: DirectionMethod = "means",
) -> Direction:
    """Learn the direction in which an attribute grows.

    `means`: the regression of z on the attribute, cov(z, y) / var(y): how the mean of z moves when the
    attribute rises by one unit; for a yes/no attribute exactly the difference of the two means. `ridge`: the
    shortest step that raises a ridge regression of the attribute on z by one unit.

    Latent vectors, `n x d`, that are not finite and values, `n`, that are NaN are left out.

    Raises:
        InputError: Too few molecules have both, or the attribute is constant.

    >>> z = np.random.default_rng(0).normal(size=(500, 4))
    >>> step = learn_direction(z, 2.0 * z[:, 1], method="ridge").vector
    >>> [round(float(x), 1) + 0.0 for x in step]
    [0.0, 0.5, 0.0, 0.0]
    """
    known = np.isfinite(values) & np.isfinite(z).all(axis=1)
    x, y = np.asarray(z, dtype=np.float64)[known], np.asarray(values, dtype=np.float64)[known]
    if len(y) < _FEWEST or y.std() == 0:
        raise InputError(
            f"'{name}' is the same for all {len(y)} molecules: no direction can be learned from it"
            if len(y) >= _FEWEST
            else f"{len(y)} molecules with a value of '{name}' are too few for a direction",
            hint=f"Give at least {_FEWEST} molecules among which it varies.",
        )
    x, y = x - x.mean(axis=0), y - y.mean()
    together = x.T @ y
    scatter = x.T @ x + _RIDGE * len(y) * np.eye(x.shape[1])
    weights = linalg.solve(scatter, together, assume_a="pos")
    r2 = 1.0 - float(np.square(y - x @ weights).sum() / np.square(y).sum())
    vector = together / (y @ y) if method == "means" else weights / (weights @ weights)
    return Direction(name, vector.astype(np.float32), method, r2, len(y))


def shift(
    model: MolVAE,
    molecules: Sequence[str | Molecule | Invalid],
    direction: Direction,
    amount: float,
    *,
    n_tries: int = 1,
    seed: int = 0,
) -> list[Shifted]:
    """Move molecules along a direction and decode; one result per molecule, order kept.

    The attribute changes by `amount`. Of `n_tries` points decoded per molecule, the first is the moved mean;
    the others add posterior noise or, for a decoder trained with noise levels, use a low level. The valid
    molecule most similar to the parent, other than the parent itself, is kept.
    """
    prepared = model.prepare(molecules)
    mu, sigma = model.posterior(prepared, inference_steps=INFERENCE_STEPS)
    generator, moved = Seeds(seed).numpy("arithmetic"), mu + np.float32(amount) * direction.vector
    tries = [model.decode(moved)]
    tries += [decode_near(model, moved, sigma, _LEVEL, generator) for _ in range(n_tries - 1)]
    return [_best(parent, decoded) for parent, *decoded in zip(prepared, *tries, strict=True)]


def _best(parent: Molecule | Invalid, decoded: Sequence[Molecule | Invalid]) -> Shifted:
    """The valid molecule most similar to the parent, the parent itself last."""
    if not is_valid(parent):
        return Shifted(parent, Invalid("", "its parent is not a molecule"), float("nan"))
    found = [Shifted(parent, item, float(tanimoto(parent, [item])[0])) for item in decoded if is_valid(item)]
    if not found:
        return Shifted(parent, decoded[-1], float("nan"))
    return max(found, key=lambda one: (one.molecule != parent, one.similarity))
