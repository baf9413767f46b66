"""Batch selection from a pool under a similarity cap: greedy, or by qLogNEI or (several goals) qLogNEHVI.

The latter two integrate over the posterior of the best observations, instead of taking their scores as exact,
and over the candidates chosen before (Ament et al., NeurIPS 2023; Daulton et al., NeurIPS 2021).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
from botorch.acquisition.objective import GenericMCObjective
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point

from molvae.optimization.acquisition import PoolModel, exact_algebra, pool_rows
from molvae.optimization.multiobjective import non_dominated
from molvae.optimization.surrogates import Belief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from molvae.optimization.problem import Bounds, Problem, Slot


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


_SAMPLES = 64


@dataclass(frozen=True)
class Targets:
    """Meaning of the outputs of a belief.

    Attributes:
        goals: Columns to maximize.
        constraints: Columns that are bounded.
        bounds: Of these.
        scales: Spread of each output, `m`.
    """

    goals: tuple[int, ...]
    constraints: tuple[int, ...]
    bounds: Bounds
    scales: Tensor

    def scaled(self, belief: Belief) -> Belief:
        """The joint belief about goals, then constraints, standardized."""
        columns = [*self.goals, *self.constraints]
        scales = self.scales[columns]
        assert belief.covariance is not None  # noqa: S101 - joint beliefs only
        covariance = belief.covariance[columns] / scales[:, None, None] ** 2
        return Belief(belief.mean[:, columns] / scales, belief.variance[:, columns] / scales**2, covariance)

    def limits(self) -> list[Callable[[Tensor], Tensor]] | None:
        """The constraints in BoTorch's form: negative if satisfied."""
        m = len(self.goals)
        scales = self.scales[list(self.constraints)]
        found: list[Callable[[Tensor], Tensor]] = []
        for j, (low, high) in enumerate(zip(self.bounds.lower / scales, self.bounds.upper / scales)):
            if torch.isfinite(high):
                found.append(_Excess(m + j, high, 1.0))
            if torch.isfinite(low):
                found.append(_Excess(m + j, low, -1.0))
        return found or None


@dataclass(frozen=True)
class _Excess:
    """How far an output is beyond its bound: above it with sign 1, below it with sign -1."""

    output: int
    bound: Tensor
    sign: float

    def __call__(self, y: Tensor) -> Tensor:
        excess: Tensor = self.sign * (y[..., self.output] - self.bound)
        return excess


def select_noisy(
    targets: Targets,
    members: Sequence[int],
    beliefs: Sequence[Belief],
    similarity: Tensor,
    taken: Tensor,
    cap: float,
    seed: int,
) -> list[int]:
    """Rows of the pool to evaluate, one per place, by qLogNEI or qLogNEHVI given earlier choices.

    Args:
        targets: What the outputs are.
        members: Surrogate that decides each place.
        beliefs: Joint beliefs, one per surrogate, about the `n` candidates followed by the baseline
            observations, at least one.
        similarity: Between candidates, `n x n`.
        taken: Highest similarity of each candidate to a pending one, `n`.
        cap: Similarity from which two candidates are too close for one batch.
        seed: Of the quasi-random samples.
    """
    n = len(similarity)
    nearest = taken.clone()
    chosen: list[int] = []
    models = [PoolModel(targets.scaled(belief)) for belief in beliefs]
    for member in members[:n]:
        function = _function(models[member], targets, n, chosen, seed)
        with torch.no_grad(), exact_algebra():
            values = torch.cat([function(rows) for rows in torch.split(pool_rows(n), 64)])
        row = next_row(values, nearest, chosen, cap)
        chosen.append(row)
        nearest = torch.maximum(nearest, similarity[:, row])
    return chosen


def _function(model: PoolModel, targets: Targets, n: int, chosen: Sequence[int], seed: int) -> Any:
    baseline = torch.arange(n, len(model.belief.mean), dtype=torch.float64)[:, None]
    pending = torch.tensor(chosen, dtype=torch.float64)[:, None] if chosen else None
    shared = {
        "model": model,
        "X_baseline": baseline,
        "X_pending": pending,
        "sampler": SobolQMCNormalSampler(torch.Size([_SAMPLES]), seed=seed),
        "constraints": targets.limits(),
        "prune_baseline": False,
        "cache_root": False,
    }
    m = len(targets.goals)
    with torch.no_grad(), exact_algebra():
        if m == 1:
            objective = GenericMCObjective(lambda samples, X=None: samples[..., 0])  # noqa: ARG005, N803
            return qLogNoisyExpectedImprovement(**shared, objective=objective)
        observed = model.belief.mean[n:, :m]
        reference = infer_reference_point(observed[non_dominated(observed)])
        objective = IdentityMCMultiOutputObjective(outcomes=list(range(m)))
    with torch.no_grad(), exact_algebra(), _interpreted():
        return logei.qLogNoisyExpectedHypervolumeImprovement(
            **shared, ref_point=reference, objective=objective
        )


@contextmanager
def _interpreted() -> Iterator[None]:
    """Use BoTorch's Python code instead of the C++ it would compile when an acquisition is first made.

    A search must not depend on a compiler, and a killed compilation leaves a lock that blocks the next one.
    """
    attempted = getattr(logei, "_load_attempted", None)
    if attempted is None:  # a version that compiles nothing
        yield
        return
    logei._load_attempted = True  # noqa: SLF001 - there is no public switch
    try:
        yield
    finally:
        logei._load_attempted = attempted  # noqa: SLF001
