"""The grammar of a vocabulary: what each of its tokens leads to, remembered once it has been asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.tokenizers.grammar.prefix import START, Prefix, after, may_end

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_STATES = 50_000  # remembered at once, 1 kB or two each


class State:
    """Where a text stands, and where its tokens lead.

    Attributes:
        prefix: What matters of the text.
        needs: Tokens it takes at least until it has ended, the end mark among them; 0 once it has.
        leads: The states after tokens that have been asked about; None where one is refused.
    """

    __slots__ = ("leads", "needs", "prefix")

    def __init__(self, prefix: Prefix, needs: int) -> None:
        self.prefix = prefix
        self.needs = needs
        self.leads: dict[int, State | None] = {}


class Grammar:
    """Which tokens may follow which texts.

    Args:
        tokens: The units of each token; nothing for one that is never written.
        end: The end mark.

    >>> grammar = Grammar([[], ["C"], ["(", "F", ")"], ["="]], end=0)
    >>> grammar.reads([1, 2, 1]), grammar.reads([1, 3]), grammar.reads([1, 2, 2, 2, 2, 2])
    (True, False, False)
    """

    def __init__(self, tokens: Sequence[Sequence[str]], end: int) -> None:
        self._tokens = tokens
        self._end = end
        # How many open things one token can close at most: with merged tokens it may be several.
        self._most = max((sum(map(_closes, units)) for units in tokens), default=1) or 1
        self._ended = State(START, 0)
        self._forget()

    def start(self) -> State:
        """Where every text begins."""
        return self._start

    def after(self, state: State, token: int) -> State | None:
        """Where a token leads; None if no molecule is written like this."""
        try:
            return state.leads[token]
        except KeyError:
            found = state.leads[token] = self._find(state, token)
            return found

    def needs(self, state: State) -> int:
        """Tokens a text takes at least until it has ended, the end mark among them."""
        return state.needs

    def __reduce__(self) -> tuple[type[Grammar], tuple[Sequence[Sequence[str]], int]]:
        """A copy begins with an empty table: what is remembered would be copied link by link."""
        return type(self), (self._tokens, self._end)

    def reads(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens, and then the end mark, are a molecule."""
        state: State | None = self.start()
        for token in (*tokens, self._end):
            state = None if state is None else self.after(state, token)
        return state is not None

    def _find(self, state: State, token: int) -> State | None:
        if token == self._end:
            return self._ended if may_end(state.prefix) else None
        units = self._tokens[token]
        prefix: Prefix | None = state.prefix
        for unit in units:
            prefix = None if prefix is None else after(prefix, unit)
        if prefix is None or not units:
            return None
        if len(self._states) >= _MOST_STATES:
            self._forget()
        known = self._states.get(prefix)
        if known is None:
            known = self._states[prefix] = State(prefix, 1 - -prefix.n_open // self._most)
        return known

    def _forget(self) -> None:
        """Begin the table anew; states that are in use stay as they are."""
        self._start = State(START, 1 - -START.n_open // self._most)
        self._states = {START: self._start}


def _closes(unit: str) -> bool:
    return unit not in {"(", "="} and not unit.isalpha()
