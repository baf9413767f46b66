"""A Gaussian mixture fitted to posterior samples: closer to where molecules lie than N(0, I)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from molvae.models.fit_states import NOT_KEPT
from molvae.models.priors.base import PRIORS, LatentDensity, check_tensors
from molvae.models.priors.gaussian import RIDGE
from molvae.progress import SILENT

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.fit_states import FitStates
    from molvae.models.network import Posterior
    from molvae.models.priors.config import FitSettings
    from molvae.progress import Progress

_ROUNDS = 60  # of expectation maximization


@PRIORS.register("mixture")
class GaussianMixture(LatentDensity):
    """Full-covariance Gaussians.

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
    def fit(
        cls,
        posterior: Posterior,
        settings: FitSettings,
        *,
        generator: Generator,
        progress: Progress = SILENT,
        states: FitStates = NOT_KEPT,
    ) -> Self:
        """Fit to one sample of each posterior by expectation maximization (scikit-learn)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Mixture

        del progress, states
        z = posterior.rsample(generator)
        z = z[torch.randperm(len(z), generator=generator)[: settings.mixture.n_samples]]
        mixture = Mixture(
            min(settings.mixture.n_components, max(1, len(z) // (2 * z.shape[1]))),
            reg_covar=RIDGE,
            max_iter=_ROUNDS,
            tol=1e-2,
            init_params="k-means++",
            random_state=int(torch.randint(2**31, (), generator=generator)),
        )
        with warnings.catch_warnings():
            # A fair fit after _ROUNDS is all that is asked.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(z.cpu().double().numpy())
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
        k = len(tensors["weights"]) if "weights" in tensors and tensors["weights"].dim() else 0
        shapes = {"weights": (k,), "means": (k, latent_size), "factors": (k, latent_size, latent_size)}
        check_tensors("a mixture", tensors, shapes)
        if bool((tensors["weights"] < 0).any()) or abs(float(tensors["weights"].sum()) - 1) > 1e-3:  # noqa: PLR2004
            raise ValueError("the weights of a mixture are not negative and add up to 1")
        return cls(tensors["weights"], tensors["means"], tensors["factors"])
