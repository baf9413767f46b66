"""Goals and constraints of a batch, and its choice by acquisition values weighted by feasibility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from botorch.utils.sampling import draw_sobol_normal_samples

from molvae.optimization.surrogates import Belief

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from molvae.optimization.acquisition import Acquisition


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

    Outputs are taken for independent. It is 0 without constraints.
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
        noise = (noise - noise.mean(0)) / noise.std(0, correction=0)  # so that linear goals are exact
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
        """The problem after candidate `row` has scored its mean: incumbents may rise."""
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
