"""What changes from step to step: the learning rate, and beta under a KL target."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.training.config import TrainSettings

_FLOOR = 0.01  # of the peak learning rate, where the cosine ends
_LARGEST_WARMUP = 0.1  # share of the run
_GAIN = 0.005  # change of log beta per step and relative error of the KL
_MEMORY = 0.95  # of the running mean of the KL
_BETA_RANGE = (1e-4, 10.0)


def learning_rate(settings: TrainSettings, step: int, n_steps: int) -> float:
    """Linear warm-up to the peak (never longer than a tenth of the run), then half a cosine down.

    Args:
        settings: Peak and warm-up.
        step: Counted from 0.
        n_steps: Length of the run.
    """
    warmup = _warmup(settings.warmup_steps, n_steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(n_steps - warmup, 1)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
    return settings.learning_rate * (_FLOOR + (1.0 - _FLOOR) * cosine)


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
        warmup = _warmup(settings.beta_warmup_steps, n_steps)
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


def _warmup(asked: int, n_steps: int) -> int:
    """Steps of a warm-up: those asked for, but no more than the share of the run it may take."""
    return min(asked, int(_LARGEST_WARMUP * n_steps))
