"""scikit-learn estimators: latent vectors as features of molecules, and a regressor on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from molvae.errors import UsageError
from molvae.latent.codec import MolVAE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sklearn.utils import Tags

_ALPHAS = np.logspace(-3, 4, 15)


class MolVAETransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Molecules to latent vectors, as a step of a scikit-learn pipeline.

    Takes SMILES as a sequence, an `n x 1` array or a one-column frame. An invalid molecule becomes a row of
    NaN: add an imputer or a filter if there may be any.

    Args:
        checkpoint: Checkpoint directory, or a loaded model.
        device: Where the network runs; `auto` for the best available.

    Attributes:
        model_: The loaded model.

    >>> MolVAETransformer("checkpoints/zinc250k").get_params()
    {'checkpoint': 'checkpoints/zinc250k', 'device': 'auto'}
    """

    def __init__(self, checkpoint: str | Path | MolVAE, device: str = "auto") -> None:
        self.checkpoint = checkpoint
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's names
        """Load the model; the molecules are not used."""
        held = self.checkpoint
        self.model_ = held if isinstance(held, MolVAE) else MolVAE.load(held, device=self.device)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Posterior means of the encoder, without refinement, `n x d`."""
        check_is_fitted(self)
        return self.model_.encode(_column(X), inference_steps=0)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002
        """The names of the columns: z0, z1 and so on."""
        check_is_fitted(self)
        return np.array([f"z{index}" for index in range(self.model_.latent_size)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        """Takes text, one value a row, and needs no labels."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.requires_fit = True
        return tags


class LatentRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor on latent vectors with predictive standard deviations.

    Args:
        head: `ridge` is linear, its strength chosen by leave-one-out error; `gp` is an exact Gaussian process
            with a Matérn kernel, for up to a few thousand molecules.
        seed: Of the restarts of the Gaussian process's fit, and of the rows drawn for it.
        n_fit: Maximum number of rows used to fit the hyperparameters of the Gaussian process, which is then
            conditioned on all.

    Attributes:
        scaler_: Mean and standard deviation of each latent dimension.
        head_: The fitted scikit-learn regressor.
        noise_: Standard deviation of the ridge's leave-one-out errors; not used by `gp`.
    """

    def __init__(self, head: Literal["ridge", "gp"] = "ridge", seed: int = 0, n_fit: int = 500) -> None:
        self.head = head
        self.seed = seed
        self.n_fit = n_fit

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from latent vectors `n x d` and values `n`."""
        if self.head not in {"ridge", "gp"}:
            raise UsageError(f"head must be 'ridge' or 'gp', got {self.head!r}")
        z, values = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        self.scaler_ = StandardScaler().fit(z)
        scaled = self.scaler_.transform(z)
        if self.head == "ridge":
            self.head_ = RidgeCV(_ALPHAS, store_cv_results=True).fit(scaled, values)
            best = int(np.argmin(self.head_.cv_results_.mean(axis=0)))
            self.noise_ = float(np.sqrt(self.head_.cv_results_[:, best].mean()))
        else:
            self.head_ = self._process(scaled, values)
            self.noise_ = 0.0
        return self

    def _process(self, scaled: NDArray[np.float64], values: NDArray[np.float64]) -> GaussianProcessRegressor:
        kernel = ConstantKernel(1.0) * Matern(np.sqrt(scaled.shape[1]), nu=2.5) + WhiteKernel(0.1)
        process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=self.seed)
        if len(values) <= self.n_fit:
            return process.fit(scaled, values)
        some = np.random.default_rng(self.seed).permutation(len(values))[: self.n_fit]
        learned = process.fit(scaled[some], values[some]).kernel_
        return GaussianProcessRegressor(learned, optimizer=None, normalize_y=True).fit(scaled, values)

    def predict(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        return_std: bool = False,  # noqa: FBT001, FBT002 - as scikit-learn has it
    ) -> Any:
        """Predicted values, `n`, with `return_std` also their standard deviations, `n`."""
        check_is_fitted(self)
        scaled = self.scaler_.transform(validate_data(self, X, reset=False, dtype=np.float64))
        if self.head == "gp":
            return self.head_.predict(scaled, return_std=return_std)
        mean = self.head_.predict(scaled)
        return (mean, np.full(len(mean), self.noise_)) if return_std else mean


def _column(molecules: Any) -> Any:
    """The column of an `n x 1` array or frame; `MolVAE.prepare` checks all else."""
    array = np.asarray(molecules, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004 - rows and columns
        return array[:, 0]
    if array.ndim == 0 and not isinstance(molecules, str):
        raise UsageError(f"SMILES are one column, got {type(molecules).__name__}")
    return array if array.ndim else molecules
