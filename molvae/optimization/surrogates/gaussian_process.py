"""Exact Gaussian processes over a table of similarities: one BoTorch model per output, one Gram matrix."""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botorch
import gpytorch
import torch
from botorch.exceptions import BotorchWarning
from botorch.models import SingleTaskGP
from botorch.optim.fit import fit_gpytorch_mll_scipy
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior, NormalPrior
from linear_operator.utils.warnings import NumericalWarning

from molvae.optimization.kernels import TableKernel
from molvae.optimization.surrogates.base import Belief, training_rows
from molvae.optimization.transforms import ScoreScaler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from molvae.optimization.config import SurrogateSettings

_MINIMUM_NOISE = 1e-6
_FIT_ITERATIONS = 30


@contextmanager
def exact_algebra() -> Iterator[None]:
    """Cholesky at every size, so that results do not jump at a size limit; no advice on input scaling."""
    with ExitStack() as stack:
        stack.enter_context(gpytorch.settings.max_cholesky_size(1_000_000))
        stack.enter_context(gpytorch.settings.max_eager_kernel_size(1))
        stack.enter_context(botorch.settings.validate_input_scaling(False))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", BotorchWarning)
        warnings.simplefilter("ignore", NumericalWarning)
        yield


@dataclass(frozen=True)
class Hyperparameters:
    """Of one output, in units of its scaled scores.

    Attributes:
        outputscale: Prior variance.
        noise: Noise variance.
        mean: Constant prior mean.
    """

    outputscale: float
    noise: float
    mean: float


class TableProcess:
    """Exact GPs for `m` outputs that share one Gram matrix.

    Each output uses the rows where its score is present, scaled to zero mean and unit variance. Output scale,
    noise and mean are found by maximum a posteriori under weak priors (output scale LogNormal(0, 1), noise
    LogNormal(log .01, 1.5), mean Normal(0, 1)) on at most `n_fit` rows, or kept at their fixed values.

    Args:
        gram: Similarities between the observations, `n x n`, float64.
        y: Scores, `n x m`; NaN where missing. A column without any score believes Normal(0, 1).
        settings: The surrogate's settings.
        like: Take scalers and hyperparameters from this process instead of fitting them.
    """

    def __init__(
        self, gram: Tensor, y: Tensor, settings: SurrogateSettings, *, like: TableProcess | None = None
    ) -> None:
        self.gram = gram
        self.settings = settings
        self.scalers: list[ScoreScaler] = (
            [ScoreScaler.fit(column) for column in y.T] if like is None else like.scalers
        )
        self.hyperparameters: list[Hyperparameters] = (
            [self._hyperparameters(y[:, j], scaler) for j, scaler in enumerate(self.scalers)]
            if like is None
            else like.hyperparameters
        )
        self._kernel = TableKernel(gram)
        self._models = [self._model(y[:, j], j) for j in range(y.shape[1])]

    def extended(self, gram: Tensor, y: Tensor) -> TableProcess:
        """The same hyperparameters with more observations (`gram` and `y` hold the old ones too)."""
        return TableProcess(gram, y, self.settings, like=self)

    def posterior(self, cross: Tensor, own: Tensor) -> Belief:
        """The belief about `q` candidates.

        Args:
            cross: Similarities of candidates and observations, `q x n`.
            own: Similarities among the candidates for a joint belief, `q x q`; or to themselves, `q`.
        """
        joint = own.dim() == 2  # noqa: PLR2004
        own_table = own if joint else torch.diag_embed(own)
        n = len(self.gram)
        index = torch.arange(n, n + len(cross), dtype=torch.float64)[:, None]
        self._kernel.table = torch.cat(
            [torch.cat([self.gram, cross.T], dim=1), torch.cat([cross, own_table], dim=1)], dim=0
        )
        try:
            outputs = [self._output(j, index, own, joint=joint) for j in range(len(self._models))]
        finally:
            self._kernel.table = self.gram
        mean = torch.stack([mean for mean, _ in outputs], dim=1)
        if not joint:
            return Belief(mean, torch.stack([spread for _, spread in outputs], dim=1))
        covariance = torch.stack([spread for _, spread in outputs])
        return Belief(mean, torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0), covariance)

    def _output(self, j: int, index: Tensor, own: Tensor, *, joint: bool) -> tuple[Tensor, Tensor]:
        model, scaler = self._models[j], self.scalers[j]
        if model is None:
            return torch.zeros(len(index), dtype=torch.float64), own * scaler.scale**2
        with exact_algebra(), torch.no_grad():
            posterior = model.posterior(index)
            spread = (
                posterior.distribution.covariance_matrix if joint else posterior.variance[:, 0].clamp_min(0.0)
            )
            return scaler.from_unit(posterior.mean[:, 0]), spread * scaler.scale**2

    def _model(self, y: Tensor, j: int) -> Any:
        rows = torch.nonzero(torch.isfinite(y))[:, 0]
        if not len(rows):
            return None
        model = _gaussian_process(
            self._kernel, rows, self.scalers[j].to_unit(y[rows]), self.hyperparameters[j]
        )
        return model.eval()

    def _hyperparameters(self, y: Tensor, scaler: ScoreScaler) -> Hyperparameters:
        start = Hyperparameters(self.settings.outputscale, self.settings.noise, 0.0)
        rows = torch.nonzero(torch.isfinite(y))[:, 0]
        if self.settings.hyperparameters == "fixed" or len(rows) < 2:  # noqa: PLR2004
            return start
        half = self.settings.n_fit // 2
        generator = torch.Generator().manual_seed(len(rows))
        kept = rows[training_rows(y[rows], half, self.settings.n_fit - half, generator)]
        return fit_hyperparameters(self.gram[kept][:, kept], scaler.to_unit(y[kept]), start)


