"""Probability of feasibility, combined with any acquisition function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from molvae.optimization.acquisition import Acquisition
    from molvae.optimization.surrogates.base import Belief


_TINY = 1e-150


@dataclass(frozen=True)
class Standing:
    """State of one goal.

    Attributes:
        incumbent: Best observed feasible score; `None` if there is none.
        scale: Spread of the observed scores, for comparing improvements with probabilities.
    """

    incumbent: float | None
    scale: float


@dataclass(frozen=True)
class Bounds:
    """Bounds of the constrained outputs.

    Attributes:
        lower: `c`; -inf where there is none.
        upper: `c`; inf where there is none.
    """

    lower: Tensor
    upper: Tensor

    def satisfied(self, y: Tensor) -> Tensor:
        """Which rows of observed scores `y` (`n x c`) lie within all bounds; a missing score does not."""
        return ((y >= self.lower) & (y <= self.upper)).all(-1)


def constrained(
    acquisition: Acquisition, goal: Belief, standing: Standing, constraints: Belief, bounds: Bounds
) -> Tensor:
    """Acquisition values weighted by the probability of feasibility, `n`.

    Scores are standardized first. Without constraints these are the acquisition values. With constraints, the
    log-probability is added to a logarithmic acquisition; any other is first converted to the logarithm of a
    smooth improvement over the incumbent. Without a feasible observation, only feasibility counts.
    (Gardner et al., ICML 2014.)
    """
    goal = goal.scaled(standing.scale)
    incumbent = None if standing.incumbent is None else standing.incumbent / standing.scale
    if not len(bounds.lower):
        return acquisition(goal, 0.0 if incumbent is None else incumbent)
    log_probability = log_feasibility(constraints, bounds.lower, bounds.upper)
    if incumbent is None:
        return log_probability
    value = acquisition(goal, incumbent)
    return (value if acquisition.logarithmic else log_softplus(value - incumbent)) + log_probability


@dataclass(frozen=True)
class Drawn:
    """Precomputed values as an acquisition function.

    Attributes:
        values: In units of the scores, `n`.
        scale: What `constrained` divides scores by.
    """

    values: Tensor
    scale: float
    logarithmic: ClassVar[bool] = False

    def __call__(self, belief: Belief, incumbent: float) -> Tensor:
        """The values, in units of `scale`."""
        del belief, incumbent
        return self.values / self.scale


def log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + exp(x))), accurate for very negative x, where it tends to x."""
    return torch.where(x < -20.0, x, torch.nn.functional.softplus(x.clamp_min(-20.0)).log())  # noqa: PLR2004


def log_feasibility(belief: Belief, lower: Tensor, upper: Tensor) -> Tensor:
    """Logarithm of the probability that every constrained output lies within its bounds, outputs independent.

    Args:
        belief: About the `c` constrained outputs (`n x c`).
        lower: Lower bounds, `c`; -inf where there is none.
        upper: Upper bounds, `c`; inf where there is none.

    Returns:
        `n`, at most 0; 0 without constraints.
    """
    spread = belief.variance.sqrt().clamp_min(_TINY)
    high = (upper - belief.mean) / spread
    low = (lower - belief.mean) / spread
    one_sided = torch.where(torch.isinf(lower), torch.special.log_ndtr(high), torch.special.log_ndtr(-low))
    between = (torch.special.ndtr(high) - torch.special.ndtr(low)).clamp_min(1e-300).log()
    both = torch.isfinite(lower) & torch.isfinite(upper)
    return torch.where(both, between, one_sided).sum(-1)
