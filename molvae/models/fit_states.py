"""What it takes to go on with a fit that was ended, and who keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class State(NamedTuple):
    """A fit on disk: facts as JSON holds them, and named tensors by kind."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


class FitStates(Protocol):
    """Keeps the states of a fit, so that one that was ended can go on."""

    def newest(self) -> State | None:
        """The state that was kept last; None if the fit is to begin."""

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        """Told of every step; now and then asks for the state and keeps it.

        Raises:
            StoppedEarly: The fit is to end here; the state has been kept.
        """

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Keep the state."""


class _NotKept:
    def newest(self) -> State | None:
        return None

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        pass

    save = after_step


NOT_KEPT: FitStates = _NotKept()
"""Keeps nothing and never stops."""
