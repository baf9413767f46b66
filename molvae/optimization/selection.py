"""Batch selection from a pool, under a similarity cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.optimization.problem import Problem, Slot
    from molvae.optimization.surrogates import Belief


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
    """The best row that is not chosen and below the similarity cap; otherwise the least similar row.

    Args:
        values: Acquisition values, `n`.
        nearest: Highest similarity of each row to a chosen or pending candidate, `n`.
        chosen: Rows chosen so far.
        cap: Similarity from which two candidates are too close for one batch.
    """
    open_rows = torch.ones(len(values), dtype=torch.bool)
    open_rows[list(chosen)] = False
    free = open_rows & (nearest < cap)
    if not bool(free.any()):
        return int(torch.argmin(torch.where(open_rows, nearest, torch.inf)))
    row = int(torch.argmax(torch.where(free, values, -torch.inf)))
    return row if bool(free[row]) else int(torch.nonzero(free)[0, 0])
