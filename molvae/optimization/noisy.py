"""Batch selection by qLogNEI (one goal) or qLogNEHVI (several) on the joint posterior of a finite pool.

Both integrate over the posterior of the best observations, instead of taking their scores as exact, and over
the candidates chosen before (Ament et al., NeurIPS 2023; Daulton et al., NeurIPS 2021).
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

from molvae.optimization.acquisition import PoolModel, pool_rows
from molvae.optimization.pareto import non_dominated
from molvae.optimization.selection import next_row
from molvae.optimization.surrogates.base import Belief
from molvae.optimization.surrogates.latent import exact_algebra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from molvae.optimization.constraints import Bounds

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
    """Rows of the pool to evaluate, one per place, chosen greedily given earlier choices.

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
