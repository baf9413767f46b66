"""One full-covariance Gaussian with the moments of the aggregated posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

from molvae.models.fit_states import NOT_KEPT
from molvae.models.priors.base import PRIORS, MappedNormal, check_tensors
from molvae.progress import SILENT

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.fit_states import FitStates
    from molvae.models.network import Posterior
    from molvae.models.priors.config import FitSettings
    from molvae.progress import Progress

RIDGE = 1e-4
"""Added to variances, so that every covariance has a Cholesky factor."""


@PRIORS.register("gaussian")
class Gaussian(MappedNormal):
    r"""z = m + L x with x from N(0, I).

    Args:
        mean: m, `d`.
        factor: L, the Cholesky factor of the covariance, `d x d`.
    """

    name = "gaussian"

    def __init__(self, mean: Tensor, factor: Tensor) -> None:
        self.mean, self.factor = mean, factor

    @property
    def latent_size(self) -> int:
        """Dimensions `d`."""
        return len(self.mean)

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
        """The moments of the mixture of posteriors: mean of mu, covariance of mu plus mean variance."""
        del settings, generator, progress, states
        mean, covariance = moments(posterior)
        factor = torch.linalg.cholesky(covariance + RIDGE * torch.eye(len(mean), dtype=covariance.dtype))
        return cls(mean.float(), factor.float().contiguous())  # as a file lays it out: products round by it

    def from_normal(self, noise: Tensor) -> Tensor:
        """M + L x for each row, `n x d`."""
        return self.mean + noise @ self.factor.t()

    def tensors(self) -> dict[str, Tensor]:
        """Mean and factor."""
        return {"mean": self.mean, "factor": self.factor}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """The Gaussian of this mean and factor."""
        check_tensors("a Gaussian", tensors, {"mean": (latent_size,), "factor": (latent_size, latent_size)})
        factor = tensors["factor"]
        if not bool((factor.diagonal() > 0).all()) or not torch.equal(factor, factor.tril()):
            raise ValueError("'factor' must be lower triangular with a positive diagonal")
        return cls(tensors["mean"], factor)


def moments(posterior: Posterior) -> tuple[Tensor, Tensor]:
    """Mean `d` and covariance `d x d` of the aggregated posterior, float64 on the CPU, no noise drawn."""
    mu = posterior.mu.cpu().double()
    mean = mu.mean(0)
    centered = mu - mean
    covariance = centered.t() @ centered / len(mu)
    return mean, covariance + posterior.logvar.cpu().double().exp().mean(0).diag()
