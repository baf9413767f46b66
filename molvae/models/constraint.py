"""Holding generation to a constraint: what it refuses is as if the decoder gave it no probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

State = TypeVar("State")


class Constraint(Protocol[State]):
    """Which tokens may follow which rows: an automaton over integers."""

    def start(self) -> State:
        """The state before the first token."""
        ...

    def after(self, state: State, token: int) -> State | None:
        """The state one token further, the end mark being one; None if it may not come."""
        ...

    def needs(self, state: State) -> int:
        """Tokens a row takes at least until it has ended, the end mark among them; 0 once it has."""
        ...


class Guard(Generic[State]):
    """The states of all rows that are being written, and other tokens in place of those refused.

    Args:
        constraint: What may be written.
        n_rows: Rows there are.
        end: What a row ends with for which nothing is left.
        max_length: Tokens a row may have.
        temperature: That of the draws; 0 is greedy.
    """

    def __init__(
        self, constraint: Constraint[State], n_rows: int, end: int, max_length: int, temperature: float
    ) -> None:
        self._constraint = constraint
        self._states: list[State | None] = [constraint.start()] * n_rows + [None]
        self._end = end
        self._max_length = max_length
        self._temperature = temperature

    def allowed(
        self, chosen: Tensor, rows: Tensor, steps: Tensor, logits: Tensor, uniform: Tensor | None
    ) -> Tensor:
        """Tokens `b` that are allowed: those chosen where they are, else others.

        Args:
            chosen: What the decoder would write, `b`.
            rows: The rows it is for, `b`; the number of rows where a place is idle.
            steps: Tokens already written of them, `b`.
            logits: What it was chosen by, `b x v`.
            uniform: The number each was drawn with, `b`; None for the most likely.
        """
        states, after, needs = self._states, self._constraint.after, self._constraint.needs
        tokens, numbers = chosen.tolist(), rows.tolist()
        left = (self._max_length - 1 - steps).tolist()
        refused = []
        for place, row in enumerate(numbers):
            state = states[row]
            if state is None:  # an idle place, or a row that has ended
                continue
            found = after(state, tokens[place])
            if found is None or needs(found) > left[place]:
                refused.append(place)
            else:
                states[row] = found
        if not refused:
            return chosen
        scores = logits[refused].double().cpu().numpy()
        points = None if uniform is None else uniform[refused].double().tolist()
        for index, place in enumerate(refused):
            row = numbers[place]
            order = (
                _most_likely(scores[index])
                if points is None
                else _drawn(scores[index] / self._temperature, points[index])
            )
            tokens[place], states[row] = self._first(order, row, left[place])
        return chosen.new_tensor(tokens)

    def _first(self, order: Iterator[int], row: int, left: int) -> tuple[int, State | None]:
        """The first token that is allowed, and where it leads; the end mark if there is none."""
        state = self._states[row]
        if state is None:
            return self._end, None
        for token in order:
            found = self._constraint.after(state, token)
            if found is not None and self._constraint.needs(found) <= left:
                return token, found
        return self._end, None


class Paths(Generic[State]):
    """The states of unfinished texts that a beam goes on with, `r x w`.

    Args:
        constraint: What may be written.
        n_rows: Latent vectors, `r`.
        width: Texts of each, `w`.
        end: The end mark.
    """

    def __init__(self, constraint: Constraint[State], n_rows: int, width: int, end: int) -> None:
        self._constraint = constraint
        self._states: list[list[State | None]] = [[constraint.start()] * width for _ in range(n_rows)]
        self._width = width
        self._end = end

    def may_end(self, device: torch.device) -> Tensor:
        """Which of them may end, `r x w`."""
        after, end = self._constraint.after, self._end
        ends = [
            [state is not None and after(state, end) is not None for state in row] for row in self._states
        ]
        return torch.tensor(ends, device=device)

    def advance(self, score: Tensor, place: Tensor, n_tokens: int, left: int) -> tuple[Tensor, Tensor]:
        """Go on with the best ways that are allowed.

        Args:
            score: Log-probabilities of ways to go on, best first, `r x k`.
            place: Which they are: ``path * n_tokens + token``, `r x k`.
            n_tokens: `v`.
            left: Tokens that may still follow.

        Returns:
            Both for the ways taken, `r x w`; minus infinity and 0 where there are fewer.
        """
        after, needs = self._constraint.after, self._constraint.needs
        scores = np.full((len(self._states), self._width), -np.inf)
        places = np.zeros((len(self._states), self._width), dtype=np.int64)
        for row, options in enumerate(zip(score.tolist(), place.tolist(), strict=True)):
            states, taken = self._states[row], 0
            following: list[State | None] = [None] * self._width
            for value, where in zip(*options, strict=True):
                state = states[where // n_tokens]
                if taken == self._width or value == -np.inf:
                    break
                found = None if state is None else after(state, where % n_tokens)
                if found is not None and needs(found) <= left:
                    scores[row, taken], places[row, taken], following[taken] = value, where, found
                    taken += 1
            self._states[row] = following
        return score.new_tensor(scores), place.new_tensor(places)


def _most_likely(scores: NDArray[np.float64]) -> Iterator[int]:
    """Tokens by their scores, highest first; those that are never written left out."""
    order = np.argsort(-scores, kind="stable")
    yield from order[np.isfinite(scores[order])].tolist()


def _drawn(scores: NDArray[np.float64], uniform: float) -> Iterator[int]:
    """Draws without replacement from softmax(scores), all from one uniform number.

    A number that has fallen into the interval of a token is, within it, uniform again: it draws the next
    token from what is left. The first one that is allowed thus has the decoder's distribution over allowed
    tokens.
    """
    shares = np.exp(scores - scores.max())
    while True:
        ends = shares.cumsum()
        total = ends[-1]
        if not total > 0.0:
            return
        token = min(int(np.searchsorted(ends, uniform * total, side="right")), len(shares) - 1)
        while shares[token] == 0.0:  # rounding led beyond the last share
            token -= 1
        yield token
        begin = ends[token] - shares[token]
        uniform = min(max((uniform * total - begin) / shares[token], 0.0), _BELOW_ONE)
        shares[token] = 0.0


_BELOW_ONE = 1.0 - 2.0**-53
