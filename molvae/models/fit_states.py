"""What a fit runs with, and where its state is saved, so that it can be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    from molvae.progress import Progress


class State(NamedTuple):
    """A fit on disk: facts as JSON holds them, and named tensors by kind."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


class FitStates:
    """Where the state of a fit is saved, so that it can be resumed; this one saves nothing."""

    def newest(self) -> State | None:
        """The state that was saved last; None if the fit starts from the beginning."""
        return None

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        """Called after every step; saves the state from time to time.

        Raises:
            StoppedEarly: The fit is to stop here; the state has been saved.
        """

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Save the state."""


NOT_KEPT = FitStates()
"""Saves nothing and never stops."""


class FitContext(NamedTuple):
    """What a fit runs with.

    Attributes:
        generator: Source of all random numbers; its state belongs to that of the fit.
        progress: Receives every step.
        states: Where the state of the fit is saved.
    """

    generator: Generator
    progress: Progress = SILENT
    states: FitStates = NOT_KEPT
