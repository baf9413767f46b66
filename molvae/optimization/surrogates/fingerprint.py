"""The default surrogate: exact MinMax GP on count fingerprints of the molecules themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from molvae.optimization.kernels import minmax_similarity
from molvae.optimization.surrogates.base import SURROGATES, Belief
from molvae.optimization.surrogates.gaussian_process import TableProcess

if TYPE_CHECKING:
    from torch import Tensor

    from molvae.optimization.config import SurrogateSettings


@SURROGATES.register("fingerprint")
class FingerprintSurrogate:
    """Exact GP with the MinMax kernel on count vectors (`n x f`).

    The scores belong to molecules, not to latent points, so no decode can detach a score from what it was
    measured on. (Tripp et al., arXiv:2206.08767 and the GP-BO results of 2024.)

    Args:
        settings: Hyperparameters fitted (`map`) or `fixed`.
    """

    def __init__(self, settings: SurrogateSettings) -> None:
        self.settings = settings
        self._x: Tensor | None = None
        self._process: TableProcess | None = None

    def fit(self, x: Tensor, y: Tensor, *, pending: Tensor | None = None) -> None:
        """Learn from counts `x` (`n x f`) and scores `y` (`n x m`, NaN where missing)."""
        gram = minmax_similarity(x, x)
        self._x, self._process = x, TableProcess(gram, y, self.settings)
        if pending is None or not len(pending):
            return
        cross = minmax_similarity(pending, x)
        own = minmax_similarity(pending, pending)
        believed = self._process.posterior(cross, torch.diagonal(own)).mean
        self._x = torch.cat([x, pending])
        table = torch.cat([torch.cat([gram, cross.T], dim=1), torch.cat([cross, own], dim=1)])
        self._process = self._process.extended(table, torch.cat([y.double(), believed]))

    def posterior(self, x: Tensor, *, joint: bool = False) -> Belief:
        """The belief about counts `x` (`n x f`)."""
        if self._x is None or self._process is None:
            raise ValueError("fit the surrogate before asking it for a posterior")
        own = minmax_similarity(x, x) if joint else torch.ones(len(x), dtype=torch.float64)
        return self._process.posterior(minmax_similarity(x, self._x), own)
