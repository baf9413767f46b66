"""BoTorch acquisition functions on a finite pool of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.models.model import Model
from botorch.posteriors import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal
from linear_operator.utils.cholesky import psd_safe_cholesky

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from molvae.optimization.config import AcquisitionSettings
    from molvae.optimization.surrogates import Belief

_LOWEST, _HIGHEST = -2.0, 0.0  # exponents of beta, drawn anew for every slot


class Acquisition(Protocol):
    """Value of evaluating each candidate; higher is better."""

    @property
    def logarithmic(self) -> bool:
        """Whether values are logarithms of an improvement, to which log-probabilities are added."""

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """Values of `n` candidates.

        The belief is about one output (`n x 1`); the incumbent is the best feasible score observed so far.
        """


class _PoolModel(Model):  # type: ignore[misc]
    """A belief about one output of a finite pool, as a BoTorch model whose inputs are rows of the pool.

    Scores should be standardized: variances are clamped to at least 1e-9.
    """

    num_outputs, batch_shape = 1, torch.Size([])

    def __init__(self, belief: Belief) -> None:
        super().__init__()
        self.belief = belief

    def posterior(self, X: Tensor, *_: Any, **__: Any) -> Any:  # noqa: N803
        """Belief about rows `X` (`b x 1 x 1`)."""
        rows = X[..., 0].long()  # b x 1
        variance = self.belief.variance[:, 0][rows].clamp_min(1e-9)
        return GPyTorchPosterior(MultivariateNormal(self.belief.mean[:, 0][rows], torch.diag_embed(variance)))


@dataclass(frozen=True)
class UpperConfidence:
    """Mean + sqrt(beta) * standard deviation."""

    beta: float
    logarithmic: ClassVar[bool] = False

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """Values of the candidates; the incumbent is ignored."""
        del incumbent
        return belief.mean[:, 0] + (self.beta * belief.variance[:, 0]).sqrt()


@dataclass(frozen=True)
class LogImprovement:
    """Logarithm of expected improvement, accurate in its tail (Ament et al., NeurIPS 2023)."""

    logarithmic: ClassVar[bool] = True

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """Values of the candidates."""
        function = LogExpectedImprovement(_PoolModel(belief), best_f=incumbent)
        rows = torch.arange(len(belief.mean), dtype=torch.float64)
        with torch.no_grad():
            values: Tensor = function(rows[:, None, None])  # b x 1 x 1
        return values


@dataclass(frozen=True)
class Thompson:
    """One draw from the belief by a generator of this seed."""

    seed: int
    logarithmic: ClassVar[bool] = False

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """The draw, `n`."""
        del incumbent
        return draws(belief, 1, torch.Generator().manual_seed(self.seed))[0]


def draws(belief: Belief, n: int, generator: torch.Generator) -> Tensor:
    """`n` draws of one output (`n x pool`): joint where covariances are known, independent otherwise."""
    noise = torch.randn(n, len(belief.mean), generator=generator, dtype=torch.float64)
    if belief.covariance is None:
        return belief.mean[:, 0] + belief.variance[:, 0].sqrt() * noise
    root = psd_safe_cholesky(belief.covariance[0], max_tries=6)
    found: Tensor = belief.mean[:, 0] + noise @ root.T
    return found


ACQUISITIONS: Registry[Callable[[AcquisitionSettings, torch.Generator], Acquisition]] = Registry(
    "acquisition function", "molvae.acquisitions"
)
"""Name -> factory taking `AcquisitionSettings` and a generator; a call makes the function of one slot."""


ACQUISITIONS.add("logei", lambda *_: LogImprovement())
ACQUISITIONS.add("thompson", lambda _, draw: Thompson(int(torch.randint(2**31 - 1, (), generator=draw))))


@ACQUISITIONS.register("ucb")
def _ucb(_: AcquisitionSettings, generator: torch.Generator) -> Acquisition:
    draw = torch.rand((), generator=generator, dtype=torch.float64).item()
    return UpperConfidence(10.0 ** (_LOWEST + draw * (_HIGHEST - _LOWEST)))