def fit_hyperparameters(gram: Tensor, y: Tensor, start: Hyperparameters) -> Hyperparameters:
    """Maximum a posteriori hyperparameters of `y` (n, scaled) under similarities `gram` (`n x n`)."""
    model = _gaussian_process(TableKernel(gram), torch.arange(len(y)), y, start)
    marginal = ExactMarginalLogLikelihood(model.likelihood, model).train()
    with exact_algebra():
        fit_gpytorch_mll_scipy(marginal, options={"maxiter": _FIT_ITERATIONS})
    fitted = Hyperparameters(
        outputscale=float(model.covar_module.outputscale.detach()),
        noise=float(model.likelihood.noise.detach()),
        mean=float(model.mean_module.constant.detach()),
    )
    finite = all(math.isfinite(value) for value in (fitted.outputscale, fitted.noise, fitted.mean))
    return fitted if finite else start


def _gaussian_process(kernel: TableKernel, rows: Tensor, y: Tensor, values: Hyperparameters) -> Any:
    likelihood = GaussianLikelihood(
        noise_prior=LogNormalPrior(math.log(0.01), 1.5),
        noise_constraint=GreaterThan(_MINIMUM_NOISE, transform=None, initial_value=values.noise),
    )
    scaled = ScaleKernel(
        kernel,
        outputscale_prior=LogNormalPrior(0.0, 1.0),
        outputscale_constraint=GreaterThan(1e-4, transform=None, initial_value=values.outputscale),
    )
    with exact_algebra():
        model = SingleTaskGP(
            rows.double()[:, None],
            y.double()[:, None],
            likelihood=likelihood,
            covar_module=scaled,
            mean_module=gpytorch.means.ConstantMean(constant_prior=NormalPrior(0.0, 1.0)),
            outcome_transform=None,
        ).double()
    model.likelihood.noise = max(values.noise, 2 * _MINIMUM_NOISE)
    model.covar_module.outputscale = values.outputscale
    model.mean_module.initialize(constant=values.mean)
    return model
