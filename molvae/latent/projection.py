"""A two-dimensional map of latent space, by principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from molvae.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 3  # points that make a plane


@dataclass(frozen=True)
class Plane:
    """Two principal axes of latent vectors.

    Attributes:
        center: Mean of the vectors it was fitted to, `d`.
        axes: Orthonormal axes, the one of greater variance first, `d x 2`.
        share: Share of the whole variance along each of the two.
    """

    center: NDArray[np.float64]
    axes: NDArray[np.float64]
    share: tuple[float, float]

    @classmethod
    def fit(cls, z: NDArray[np.floating]) -> Self:
        """The plane of greatest variance of vectors `n x d`; rows that are not finite are left out.

        The sign of an axis is that of its largest component, so that the same vectors give the same map.

        >>> plane = Plane.fit(np.array([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]]))
        >>> plane.axes.round(6).tolist(), [round(s, 3) for s in plane.share]
        ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.9, 0.1])

        Raises:
            InputError: There are fewer than three vectors, or fewer than two dimensions.
        """
        known = np.asarray(z, dtype=np.float64)
        known = known[np.isfinite(known).all(axis=1)]
        if len(known) < _FEWEST or known.shape[1] < 2:  # noqa: PLR2004 - a plane has two
            raise InputError(f"a map needs at least {_FEWEST} molecules the model can read, got {len(known)}")
        center = known.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(known, rowvar=False))
        axes = vectors[:, ::-1][:, :2]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
        total = max(float(values.sum()), np.finfo(float).tiny)
        return cls(center, axes, (float(values[-1]) / total, float(values[-2]) / total))

    def place(self, z: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where latent vectors `n x d` lie on the map, `n x 2`."""
        return (np.asarray(z, dtype=np.float64) - self.center) @ self.axes

    def moved(self, z: NDArray[np.floating], to: tuple[float, float]) -> NDArray[np.float32]:
        """Vectors `n x d` moved to a place on the map; what the map does not show stays as it is.

        >>> plane = Plane(np.zeros(3), np.eye(3)[:, :2], (0.5, 0.3))
        >>> plane.moved(np.array([[1.0, 2.0, 7.0]]), (0.0, 5.0)).tolist()
        [[0.0, 5.0, 7.0]]
        """
        step = np.asarray(to, dtype=np.float64) - self.place(z)
        moved: NDArray[np.float32] = (np.asarray(z) + step @ self.axes.T).astype(np.float32)
        return moved
