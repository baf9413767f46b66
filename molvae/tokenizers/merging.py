"""Merge units that often stand together into longer tokens, and cut text into the longest ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.tokenizers.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray


def merged_vocabulary(
    units: Vocabulary,
    values: NDArray[np.integer],
    lengths: NDArray[np.integer],
    n_merges: int,
    *,
    min_count: int = 2,
    complete: Callable[[Sequence[str]], bool] = lambda _: True,
) -> Vocabulary:
    """Add the tokens that merges make to a vocabulary of units.

    Args:
        units: The smallest units.
        values: Their ids in all rows of a sample of text, one row after the other; special ones never merge.
        lengths: Ids in each row.
        n_merges: Tokens to add, at most.
        min_count: A pair that occurs less often is not merged: there is too little to learn it from.
        complete: Which sequences of units may be a token. Merges go through others on their way.
    """
    ids = np.asarray(values, dtype=np.int64)
    made: list[tuple[str, ...]] = [(token,) for token in units.tokens]
    chosen: dict[str, None] = {}
    for first, second in learn_merges(np.where(ids < len(SPECIALS), -1, ids), lengths, len(units), min_count):
        if len(chosen) == n_merges:
            break
        made.append(made[first] + made[second])
        text = "".join(made[-1])
        if text not in units and complete(made[-1]):
            chosen[text] = None  # two pairs may spell the same
    return Vocabulary((*units.tokens, *chosen))


def learn_merges(
    values: NDArray[np.integer], lengths: NDArray[np.integer], n_units: int, min_count: int = 2
) -> Iterator[tuple[int, int]]:
    """Learn pairs to merge by byte-pair encoding.

    Time and again the pair of neighbors that occurs most often becomes one id of its own (Sennrich et al.,
    arXiv:1508.07909; for SMILES Li & Fourches, doi:10.1021/acs.jcim.0c01127).

    Args:
        values: Ids of all rows, one after the other.
        lengths: Ids in each row; pairs do not cross rows.
        n_units: Ids there are before the first merge; ids below 0 never merge.
        min_count: Occurrences a pair needs.

    Yields:
        The pairs, in order, until none occurs so often; the k-th makes the id ``n_units + k``.

    >>> list(learn_merges(np.array([0, 1, 2, 0, 1]), np.array([3, 2]), 3))
    [(0, 1)]
    """
    ids = np.asarray(values, dtype=np.int64).copy()
    row = np.repeat(np.arange(len(lengths)), lengths)
    made = n_units
    while True:
        beside = (ids[:-1] >= 0) & (ids[1:] >= 0) & (row[:-1] == row[1:])
        pairs = ids[:-1] * (made + 1) + ids[1:]
        counts = np.bincount(pairs[beside])
        if not len(counts) or counts.max() < min_count:
            return
        best = int(counts.argmax())  # the lowest of equals, so that the result is reproducible
        starts = _apart(np.flatnonzero(beside & (pairs == best)))
        ids[starts] = made
        kept = np.ones(len(ids), dtype=bool)
        kept[starts + 1] = False
        ids, row = ids[kept], row[kept]
        yield best // (made + 1), best % (made + 1)
        made += 1


def _apart(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of pairs that overlap (a run of one id), take every other one, from the left."""
    if len(starts) == 0:
        return starts
    first = np.diff(starts, prepend=-2) != 1
    run = np.flatnonzero(first)[np.cumsum(first) - 1]
    apart: NDArray[np.int64] = starts[(np.arange(len(starts)) - run) % 2 == 0]
    return apart


class LongestMatch:
    """Cuts a list of units into the longest tokens of a vocabulary, from left to right.

    Args:
        tokens: The units of every token that is made of several.
    """

    def __init__(self, tokens: Iterable[Sequence[str]]) -> None:
        self._texts = {tuple(units): "".join(units) for units in tokens}
        self._longest: dict[tuple[str, str], int] = {}
        for units in self._texts:
            start = units[0], units[1]
            self._longest[start] = max(len(units), self._longest.get(start, 0))

    def __call__(self, units: list[str]) -> list[str]:
        """Tokens of these units, in order.

        >>> LongestMatch([("c", "c"), ("c", "c", "1")])(["c", "c", "c", "c", "1", "O"])
        ['cc', 'cc1', 'O']
        """
        if not self._texts:
            return units
        tokens = []
        at, end = 0, len(units)
        while at < end:
            longest = self._longest.get((units[at], units[at + 1]), 0) if at + 1 < end else 0
            for n in range(min(longest, end - at), 1, -1):
                token = self._texts.get(tuple(units[at : at + n]))
                if token is not None:
                    break
            else:
                token, n = units[at], 1
            tokens.append(token)
            at += n
        return tokens
