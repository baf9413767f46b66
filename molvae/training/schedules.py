"""Beta under a KL target, which changes from step to step, and what decides the best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from molvae.models.fitting import LARGEST_WARMUP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.training.config import TrainSettings

_GAIN = 0.005  # change of log beta per step and relative error of the KL
_MEMORY = 0.95  # of the running mean of the KL
_BETA_RANGE = (1e-4, 10.0)


@dataclass(frozen=True, slots=True)
class BetaController:
    """Steers the KL to a target by multiplying beta, once it has been warmed up.

    An integral controller on log beta: `log beta += gain * (KL / goal - 1)` with KL a running mean. The goal
    moves in a straight line from a first value to the target and stays there.

    Attributes:
        beta: Weight of the KL after its warm-up.
        target: KL to end at in nats per molecule; None keeps beta.
        warmup: Steps over which the weight rises from 0 to beta.
        first: KL to start from.
        n_moving: Steps over which the goal moves from `first` to `target`.
        step: Steps seen.
        mean_kl: Running mean of the KL; None before the first step.
    """

    beta: float
    target: float | None
    warmup: int
    first: float | None = None
    n_moving: int = 0
    step: int = 0
    mean_kl: float | None = None

    @classmethod
    def start(cls, settings: TrainSettings, n_steps: int) -> BetaController:
        """The controller at the first of so many steps."""
        target = None if settings.fixed_beta else settings.kl_target
        n_moving = round(settings.kl_moving * n_steps)
        warmup = min(settings.beta_warmup_steps, int(LARGEST_WARMUP * n_steps))
        return cls(settings.beta, target, warmup, settings.kl_start, n_moving)

    @property
    def goal(self) -> float | None:
        """KL to reach at this step."""
        if self.target is None or self.first is None or self.step >= self.n_moving:
            return self.target
        return self.first + (self.target - self.first) * self.step / self.n_moving

    @property
    def weight(self) -> float:
        """Weight of the KL at this step."""
        return self.beta * min(1.0, (self.step + 1) / self.warmup) if self.warmup else self.beta

    def after(self, kl: float) -> BetaController:
        """The controller for the next step, having seen this step's KL (mean over the batch)."""
        mean = kl if self.mean_kl is None else _MEMORY * self.mean_kl + (1.0 - _MEMORY) * kl
        beta = self.beta
        goal = self.goal
        if goal is not None and self.step >= self.warmup:
            beta = min(max(beta * math.exp(_GAIN * (mean / goal - 1.0)), _BETA_RANGE[0]), _BETA_RANGE[1])
        return replace(self, beta=beta, step=self.step + 1, mean_kl=mean)


def validation_loss(
    measured: Mapping[str, float], controller: BetaController, property_weight: float
) -> float:
    """What decides the best epoch: reconstruction + property + KL beyond its target (else beta KL).

    Of a decoder with noise levels, reconstruction at level 1 is added to that at 0.
    """
    beyond = (
        controller.beta * measured["kl"]
        if controller.target is None
        else max(measured["kl"] - controller.target, 0.0)
    )
    on_text = measured["reconstruction"] + measured.get("free", 0.0)
    return on_text + property_weight * measured["property"] + beyond
