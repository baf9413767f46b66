"""Choice of a batch from a pool: greedy with a kriging believer, slot by slot, under a similarity cap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from molvae.optimization.constraints import constrained
from molvae.optimization.surrogates.base import Belief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.optimization.acquisition import Acquisition
    from molvae.optimization.constraints import Bounds, Standing


@dataclass(frozen=True)
class Slot:
    """One place in a batch: which output it climbs, and by which acquisition function.

    Attributes:
        goal: Column of the belief that is maximized.
        acquisition: Its acquisition function.
        member: Whose belief counts, where several surrogates have one.
    """

    goal: int
    acquisition: Acquisition
    member: int = 0


@dataclass(frozen=True)
class Problem:
    """What all slots share.

    Attributes:
        n_goals: The first `n_goals` outputs of a belief are goals, the next ones are constrained.
        standings: Of each goal.
        bounds: Of the constrained outputs.
    """

    n_goals: int
    standings: tuple[Standing, ...]
    bounds: Bounds

    def value(self, slot: Slot, beliefs: Sequence[Belief]) -> Tensor:
        """Acquisition values of `n` candidates for one slot."""
        belief = beliefs[slot.member]
        rest = slice(self.n_goals, self.n_goals + len(self.bounds.lower))
        constraints = Belief(belief.mean[:, rest], belief.variance[:, rest])
        return constrained(
            slot.acquisition, belief.output(slot.goal), self.standings[slot.goal], constraints, self.bounds
        )

    def values(self, slots: Sequence[Slot], beliefs: Sequence[Belief]) -> Tensor:
        """Acquisition values of `n` candidates for every slot, `s x n`."""
        return torch.stack([self.value(slot, beliefs) for slot in slots])

    def after(self, belief: Belief, row: int) -> Problem:
        """The problem once candidate `row` has scored its mean: incumbents may rise."""
        standings = list(self.standings)
        for goal, standing in enumerate(standings):
            believed = float(belief.mean[row, goal])
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
    """Rows of the pool to evaluate, one per slot, best first come first served.

    After each choice all beliefs are conditioned on the chosen candidate scoring its mean (kriging believer),
    so that the next slots look elsewhere. Candidates as similar as `cap` or more to a chosen or pending one
    wait until nothing else is left; then the least similar is taken.

    Args:
        problem: Goals, constraints and where they stand.
        slots: Acquisition functions of the batch; as many rows are returned, or the whole pool if smaller.
        beliefs: Joint beliefs about the pool, one per surrogate.
        similarity: Between members of the pool, `n x n`.
        taken: Highest similarity of each member to a pending candidate, `n`.
        cap: Similarity at which two candidates are too close to share a batch.
    """
    nearest = taken.clone()
    chosen: list[int] = []
    for slot in slots[: len(nearest)]:
        values = problem.value(slot, beliefs)
        row = next_row(values, nearest, chosen, cap)
        chosen.append(row)
        nearest = torch.maximum(nearest, similarity[:, row])
        problem = problem.after(beliefs[slot.member], row)
        beliefs = [belief.believing(row) for belief in beliefs]
    return chosen


def next_row(values: Tensor, nearest: Tensor, chosen: Sequence[int], cap: float) -> int:
    """The best row that is not chosen and less similar than `cap` to what is; else the least similar one.

    Args:
        values: Acquisition values, `n`.
        nearest: Highest similarity of each row to what is chosen or pending, `n`.
        chosen: Rows taken already.
        cap: Similarity at which two candidates are too close to share a batch.
    """
    open_rows = torch.ones(len(values), dtype=torch.bool)
    open_rows[list(chosen)] = False
    free = open_rows & (nearest < cap)
    if not bool(free.any()):
        return int(torch.argmin(torch.where(open_rows, nearest, torch.inf)))
    row = int(torch.argmax(torch.where(free, values, -torch.inf)))
    return row if bool(free[row]) else int(torch.nonzero(free)[0, 0])
