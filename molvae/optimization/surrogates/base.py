"""The surrogate protocol, the belief it returns, and the registry of surrogates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import torch

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from molvae.optimization.config import SurrogateSettings


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

    def believing(self, row: int, noise: float = 1e-6) -> Belief:
        """The belief after candidate `row` has scored exactly its mean (kriging believer).

        Means stay, uncertainty near that candidate goes: a constant-liar fantasy without refitting.
        """
        if self.covariance is None:
            raise ValueError("a marginal belief cannot be conditioned: ask the surrogate for a joint one")
        column = self.covariance[:, :, row]  # m x n
        spread = column[:, row, None, None] * (1.0 + noise) + 1e-12
        covariance = self.covariance - column[:, :, None] * column[:, None, :] / spread
        variance = torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0)
        return Belief(self.mean, variance, covariance)


class Surrogate(Protocol):
    """A probabilistic model of scores; rows of `x` are candidates, columns of `y` are outputs."""

    def fit(self, x: Tensor, y: Tensor, *, pending: Tensor | None = None) -> None:
        """Learn from `x` (`n x f`) and `y` (`n x m`, NaN where a score is missing).

        `pending` (`p x f`) are candidates handed out and not yet scored: they are taken to score their mean.
        """

    def posterior(self, x: Tensor, *, joint: bool = False) -> Belief:
        """The belief about `x` (`n x f`), with covariances between its rows if `joint`."""


SURROGATES: Registry[Callable[[SurrogateSettings], Surrogate]] = Registry("surrogate", "molvae.surrogates")
"""Name -> factory taking `SurrogateSettings`."""


def make_surrogate(settings: SurrogateSettings) -> Surrogate:
    """The surrogate that the settings name; `UnknownNameError` names the nearest match otherwise."""
    for module in ("fingerprint", "latent"):
        import_module(f"molvae.optimization.surrogates.{module}")  # each registers itself
    return SURROGATES.get(settings.name)(settings)


def training_rows(y: Tensor, n_best: int, n_random: int, generator: torch.Generator) -> Tensor:
    """Rows a surrogate keeps: all, or the best `n_best` and `n_random` of the others, in order.

    Args:
        y: Scores to maximize, `n`; NaN ranks last.
        n_best: How many of the best.
        n_random: How many of the others.
        generator: Draws the others.
    """
    n = len(y)
    if n <= n_best + n_random:
        return torch.arange(n)
    order = torch.argsort(torch.nan_to_num(y, nan=-torch.inf), descending=True, stable=True)
    others = order[n_best:][torch.randperm(n - n_best, generator=generator)[:n_random]]
    return torch.sort(torch.cat([order[:n_best], others])).values
