"""Choice of a batch by qLogNEI (one goal) or qLogNEHVI (several), on the joint belief about a finite pool.

Both integrate over what is believed of the best observations as well, instead of taking their scores for the
truth, and over the candidates chosen before (Ament et al., NeurIPS 2023; Daulton et al., NeurIPS 2021).
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
    """What the outputs of a belief are.

    Attributes:
        goals: Columns that are to be maximized.
        constraints: Columns that are bounded.
        bounds: Of these.
        scales: Spread of each output, `m`.
    """

    goals: tuple[int, ...]
    constraints: tuple[int, ...]
    bounds: Bounds
    scales: Tensor

    def scaled(self, belief: Belief) -> Belief:
        """A joint belief about goals and then constraints, in units of their spread."""
        columns = [*self.goals, *self.constraints]
        scales = self.scales[columns]
        assert belief.covariance is not None  # noqa: S101 - joint beliefs only
        covariance = belief.covariance[columns] / scales[:, None, None] ** 2
        return Belief(belief.mean[:, columns] / scales, belief.variance[:, columns] / scales**2, covariance)

    def limits(self) -> list[Callable[[Tensor], Tensor]] | None:
        """The constraints as BoTorch wants them: negative where satisfied."""
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
    """Rows of the pool to evaluate, one per place, each the best beside those chosen before.

    Args:
        targets: What the outputs are.
        members: Whose belief decides each place.
        beliefs: Joint beliefs, one per surrogate, about the `n` candidates and, after them, the observations
            that are to be improved on; at least one of these.
        similarity: Between candidates, `n x n`.
        taken: Highest similarity of each candidate to a pending one, `n`.
        cap: Similarity at which two candidates are too close to share a batch.
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
    """BoTorch's Python code instead of the C++ it would compile when an acquisition is first made.

    A search must not depend on a compiler, and a compile that was killed leaves a lock that the next one
    waits for without end.
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
