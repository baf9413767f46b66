"""The purist's surrogate: Matern-5/2 GP on z in the unit cube, one length scale per coordinate."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

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

from molvae.optimization.surrogates.base import Belief
from molvae.optimization.transforms import ScoreScaler, to_cube

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_FIT_ITERATIONS = 50


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


class LatentSurrogate:
    """Exact GP with an ARD Matern-5/2 kernel on latent points (`n x d`), one per output.

    Latent points are put into the unit cube; length scales have BoTorch's dimension-scaled LogNormal prior
    (Hvarfner et al., ICML 2024) and are fitted by maximum a posteriori.

    Args:
        fitted: Fit them; otherwise they stay at their priors' modes.
    """

    def __init__(self, *, fitted: bool = True) -> None:
        self.fitted = fitted
        self.scalers: list[ScoreScaler] = []
        self._models: list[Any] = []

    def fit(self, x: Tensor, y: Tensor, *, pending: Tensor | None = None) -> None:
        """Learn from latent points `x` (`n x d`) and scores `y` (`n x m`, NaN where missing)."""
        cube = to_cube(x)
        self.scalers = [ScoreScaler.fit(column) for column in y.T]
        self._models = [self._fitted(cube, y[:, j], scaler) for j, scaler in enumerate(self.scalers)]
        if pending is None or not len(pending):
            return
        believed = self.posterior(pending).mean
        for j, (model, scaler) in enumerate(zip(self._models, self.scalers)):
            if model is not None:
                inputs = torch.cat([model.train_inputs[0], to_cube(pending)])
                targets = torch.cat([model.train_targets, scaler.to_unit(believed[:, j])])
                model.set_train_data(inputs, targets, strict=False)

    def posterior(self, x: Tensor, *, joint: bool = False) -> Belief:
        """The belief about latent points `x` (`n x d`)."""
        if not self._models:
            raise ValueError("fit the surrogate before asking it for a posterior")
        outputs = [self._output(j, to_cube(x), joint=joint) for j in range(len(self._models))]
        mean = torch.stack([mean for mean, _ in outputs], dim=1)
        if not joint:
            return Belief(mean, torch.stack([spread for _, spread in outputs], dim=1))
        covariance = torch.stack([spread for _, spread in outputs])
        return Belief(mean, torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0), covariance)

    def lengthscales(self, column: int = 0) -> Tensor:
        """Fitted length scales of one output in the unit cube, `d`; ones when it has no score yet."""
        model = self._models[column]
        if model is None:
            return torch.ones(1, dtype=torch.float64)
        scales: Tensor = model.covar_module.base_kernel.lengthscale.detach()[0]
        return scales

    def _output(self, j: int, cube: Tensor, *, joint: bool) -> tuple[Tensor, Tensor]:
        model, scaler = self._models[j], self.scalers[j]
        if model is None:
            spread = torch.eye(len(cube), dtype=torch.float64) if joint else torch.ones(len(cube)).double()
            return torch.zeros(len(cube), dtype=torch.float64), spread
        with exact_algebra(), torch.no_grad():
            posterior = model.posterior(cube)
            spread = (
                posterior.distribution.covariance_matrix if joint else posterior.variance[:, 0].clamp_min(0.0)
            )
            return scaler.from_unit(posterior.mean[:, 0]), spread * scaler.scale**2

    def _fitted(self, cube: Tensor, y: Tensor, scaler: ScoreScaler) -> Any:
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
            if self.fitted and len(rows) > 1:
                marginal = ExactMarginalLogLikelihood(model.likelihood, model).train()
                fit_gpytorch_mll_scipy(marginal, options={"maxiter": _FIT_ITERATIONS})
        return model.eval()
