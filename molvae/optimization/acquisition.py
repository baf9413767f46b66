"""Acquisition functions on a finite pool, weighted by feasibility, and the choice of a batch by them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.models.model import Model
from botorch.posteriors import GPyTorchPosterior
from botorch.utils.sampling import draw_sobol_normal_samples
from gpytorch.distributions import MultivariateNormal
from linear_operator.utils.cholesky import psd_safe_cholesky

from molvae.optimization.surrogates import Belief
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from molvae.optimization.config import AcquisitionSettings

_LOWEST, _HIGHEST = -2.0, 0.0  # exponents of beta, drawn for every slot


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


_TINY = 1e-150  # minimum standard deviation of a constrained output


@dataclass(frozen=True)
class Standing:
    """The best observed feasible score of one goal, if any, and the spread of all its scores."""

    incumbent: float | None
    scale: float


@dataclass(frozen=True)
class Bounds:
    """Lower and upper bounds of the constrained outputs, `c` each; infinite where there is none."""

    lower: Tensor
    upper: Tensor


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
    log_probability = log_feasibility(constraints, bounds)
    if incumbent is None:
        return log_probability
    value = acquisition(goal, incumbent)
    return (value if acquisition.logarithmic else log_softplus(value - incumbent)) + log_probability


def log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + exp(x))), accurate for very negative x, where it tends to x."""
    return torch.where(x < -20.0, x, torch.nn.functional.softplus(x.clamp_min(-20.0)).log())  # noqa: PLR2004


def log_feasibility(belief: Belief, bounds: Bounds) -> Tensor:
    """Logarithm of the probability that every constrained output (`n x c`) lies within its bounds, `n`.

    Outputs are assumed independent. It is 0 without constraints.
    """
    lower, upper = bounds.lower, bounds.upper
    spread = belief.variance.sqrt().clamp_min(_TINY)
    high = (upper - belief.mean) / spread
    low = (lower - belief.mean) / spread
    one_sided = torch.where(torch.isinf(lower), torch.special.log_ndtr(high), torch.special.log_ndtr(-low))
    between = (torch.special.ndtr(high) - torch.special.ndtr(low)).clamp_min(1e-300).log()
    both = torch.isfinite(lower) & torch.isfinite(upper)
    return torch.where(both, between, one_sided).sum(-1)


_DRAWS = 64


@dataclass(frozen=True)
class Slot:
    """One place in a batch: its goal (an index), its acquisition function, and the index of its surrogate."""

    goal: int
    acquisition: Acquisition
    member: int = 0


@dataclass(frozen=True)
class Composition:
    """Goals that are functions (`... x m` to `...`, one per goal) of the outputs in these columns, `m`."""

    columns: tuple[int, ...]
    functions: tuple[Callable[[Tensor], Tensor], ...]

    def belief(self, belief: Belief, goal: int) -> Belief:
        """The belief about a goal, `n x 1`: its mean and variance over quasi-random draws of the outputs."""
        mean, deviation = belief.mean[:, self.columns], belief.variance[:, self.columns].sqrt()
        noise = draw_sobol_normal_samples(len(self.columns), _DRAWS, dtype=torch.float64, seed=0)  # s x m
        noise = (noise - noise.mean(0)) / noise.std(0, correction=0)  # exact for linear goals
        values = self.functions[goal](mean + deviation * noise[:, None, :])  # s x n
        return Belief(values.mean(0)[:, None], values.var(0, correction=0)[:, None])


@dataclass(frozen=True)
class Problem:
    """Goals and constraints of a batch.

    Attributes:
        n_goals: The first `n_goals` outputs of a belief are goals or parts of them, the next are constrained.
        standings: Of each goal.
        bounds: Of the constrained outputs.
        composition: Goals as functions of outputs; absent: each of the first outputs is a goal.
    """

    n_goals: int
    standings: tuple[Standing, ...]
    bounds: Bounds
    composition: Composition | None = None

    def goal(self, belief: Belief, goal: int) -> Belief:
        """The belief about one goal, `n x 1`."""
        return belief.output(goal) if self.composition is None else self.composition.belief(belief, goal)

    def values(self, slots: Sequence[Slot], beliefs: Sequence[Belief]) -> Tensor:
        """Acquisition values of `n` candidates for every slot, `s x n`; one belief per surrogate."""
        rest = slice(self.n_goals, self.n_goals + len(self.bounds.lower))
        goals: dict[tuple[int, int], Belief] = {}
        found = []
        for slot in slots:
            belief, pair = beliefs[slot.member], (slot.member, slot.goal)
            if pair not in goals:
                goals[pair] = self.goal(belief, slot.goal)
            constraints = Belief(belief.mean[:, rest], belief.variance[:, rest])
            standing = self.standings[slot.goal]
            found.append(constrained(slot.acquisition, goals[pair], standing, constraints, self.bounds))
        return torch.stack(found)

    def after(self, belief: Belief, row: int) -> Problem:
        """The problem after candidate `row` scored its mean: incumbents may improve."""
        standings = list(self.standings)
        for goal, standing in enumerate(standings):
            believed = float(self.goal(belief.take(row), goal).mean)
            if standing.incumbent is not None and believed > standing.incumbent:
                standings[goal] = replace(standing, incumbent=believed)
        return replace(self, standings=tuple(standings))


def select_batch(
    problem: Problem,
    slots: Sequence[Slot],
    beliefs: Sequence[Belief],
    similarity: Tensor,
    taken: Tensor,
    cap: float,
) -> list[int]:
    """Rows of the pool to evaluate, one per slot, in order of the slots.

    After each choice all beliefs are conditioned on the chosen candidate scoring its mean (kriging believer),
    so that later slots explore elsewhere. A candidate whose similarity to a chosen or pending one is `cap` or
    more is chosen only if no other is left, the least similar first.

    Args:
        problem: Goals and constraints.
        slots: Acquisition functions of the batch; as many rows are returned, or the whole pool if smaller.
        beliefs: Joint beliefs about the pool, one per surrogate.
        similarity: Between members of the pool, `n x n`.
        taken: Highest similarity of each member to a pending candidate, `n`.
        cap: Similarity from which two candidates are too close for one batch.
    """
    nearest = taken.clone()
    open_rows = torch.ones(len(nearest), dtype=torch.bool)
    chosen: list[int] = []
    for slot in slots[: len(nearest)]:
        values = problem.values([slot], beliefs)[0]
        free = open_rows & (nearest < cap)
        if bool(free.any()):
            row = int(torch.argmax(torch.where(free, values, -torch.inf)))
            row = row if bool(free[row]) else int(torch.nonzero(free)[0, 0])
        else:
            row = int(torch.argmin(torch.where(open_rows, nearest, torch.inf)))
        chosen.append(row)
        open_rows[row] = False
        nearest = torch.maximum(nearest, similarity[:, row])
        problem = problem.after(beliefs[slot.member], row)
        beliefs = [belief.believing(row) for belief in beliefs]
    return chosen
