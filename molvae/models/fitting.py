"""The training loop of all networks; a fit that was stopped can be resumed."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.optim.swa_utils import AveragedModel

from molvae.errors import CheckpointError, DivergedError
from molvae.models.devices import World
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Generator, Tensor, nn

    from molvae.progress import Progress

    LossFunction = Callable[["Standing"], tuple[Tensor, dict[str, float]]]


LARGEST_WARMUP = 0.1  # share of the fit
EMA_DECAY = 0.999
"""Decay of the running mean of the weights of priors and heads; the mean is kept."""
_SHOWN = 50  # steps over which the displayed loss is averaged


class State(NamedTuple):
    """A fit on disk: facts as JSON holds them, and named tensors by kind."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


class FitStates:
    """Storage of the state of a fit, so that it can be resumed; this base class saves nothing."""

    def newest(self) -> State | None:
        """The state that was saved last; None if the fit starts from the beginning."""
        return None

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        """Called after every step; saves the state from time to time.

        Raises:
            StoppedEarly: A stop was requested; the state has been saved.
        """

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Save the state."""


NOT_KEPT = FitStates()


class FitContext(NamedTuple):
    """Random numbers, progress and saved states of a fit."""

    generator: Generator  # source of all random numbers; its state is saved with the fit
    progress: Progress = SILENT  # receives every step
    states: FitStates = NOT_KEPT  # where the state of the fit is saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how fast a network is trained."""

    epochs: int  # the network is validated after each
    steps: int  # per epoch
    learning_rate: float  # the peak
    gradient_clip: float  # norm to which a gradient is cut
    warmup: int = 100  # steps over which the learning rate rises, but no more than a tenth of all
    floor: float = 0.0  # share of the peak at which the cosine of the learning rate ends
    ema_decay: float | None = None  # of the running mean of the weights, which is then kept
    patience: int | None = None  # epochs without improvement after which the fit ends

    @property
    def n_steps(self) -> int:
        """Steps of the whole fit."""
        return self.epochs * self.steps

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0: linear warm-up, then half a cosine.

        A function of the step alone, so it needs no saved state.
        """
        warmup = min(self.warmup, int(LARGEST_WARMUP * self.n_steps))
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        progress = (step - warmup) / max(self.n_steps - warmup, 1)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
        return self.learning_rate * (self.floor + (1.0 - self.floor) * cosine)


@dataclass
class Standing:
    """How far a fit is."""

    epoch: int = 0  # epochs finished
    step: int = 0  # steps finished in all
    batch: int = 0  # steps finished in the current epoch
    best: float | None = None  # lowest measurement; None before the first
    best_epoch: int = 0  # epoch it was made after
    sums: dict[str, float] = field(default_factory=dict)  # of the current epoch's figures
    loss: float = 0.0  # mean of the last steps
    facts: dict[str, Any] = field(default_factory=dict)  # state of the loss function, as JSON


class Fit:
    """Trains a network in place; `at` is its progress.

    A loss or measurement that is not finite ends the fit; what was kept before stays.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        *,
        task: str,  # what progress calls it
        progress: Progress = SILENT,
        states: FitStates = NOT_KEPT,  # where the state is kept
        generator: Generator | None = None,  # of what `loss` draws, if its state belongs to that of the fit
        world: World | None = None,  # the processes that share the work; each calls the same
    ) -> None:
        self.at = Standing()
        self._network, self._optimizer, self._recipe = network, optimizer, recipe
        self._task, self._progress, self._states = task, progress, states
        self._generator, self._world = generator, world or World()
        self._averaged: AveragedModel | None = None
        if recipe.ema_decay is not None:
            self._averaged = AveragedModel(network, multi_avg_fn=_ema(recipe.ema_decay))
            self._averaged.update_parameters(network)  # the mean begins as the first weights

    @property
    def result(self) -> nn.Module:
        """The network, or another one of the running mean of its weights."""
        return self._network if self._averaged is None else self._averaged.module

    def resume(self) -> None:
        """Resume from the newest state, if there is one.

        Raises:
            CheckpointError: There are states, but none that can be read.
        """
        if (state := self._states.newest()) is None:
            return
        try:
            self._restore(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the saved state is not one of this fit: {error}") from None

    def run(
        self,
        loss: LossFunction,
        measure: Callable[[Standing], float] | None = None,
        keep: Callable[[Standing], None] | None = None,
    ) -> nn.Module:
        """Train to the last epoch, or until patience runs out, and return `result`.

        Args:
            loss: Returns the loss of the next step, and figures to sum over the epoch.
            measure: Called after each epoch; the epoch with the lowest value is the best.
            keep: Called after each epoch that is the best so far.

        Raises:
            DivergedError: The loss or a measurement is not a finite number.
            StoppedEarly: A stop was requested; the state is saved.
        """
        self._progress.start(self._task, self._recipe.n_steps)
        if self.at.step:
            self._progress.advance(self._task, self.at.step)
            self._progress.note(f"resuming '{self._task}' after step {self.at.step:,}")
        while self.at.epoch < self._recipe.epochs and not self._out_of_patience():
            while self.at.batch < self._recipe.steps:
                self._step(loss)
                self._states.after_step(self.at.step, self._state)
            self.at.epoch, self.at.batch = self.at.epoch + 1, 0
            if measure is not None:
                self.judge(measure, keep)
            self.at.sums = {}
            self._states.save(self.at.step, self._state)
        self._progress.finish(self._task, loss=self.at.loss)
        return self.result

    def best(self, loss: LossFunction, measure: Callable[[Standing], float]) -> nn.Module:
        """Train as `run` does, and return a copy of `result` as it was after the best epoch."""
        found = self.result

        def keep(_: Standing) -> None:
            nonlocal found
            found = deepcopy(self.result)

        self.run(loss, measure, keep)
        return found

    def judge(self, measure: Callable[[Standing], float], keep: Callable[[Standing], None] | None) -> None:
        """Measure the network, on the leading process, and keep it if it is the best so far."""
        at = self.at
        if self._world.leads:
            measured = measure(at)
            if not math.isfinite(measured):
                raise _diverged(f"the validation loss of epoch {at.epoch}")
            if at.best is None or measured < at.best:
                at.best, at.best_epoch = measured, at.epoch
                if keep is not None:
                    keep(at)
        if self._world.size > 1:  # share the result with every process: stopping depends on it
            mine = [at.best or 0.0, float(at.best_epoch)] if self._world.leads else [0.0, 0.0]
            best, epoch = (value * self._world.size for value in self._world.mean(mine))
            at.best, at.best_epoch = best, round(epoch)

    def _step(self, loss: LossFunction) -> None:
        rate = self._recipe.rate(self.at.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        total, figures = loss(self.at)
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        clip = self._recipe.gradient_clip
        norm = float(torch.nn.utils.clip_grad_norm_(self._network.parameters(), clip))
        value = float(total.detach())
        if self._world.anyone(not math.isfinite(value + norm)):
            raise _diverged(f"the loss of step {self.at.step + 1:,}")
        self._optimizer.step()
        if self._averaged is not None:
            self._averaged.update_parameters(self._network)
        self.at.step += 1
        self.at.batch += 1
        self.at.loss += (value - self.at.loss) / min(self.at.step, _SHOWN)
        for name, figure in (figures | {"gradient_norm": norm}).items():
            self.at.sums[name] = self.at.sums.get(name, 0.0) + figure
        shown = figures or {"loss": self.at.loss}
        self._progress.advance(self._task, 1, epoch=self.at.epoch + 1, **shown, rate=rate)

    def _out_of_patience(self) -> bool:
        patience, at = self._recipe.patience, self.at
        return patience is not None and at.best is not None and at.epoch - at.best_epoch >= patience

    def _state(self) -> State:
        progress = asdict(self.at)
        moments = self._optimizer.state_dict()["state"]
        tensors = {
            "weights": self._network.state_dict(),
            "optimizer": {
                f"{n}.{key}": value for n, entry in moments.items() for key, value in entry.items()
            },
        }
        if self._averaged is not None:
            tensors["averaged"] = self._averaged.state_dict()
        if self._generator is not None:
            tensors["random"] = {"generator": self._generator.get_state()}
        return State({**progress.pop("facts"), "progress": progress}, tensors)

    def _restore(self, state: State) -> None:
        facts = dict(state.facts)
        self.at = Standing(**facts.pop("progress"), facts=facts)
        self._network.load_state_dict(state.tensors["weights"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.tensors["optimizer"].items():
            number, _, name = key.partition(".")
            moments.setdefault(int(number), {})[name] = value
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})
        if self._averaged is not None:
            self._averaged.load_state_dict(state.tensors["averaged"])
        if self._generator is not None:
            self._generator.set_state(state.tensors["random"]["generator"])


def adam(network: nn.Module, betas: tuple[float, float] = (0.9, 0.99)) -> torch.optim.Adam:
    """The optimizer of a fit whose weights are averaged."""
    return torch.optim.Adam(network.parameters(), betas=betas, fused=True)


def _diverged(what: str) -> DivergedError:
    message = f"training has diverged: {what} is not a finite number"
    return DivergedError(message, hint="Train with a lower learning rate.")


def _ema(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Update of a running mean with a lower decay in the first steps."""

    @torch.no_grad()
    def update(means: Sequence[Tensor], weights: Sequence[Tensor], n: Tensor | int) -> None:
        share = 1.0 - min(decay, int(n) / (9 + int(n)))
        for mean, weight in zip(means, weights, strict=True):
            mean.lerp_(weight, share)

    return update
