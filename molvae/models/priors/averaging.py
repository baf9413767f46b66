"""Training of a prior's network: a running mean of the weights is kept, and the whole state can be stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Generator, Tensor, nn

_WARMUP = 100  # steps over which the learning rate rises, but no more than a tenth of all
_SHOWN = 50  # steps the loss that is shown is a mean of


class AveragedTraining:
    """A network in training: its weights, their running mean, the optimizer and the source of randomness.

    Args:
        network: What is trained, in place.
        decay: Of the running mean, which is what stays at the end.
        generator: Source of everything random, on the CPU; its state belongs to that of the training.
        largest_gradient: Norm to which a gradient is cut.

    Attributes:
        step: Steps taken.
        shown: Mean loss of the last steps.
    """

    def __init__(
        self, network: nn.Module, decay: float, generator: Generator, largest_gradient: float
    ) -> None:
        self.step, self.shown = 0, 0.0
        self._generator, self._decay, self._largest_gradient = generator, decay, largest_gradient
        self._weights = list(network.parameters())
        self._averaged = [weight.detach().clone() for weight in self._weights]
        self._optimizer = torch.optim.Adam(self._weights, betas=(0.9, 0.99), fused=True)

    def learn(self, loss: Tensor, rate: float) -> None:
        """Take a step down the gradient of the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights, self._largest_gradient)
        self._optimizer.step()
        decay = min(self._decay, (1 + self.step) / (10 + self.step))
        self.step += 1
        with torch.no_grad():
            for mean, weight in zip(self._averaged, self._weights, strict=True):
                mean.lerp_(weight, 1.0 - decay)
        self.shown += (loss.item() - self.shown) / min(self.step, _SHOWN)

    def finish(self) -> None:
        """Put the running mean in the place of the weights."""
        self._put(self._weights)

    def put_into(self, network: nn.Module) -> None:
        """Put the running mean into another network of the same layers."""
        self._put(network.parameters())

    @torch.no_grad()
    def _put(self, weights: Iterable[Tensor]) -> None:
        for mean, weight in zip(self._averaged, weights, strict=True):
            weight.copy_(mean)

    def state(self) -> dict[str, Tensor]:
        """All it takes to go on as if nothing had happened."""
        moments = self._optimizer.state_dict()["state"]
        return {
            **{f"weight.{n}": weight.detach() for n, weight in enumerate(self._weights)},
            **{f"averaged.{n}": mean for n, mean in enumerate(self._averaged)},
            **{f"adam.{n}.{name}": value for n, entry in moments.items() for name, value in entry.items()},
            "generator": self._generator.get_state(),
            "step": torch.tensor(self.step),
            "shown": torch.tensor(self.shown, dtype=torch.float64),
        }

    @torch.no_grad()
    def go_on_from(self, state: dict[str, Tensor]) -> None:
        """Stand where another training of the same network stood when it gave its `state`."""
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            kind, *place = key.split(".")
            if kind == "adam":
                moments.setdefault(int(place[0]), {})[place[1]] = value
        for n, (weight, mean) in enumerate(zip(self._weights, self._averaged, strict=True)):
            weight.copy_(state[f"weight.{n}"])
            mean.copy_(state[f"averaged.{n}"])
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})
        self._generator.set_state(state["generator"])
        self.step, self.shown = int(state["step"]), float(state["shown"])


def rate_after(step: int, n_steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then half a cosine.

    Args:
        step: Steps taken.
        n_steps: Length of the training.
    """
    warmup = max(min(_WARMUP, n_steps // 10), 1)
    return min(1.0, (step + 1) / warmup) * 0.5 * (1.0 + math.cos(math.pi * step / n_steps))
