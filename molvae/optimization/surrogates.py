"""Surrogates, which model scores: protocol, registry, scaled scores, beliefs, the portfolio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from molvae.optimization.config import MemberSettings
    from molvae.optimization.similarities import Comparison, Gallery

_NUGGET = 1e-6  # noise of a candidate assumed to score its mean, in units of its variance


@dataclass(frozen=True)
class Belief:
    """Posterior of the scores of `n` candidates, in the units of the scores.

    Attributes:
        mean: Posterior means, `n x m`.
        variance: Posterior variances of the noise-free scores, `n x m`.
        covariance: Posterior covariances between candidates, `m x n x n`; absent in a marginal belief.
    """

    mean: Tensor
    variance: Tensor
    covariance: Tensor | None = None

    @classmethod
    def joint(cls, mean: Tensor, covariance: Tensor) -> Belief:
        """The belief with these means (`n x m`) and covariances (`m x n x n`)."""
        return cls(mean, torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0), covariance)

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
        """The belief with known outputs (`n x k`), which have no variance, after the others."""
        if not known.shape[1]:
            return self
        n, k = known.shape
        covariance = self.covariance
        if covariance is not None:
            covariance = torch.cat([covariance, torch.zeros(k, n, n, dtype=covariance.dtype)])
        variance = torch.cat([self.variance, torch.zeros(n, k, dtype=self.variance.dtype)], dim=1)
        return Belief(torch.cat([self.mean, known], dim=1), variance, covariance)

    def believing(self, row: int) -> Belief:
        """The belief after candidate `row` scored exactly its mean (kriging believer).

        Means stay, and the uncertainty near that candidate decreases.
        """
        if self.covariance is None:
            raise ValueError("a marginal belief cannot be conditioned; use posterior(..., joint=True)")
        column = self.covariance[:, :, row]  # m x n
        spread = (column[:, row, None, None] * (1.0 + _NUGGET)).clamp_min(torch.finfo(column.dtype).tiny)
        covariance = self.covariance - column[:, :, None] * column[:, None, :] / spread
        return Belief.joint(self.mean, covariance)


@dataclass(frozen=True)
class Evidence:
    """Censoring and replicates of scores.

    Attributes:
        lower: Lower bounds of right-censored scores, `n x m`; NaN elsewhere.
        upper: Upper bounds of left-censored scores, `n x m`; NaN elsewhere.
        counts: Number of measurements each value is the mean of, `n x m`.
        noise: Variance of a single measurement, from replicates, `m`; NaN if unknown.
    """

    lower: Tensor
    upper: Tensor
    counts: Tensor
    noise: Tensor


@dataclass(frozen=True)
class ScoreScaler:
    """Scales one column of scores to zero mean and unit variance; constant scores, by their magnitude."""

    mean: float
    scale: float

    @classmethod
    def fit(cls, y: Tensor) -> ScoreScaler:
        """The scaler fitted to the finite entries of `y` (n).

        >>> ScoreScaler.fit(torch.tensor([1.0, 3.0])).to_unit(torch.tensor([2.0])).item()
        0.0
        """
        finite = y[torch.isfinite(y)].double()
        if not len(finite):
            return cls(0.0, 1.0)
        mean = float(finite.mean())
        scale = float(finite.std(correction=0))
        return cls(mean, scale if scale > 1e-9 * abs(mean) else abs(mean) or 1.0)

    def to_unit(self, y: Tensor) -> Tensor:
        """Scores in units of their standard deviation."""
        return (y.double() - self.mean) / self.scale

    def from_unit(self, y: Tensor) -> Tensor:
        """Scores in their own units."""
        return y * self.scale + self.mean


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
        """Fit to the observations in a gallery and their scores `y` (`n x m`, NaN where one is missing).

        The last `n_pending` rows of the gallery are pending: they are assumed to score their mean.
        `remembered` is what `remembered()` returned after an earlier fit of the same campaign. `evidence` is
        not passed if there are only values.
        """

    def posterior(self, comparison: Comparison, *, joint: bool = False) -> Belief:
        """The belief about candidates compared with the gallery; with covariances among them if `joint`."""

    def remembered(self) -> list[dict[str, Any]]:
        """State for the next fit, as JSON values; a fit is a function of this and its data."""


SURROGATES: Registry[Callable[[MemberSettings], Surrogate]] = Registry(
    "surrogate", "molvae.surrogates", ("molvae.optimization.mixture",)
)
"""Name -> factory taking `MemberSettings`."""


def training_rows(y: Tensor, n_best: int, n_random: int, priority: Tensor) -> Tensor:
    """Training rows: all, or the best `n_best` and `n_random` of the others, in order.

    Scores `y` are maximized, NaN ranks last; of the others those with the highest `priority` (`n`) are kept.
    """
    n = len(y)
    if n <= n_best + n_random:
        return torch.arange(n)
    order = torch.argsort(torch.nan_to_num(y, nan=-torch.inf), descending=True, stable=True)
    others = order[n_best:]
    drawn = others[torch.argsort(priority[others], descending=True, stable=True)[:n_random]]
    return torch.sort(torch.cat([order[:n_best], drawn])).values


class Portfolio:
    """Several surrogates of one gallery, which share its similarities.

    No single kernel is best for every score: an unfitted fingerprint kernel, which keeps exploring, is best
    for similarities to a molecule; a fitted one, which finds the relevant descriptors, for formulas and
    properties.

    Arguments are those of `Surrogate.fit`; `remembered` is what `remembered()` returned for the last batch.
    """

    def __init__(
        self,
        members: Sequence[MemberSettings],
        gallery: Gallery,
        y: Tensor,
        *,
        n_pending: int = 0,
        remembered: Mapping[str, Any] | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.gallery = gallery
        self.names = tuple(member.name for member in members)
        self.surrogates = [SURROGATES.get(member.kind)(member) for member in members]
        more: dict[str, Any] = {} if evidence is None else {"evidence": evidence}
        for name, surrogate in zip(self.names, self.surrogates):
            surrogate.fit(
                gallery, y, n_pending=n_pending, remembered=(remembered or {}).get(name, ()), **more
            )

    def beliefs(self, comparison: Comparison, *, joint: bool = False) -> tuple[Belief, ...]:
        """Posterior of each surrogate for candidates compared with the gallery."""
        return tuple(surrogate.posterior(comparison, joint=joint) for surrogate in self.surrogates)

    def remembered(self) -> dict[str, Any]:
        """State for the next portfolio, as JSON values."""
        return {name: surrogate.remembered() for name, surrogate in zip(self.names, self.surrogates)}
