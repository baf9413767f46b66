"""TuRBO in latent space: a Gaussian process on the unit cube, a trust region, Thompson samples."""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import botorch
import gpytorch
import torch
from botorch.exceptions import BotorchWarning
from botorch.models import SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from botorch.optim.fit import fit_gpytorch_mll_scipy
from gpytorch.kernels import ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.warnings import NumericalWarning
from torch.quasirandom import SobolEngine

from molvae.optimization.surrogates import Belief, ScoreScaler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor


_FIT_ITERATIONS = 50


@contextmanager
def exact_algebra() -> Iterator[None]:
    """Cholesky at every size, for results independent of size limits; no input scaling warnings."""
    with ExitStack() as stack:
        stack.enter_context(gpytorch.settings.max_cholesky_size(1_000_000))
        stack.enter_context(gpytorch.settings.max_eager_kernel_size(1))
        stack.enter_context(botorch.settings.validate_input_scaling(False))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", BotorchWarning)
        warnings.simplefilter("ignore", NumericalWarning)
        yield


class LatentSurrogate:
    """Exact GP with an ARD Matern-5/2 kernel on latent points (`n x d`), one per output.

    Latent points are put into the unit cube; length scales have BoTorch's dimension-scaled LogNormal prior
    (Hvarfner et al., ICML 2024) and are fitted by maximum a posteriori. Scores are `n x m`, with NaN.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        cube = to_cube(x)
        self._scalers = [ScoreScaler.fit(column) for column in y.T]
        self._models = [_fitted(cube, y[:, j], scaler) for j, scaler in enumerate(self._scalers)]

    def posterior(self, x: Tensor) -> Belief:
        """The joint belief about latent points `x` (`n x d`)."""
        cube = to_cube(x)
        outputs = [_output(model, scaler, cube) for model, scaler in zip(self._models, self._scalers)]
        mean = torch.stack([mean for mean, _ in outputs], dim=1)
        return Belief.joint(mean, torch.stack([covariance for _, covariance in outputs]))

    def lengthscales(self) -> Tensor:
        """Fitted length scales of the first output in the unit cube, `d`; ones when it has no score yet."""
        model = self._models[0]
        if model is None:
            return torch.ones(1, dtype=torch.float64)
        scales: Tensor = model.covar_module.base_kernel.lengthscale.detach()[0]
        return scales


def _fitted(cube: Tensor, y: Tensor, scaler: ScoreScaler) -> Any:
    """The model of one output; `None` without scores."""
    rows = torch.nonzero(torch.isfinite(y))[:, 0]
    if not len(rows):
        return None
    base = get_covar_module_with_dim_scaled_prior(ard_num_dims=cube.shape[1], use_rbf_kernel=False)
    with exact_algebra():
        model = SingleTaskGP(
            cube[rows],
            scaler.to_unit(y[rows])[:, None],
            covar_module=ScaleKernel(base),
            outcome_transform=None,
        ).double()
        if len(rows) > 1:
            marginal = ExactMarginalLogLikelihood(model.likelihood, model).train()
            fit_gpytorch_mll_scipy(marginal, options={"maxiter": _FIT_ITERATIONS})
    return model.eval()


def _output(model: Any, scaler: ScoreScaler, cube: Tensor) -> tuple[Tensor, Tensor]:
    """Means (`n`) and covariances (`n x n`) of one output."""
    if model is None:
        return torch.zeros(len(cube), dtype=torch.float64), torch.eye(len(cube), dtype=torch.float64)
    with exact_algebra(), torch.no_grad():
        posterior = model.posterior(cube)
        covariance = posterior.distribution.covariance_matrix * scaler.scale**2
        return scaler.from_unit(posterior.mean[:, 0]), covariance


def to_cube(z: Tensor) -> Tensor:
    """Latent points to the unit cube through the standard normal distribution function.

    >>> to_cube(torch.zeros(1, 2)).tolist()
    [[0.5, 0.5]]
    """
    cube: Tensor = torch.special.ndtr(z.double())
    return cube


def from_cube(u: Tensor) -> Tensor:
    """Unit cube to latent points, clipped to five standard deviations; the inverse of `to_cube`."""
    z: Tensor = torch.special.ndtri(u.double().clamp(3e-7, 1 - 3e-7))
    return z


@dataclass(frozen=True)
class Drawn:
    """Precomputed values (`n`) as an acquisition function, in units of `scale` as in `constrained`."""

    values: Tensor
    scale: float
    logarithmic: ClassVar[bool] = False

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """The values, in units of `scale`."""
        del belief, incumbent
        return self.values / self.scale


START, SHORTEST, LONGEST = 0.8, 2.0**-7, 1.6
"""Side lengths in the unit cube: at the start and after a restart; of a restart; the largest."""
SUCCESS_TOLERANCE = 3
"""Successes in a row that double the length."""


@dataclass(frozen=True)
class TrustRegion:
    """A box around the incumbent that grows on successes, shrinks on failures and restarts when too small.

    (Eriksson et al., NeurIPS 2019, TuRBO-1.) Its side length in the unit cube is halved after
    `failure_tolerance` failures in a row; successes and failures are counted in a row.
    """

    failure_tolerance: int
    length: float = START
    n_successes: int = 0
    n_failures: int = 0
    n_restarts: int = 0

    @classmethod
    def new(cls, *, dimension: int, q: int) -> TrustRegion:
        """A fresh region for `dimension` coordinates and batches of `q`."""
        return cls(math.ceil(max(4.0, float(dimension)) / q))

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> TrustRegion:
        """The inverse of `dataclasses.asdict`; other keys, which earlier versions wrote, are ignored."""
        return cls(**{field.name: state[field.name] for field in fields(cls)})

    def after(self, improved: bool) -> TrustRegion:  # noqa: FBT001 - the only argument
        """The region after a batch, depending on whether it improved on the incumbent.

        >>> TrustRegion.new(dimension=4, q=1).after(True).n_successes
        1
        """
        successes, failures = (self.n_successes + 1, 0) if improved else (0, self.n_failures + 1)
        length = self.length
        if successes >= SUCCESS_TOLERANCE:
            length, successes = min(2.0 * length, LONGEST), 0
        elif failures >= self.failure_tolerance:
            length, failures = length / 2.0, 0
        if length < SHORTEST:
            return TrustRegion(self.failure_tolerance, n_restarts=self.n_restarts + 1)
        return replace(self, length=length, n_successes=successes, n_failures=failures)

    def box(self, center: Tensor, lengthscales: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper corners (`d` each) around `center` in the unit cube.

        Sides are proportional to the length scales, normalized to a geometric mean of 1.
        """
        weights = lengthscales / lengthscales.log().mean().exp()
        half = 0.5 * self.length * weights
        return (center - half).clamp(0.0, 1.0), (center + half).clamp(0.0, 1.0)

    def candidates(self, center: Tensor, lengthscales: Tensor, n: int, seed: int) -> Tensor:
        """`n x d` points of the box: `center` with a random subset of coordinates from a Sobol sequence.

        Each coordinate is perturbed with probability min(1, 20 / d), at least one in every point.
        """
        lower, upper = self.box(center, lengthscales)
        d = len(center)
        engine = SobolEngine(d, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        sobol = engine.draw(n, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        perturbed = torch.rand(n, d, generator=generator) <= min(1.0, 20.0 / d)
        forced = torch.randint(d, (n,), generator=generator)
        perturbed[torch.arange(n), forced] = True
        return torch.where(perturbed, lower + (upper - lower) * sobol, center[None, :])
