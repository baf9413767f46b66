"""Hold the tokens a model knows, in a fixed order, as readable JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


@dataclass(frozen=True)
class Vocabulary:
    """An ordered, duplicate-free set of tokens; the first four are always the special ones.

    Attributes:
        tokens: The text of every token; the position of a token is its id.

    Raises:
        InputError: If the specials are not in front, or a token is empty or repeated.

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
            raise InputError("a vocabulary holds every token once, and none of them is empty")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(cls, tokens: Iterable[str] | Mapping[str, int], *, min_count: int = 1) -> Vocabulary:
        """Learn a vocabulary: the most frequent token first, ties by text, so that the order is reproducible.

        Args:
            tokens: Every token of the training text, or how often each occurs.
            min_count: A rarer token is left out, and will be read as ``<unk>``.
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
            raise InputError("a vocabulary holds text: half of a surrogate pair is none")
        return cls(tuple(tokens))
