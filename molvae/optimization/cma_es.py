"""CMA-ES, one generation at a time."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evolution:
    """State of CMA-ES between two generations (Hansen, arXiv:1604.00772), computed by `cmaes`.

    Center, step size and covariance (`d x d`) of the distribution, the evolution paths of covariance and step
    size (`d` each), and the number of generations so far.
    """

    mean: Array
    sigma: float
    covariance: Array
    path: Array
    sigma_path: Array
    generation: int = 0

    @classmethod
    def start(cls, mean: NDArray[np.floating], sigma: float) -> Evolution:
        """Isotropic around `mean`."""
        d = len(mean)
        return cls(np.asarray(mean, dtype=np.float64), sigma, np.eye(d), np.zeros(d), np.zeros(d))

    @property
    def n_population(self) -> int:
        """Population size, 4 + 3 ln d."""
        return int(self._optimizer(0).population_size)

    def candidates(self, n: int, generator: np.random.Generator) -> Array:
        """`n x d` points of the distribution."""
        optimizer = self._optimizer(int(generator.integers(2**32)))
        return np.stack([optimizer.ask() for _ in range(n)]) if n else np.empty((0, len(self.mean)))

    def after(self, points: Array, values: Array) -> Evolution:
        """The distribution after points (`n_population x d`) have been scored; higher values are better."""
        optimizer = self._optimizer(0)
        optimizer.tell([(point, -float(value)) for point, value in zip(points, values, strict=True)])
        state = optimizer.__dict__
        covariance = (state["_C"] + state["_C"].T) / 2
        return Evolution(
            state["_mean"], float(state["_sigma"]), covariance, state["_pc"], state["_p_sigma"], state["_g"]
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values: arrays as base64 of little-endian float64, of the covariance the lower triangle."""
        arrays = {
            "mean": self.mean,
            "covariance": self.covariance[np.tril_indices(len(self.mean))],
            "path": self.path,
            "sigma_path": self.sigma_path,
        }
        texts = {name: base64.b64encode(a.astype("<f8").tobytes()).decode() for name, a in arrays.items()}
        return {**texts, "sigma": self.sigma, "generation": self.generation}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Evolution:
        """The inverse of `to_json`."""
        mean, triangle, path, sigma_path = (
            np.frombuffer(base64.b64decode(value[name]), dtype="<f8").copy()
            for name in ("mean", "covariance", "path", "sigma_path")
        )
        lower = np.zeros((len(mean), len(mean)))
        lower[np.tril_indices(len(mean))] = triangle
        covariance = lower + np.tril(lower, -1).T
        return cls(mean, value["sigma"], covariance, path, sigma_path, value["generation"])

    def _optimizer(self, seed: int) -> Any:
        from cmaes import CMA

        optimizer = CMA(mean=self.mean, sigma=self.sigma, cov=self.covariance, seed=seed)
        # what its own pickle protocol restores beside mean, sigma and covariance
        optimizer.__dict__.update(_pc=self.path.copy(), _p_sigma=self.sigma_path.copy(), _g=self.generation)
        return optimizer
