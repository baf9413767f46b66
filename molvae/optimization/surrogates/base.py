"""The surrogate protocol, the belief it returns, and the registry of surrogates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import torch

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from molvae.optimization.config import MemberSettings
    from molvae.optimization.similarities import Comparison, Gallery


@dataclass(frozen=True)
class Belief:
    """What a surrogate believes about the scores of `n` candidates, in the scores' own units.

    Attributes:
        mean: Posterior means, `n x m`.
        variance: Posterior variances of the noise-free scores, `n x m`.
        covariance: Posterior covariances between candidates, `m x n x n`; absent in a marginal belief.
    """

    mean: Tensor
    variance: Tensor
    covariance: Tensor | None = None

    def output(self, column: int) -> Belief:
        """The belief about one output, shape kept (`n x 1`)."""
        covariance = None if self.covariance is None else self.covariance[column : column + 1]
        return Belief(self.mean[:, column : column + 1], self.variance[:, column : column + 1], covariance)

    def scaled(self, scale: float) -> Belief:
        """The belief with scores in units of `scale`."""
        covariance = None if self.covariance is None else self.covariance / scale / scale
        return Belief(self.mean / scale, self.variance / scale / scale, covariance)

    def take(self, row: int) -> Belief:
        """The belief about one candidate."""
        return Belief(self.mean[row : row + 1], self.variance[row : row + 1])

    def beside(self, known: Tensor) -> Belief:
        """The belief with outputs that are known (`n x k`) after the others: they have no variance."""
        if not known.shape[1]:
            return self
        n, k = known.shape
        covariance = self.covariance
        if covariance is not None:
            covariance = torch.cat([covariance, torch.zeros(k, n, n, dtype=covariance.dtype)])
        variance = torch.cat([self.variance, torch.zeros(n, k, dtype=self.variance.dtype)], dim=1)
        return Belief(torch.cat([self.mean, known], dim=1), variance, covariance)

    def believing(self, row: int, noise: float = 1e-6) -> Belief:
        """The belief after candidate `row` has scored exactly its mean (kriging believer).

        Means stay, uncertainty near that candidate goes: a constant-liar fantasy without refitting.
        """
        if self.covariance is None:
            raise ValueError("a marginal belief cannot be conditioned: ask the surrogate for a joint one")
        column = self.covariance[:, :, row]  # m x n
        spread = (column[:, row, None, None] * (1.0 + noise)).clamp_min(torch.finfo(column.dtype).tiny)
        covariance = self.covariance - column[:, :, None] * column[:, None, :] / spread
        variance = torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0)
        return Belief(self.mean, variance, covariance)


@dataclass(frozen=True)
class Evidence:
    """What is known of scores beside their values.

    Attributes:
        lower: The score is above this (a censored one), `n x m`; NaN where nothing says so.
        upper: The score is below this, `n x m`; NaN where nothing says so.
        counts: Measurements each value is the mean of, `n x m`.
        noise: Variance of a single measurement as replicates tell it, `m`; NaN where they do not.
    """

    lower: Tensor
    upper: Tensor
    counts: Tensor
    noise: Tensor


class Surrogate(Protocol):
    """A probabilistic model of scores; columns of `y` are outputs."""

    def fit(
        self,
        gallery: Gallery,
        y: Tensor,
        *,
        n_pending: int = 0,
        remembered: Sequence[dict[str, Any]] = (),
        evidence: Evidence | None = None,
    ) -> None:
        """Learn from the observations in a gallery and their scores `y` (`n x m`, NaN where one is missing).

        The last `n_pending` rows of the gallery were handed out and not yet scored: they are taken to score
        their mean. `remembered` is what an earlier fit of the same campaign has left. `evidence` is left out
        where there is nothing but values.
        """

    def posterior(self, comparison: Comparison, *, joint: bool = False) -> Belief:
        """The belief about candidates compared with the gallery; with covariances among them if `joint`."""

    def remembered(self) -> list[dict[str, Any]]:
        """What the next fit may start from, as JSON values; fits are functions of this and their data."""


SURROGATES: Registry[Callable[[MemberSettings], Surrogate]] = Registry("surrogate", "molvae.surrogates")
"""Name -> factory taking `MemberSettings`."""


def make_surrogate(settings: MemberSettings) -> Surrogate:
    """The surrogate that the settings name; `UnknownNameError` names the nearest match otherwise."""
    import_module("molvae.optimization.surrogates.mixture")  # registers itself
    return SURROGATES.get(settings.kind)(settings)


def training_rows(y: Tensor, n_best: int, n_random: int, priority: Tensor) -> Tensor:
    """Rows a surrogate keeps: all, or the best `n_best` and `n_random` of the others, in order.

    Args:
        y: Scores to maximize, `n`; NaN ranks last.
        n_best: How many of the best.
        n_random: How many of the others.
        priority: Random numbers, `n`: the others with the highest are kept.
    """
    n = len(y)
    if n <= n_best + n_random:
        return torch.arange(n)
    order = torch.argsort(torch.nan_to_num(y, nan=-torch.inf), descending=True, stable=True)
    others = order[n_best:]
    drawn = others[torch.argsort(priority[others], descending=True, stable=True)[:n_random]]
    return torch.sort(torch.cat([order[:n_best], drawn])).values
