"""The vocabulary of a model, and byte-pair merges of tokens."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of distinct tokens; the first four are the special ones.

    Attributes:
        tokens: The text of every token; the position of a token is its id.

    Raises:
        InputError: If the special tokens are not first, or a token is empty or repeated.

    >>> vocabulary = Vocabulary.build(["C", "C", "O"])
    >>> vocabulary.tokens
    ('<pad>', '<bos>', '<eos>', '<unk>', 'C', 'O')
    >>> vocabulary.index("O"), vocabulary.index("[Pt]")
    (5, 3)
    """

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIALS)] != SPECIALS:
            got = " ".join(self.tokens[: len(SPECIALS)])
            raise InputError(f"a vocabulary starts with {' '.join(SPECIALS)}, got {got!r}")
        ids = {token: position for position, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens) or "" in ids:
            raise InputError("the tokens of a vocabulary must be distinct and not empty")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(cls, tokens: Iterable[str] | Mapping[str, int], *, min_count: int = 1) -> Vocabulary:
        """Build a vocabulary from the tokens of a text, or from their counts.

        The most frequent token comes first, ties in alphabetical order. A token rarer than `min_count` is
        left out, and will be read as ``<unk>``.
        """
        counts = Counter(tokens)
        known = [token for token, n in counts.items() if n >= min_count and token not in SPECIALS]
        return cls(SPECIALS + tuple(sorted(known, key=lambda token: (-counts[token], token))))

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def index(self, token: str) -> int:
        """Return the id of a token, or the id of ``<unk>`` when it is not known."""
        return self._ids.get(token, UNK)

    def to_json(self) -> str:
        """Write the tokens as a JSON list, one per line."""
        return json.dumps(list(self.tokens), ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Read what `to_json` wrote.

        Raises:
            InputError: If the text is not a JSON list of distinct strings that starts with the specials.
        """
        try:
            tokens = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"this vocabulary is not JSON: {error}") from error
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise InputError("a vocabulary is a JSON list of strings")
        if any("\ud800" <= character <= "\udfff" for token in tokens for character in token):
            raise InputError("the tokens of a vocabulary must not contain lone surrogates")
        return cls(tuple(tokens))


def merged_vocabulary(
    units: Vocabulary,
    values: NDArray[np.integer],
    lengths: NDArray[np.integer],
    n_merges: int,
    *,
    min_count: int,
    complete: Callable[[Sequence[str]], bool],
) -> Vocabulary:
    """Add at most `n_merges` merged tokens to a vocabulary of units.

    Values are the ids of the units in all rows of a sample of text, one row after the other. Special tokens
    never merge, nor does a pair that occurs fewer than `min_count` times. Only `complete` merges become
    tokens, but they may be built from incomplete ones.
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

    The most frequent pair of neighbors is repeatedly replaced by a new id (Sennrich et al., arXiv:1508.07909;
    for SMILES Li & Fourches, doi:10.1021/acs.jcim.0c01127). Values are the ids of all rows, one row after the
    other; pairs do not cross rows, and ids below 0 never merge.

    Yields:
        The pairs, in order, while they are frequent enough; the k-th makes the id ``n_units + k``.

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
    """Take every other one of overlapping pairs (a run of one id), from the left."""
    if len(starts) == 0:
        return starts
    first = np.diff(starts, prepend=-2) != 1
    run = np.flatnonzero(first)[np.cumsum(first) - 1]
    apart: NDArray[np.int64] = starts[(np.arange(len(starts)) - run) % 2 == 0]
    return apart


class LongestMatch:
    """Joins units into the longest tokens of a vocabulary, from left to right.

    Args:
        tokens: The units of every merged token.
    """

    def __init__(self, tokens: Iterable[Sequence[str]]) -> None:
        self._texts = {tuple(units): "".join(units) for units in tokens}
        self._longest: dict[tuple[str, str], int] = {}
        for units in self._texts:
            start = units[0], units[1]
            self._longest[start] = max(len(units), self._longest.get(start, 0))

    def __call__(self, units: list[str]) -> list[str]:
        """The tokens of these units, in order.

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
