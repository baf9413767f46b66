"""A Gaussian mixture fitted to posterior samples: closer to where molecules lie than N(0, I)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from molvae.models.priors.base import PRIORS, Prior

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

_RIDGE = 1e-4  # added to the variances, so that every covariance has a Cholesky factor
_ROUNDS = 60  # of expectation maximization


@PRIORS.register("mixture")
class GaussianMixture(Prior):
    """Full-covariance Gaussians; one of them is the Gaussian of all posterior samples.

    A VAE's aggregated posterior is not N(0, I), and a decoder writes worse where it was never trained (Dai &
    Wipf, arXiv:1903.05789; Ghosh et al., arXiv:1903.12436, who fit the mixture afterwards).

    Args:
        weights: `k`, sum 1.
        means: `k x d`.
        factors: Cholesky factors of the covariances, `k x d x d`.
    """

    name = "mixture"

    def __init__(self, weights: Tensor, means: Tensor, factors: Tensor) -> None:
        self.weights, self.means, self.factors = weights, means, factors

    @classmethod
    def fit(cls, z: NDArray[np.floating], *, n_components: int = 1, seed: int = 0) -> Self:
        """Fit to posterior samples `n x d` by expectation maximization (scikit-learn); k <= n."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Mixture

        mixture = Mixture(
            n_components,
            reg_covar=_RIDGE,
            max_iter=_ROUNDS,
            tol=1e-2,
            init_params="k-means++",
            random_state=seed % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # a fair fit after _ROUNDS is all that is asked
            mixture.fit(np.asarray(z, dtype=np.float64))
        factors = np.linalg.cholesky(mixture.covariances_)
        return cls(
            *(torch.from_numpy(a.astype(np.float32)) for a in (mixture.weights_, mixture.means_, factors))
        )

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw a component, then from its Gaussian; `n x d`."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=generator) if n else None
        noise = torch.randn(n, self.means.shape[1], generator=generator)
        z = torch.empty_like(noise)
        for component in range(len(self.weights)) if chosen is not None else ():
            rows = chosen == component
            z[rows] = self.means[component] + noise[rows] @ self.factors[component].t()
        return z

    def tensors(self) -> dict[str, Tensor]:
        """Weights, means and factors."""
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """The mixture of these weights, means and factors."""
        if tensors.keys() != {"weights", "means", "factors"}:
            raise ValueError(f"a mixture has weights, means and factors, got {', '.join(tensors)}")
        k = len(tensors["weights"])
        expected = {"weights": (k,), "means": (k, latent_size), "factors": (k, latent_size, latent_size)}
        for name, shape in expected.items():
            if tuple(tensors[name].shape) != shape or not bool(torch.isfinite(tensors[name]).all()):
                raise ValueError(f"'{name}' must be finite and of shape {shape}")
        if bool((tensors["weights"] < 0).any()) or abs(float(tensors["weights"].sum()) - 1) > 1e-3:  # noqa: PLR2004
            raise ValueError("the weights of a mixture are not negative and add up to 1")
        return cls(tensors["weights"], tensors["means"], tensors["factors"])
