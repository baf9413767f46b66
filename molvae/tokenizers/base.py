"""Base class and registry of tokenizers: text to token ids with an end mark, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from molvae.errors import InputError
from molvae.registry import Registry
from molvae.tokenizers.vocabulary import BOS, EOS, PAD, SPECIALS, LongestMatch, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_TOKENS = 512
"""The longest text any tokenizer accepts, in units (a merged token counts as its units)."""


class TokenizationError(InputError):
    """A text cannot be expressed in the tokenizer's notation, or is too long."""


class Tokenizer(ABC):
    """Converts SMILES to token ids and back.

    A subclass converts SMILES to its notation (`spell`), splits that into units (`cut`), and converts it back
    (`write`); everything else is final. A vocabulary may have tokens of several units (byte-pair
    encoding): text is then split into the longest tokens.

    Args:
        vocabulary: The known tokens; any other unit becomes ``<unk>``.
    """

    name: ClassVar[str]

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        units = (self.cut(token) for token in vocabulary.tokens[len(SPECIALS) :])
        self._longest_match = LongestMatch(several for several in units if len(several) > 1)

    @classmethod
    @abstractmethod
    def spell(cls, smiles: str) -> str:
        """Turn SMILES into the notation of this tokenizer.

        Raises:
            TokenizationError: If the text cannot be expressed in this notation.
        """

    @classmethod
    @abstractmethod
    def cut(cls, notation: str) -> list[str]:
        """Cut a text in this notation into its smallest units; joined, they are the text again."""

    @classmethod
    @abstractmethod
    def write(cls, notation: str) -> str:
        """Turn concatenated tokens into SMILES; nonsense gives text that no SMILES parser accepts."""

    @classmethod
    def is_complete(cls, units: Sequence[str]) -> bool:
        """Whether every branch and ring these units open is closed, so that they are valid in any context."""
        return len(units) > 0

    @classmethod
    def split(cls, smiles: str) -> list[str]:
        """Cut SMILES into units.

        Raises:
            TokenizationError: If the text cannot be expressed in this notation.
        """
        return cls.cut(cls.spell(smiles))

    @final
    def merge(self, units: list[str]) -> list[str]:
        """Join units into the longest tokens of the vocabulary, from left to right.

        Raises:
            TokenizationError: If there are more than `MAX_TOKENS` units.
        """
        if len(units) > MAX_TOKENS:
            raise TokenizationError(f"{len(units)} tokens; the limit is {MAX_TOKENS}")
        return self._longest_match(units)

    @final
    def encode(self, smiles: str) -> NDArray[np.int64]:
        """Return the ids of the tokens and of the end mark, ``t``; an unknown token becomes ``<unk>``.

        Raises:
            TokenizationError: If the text cannot be split, or has more than `MAX_TOKENS` units.
        """
        return np.array([*map(self.vocabulary.index, self.merge(self.split(smiles))), EOS], dtype=np.int64)

    @final
    def unknown(self, smiles: str) -> list[str]:
        """Return the distinct units of a text that the vocabulary lacks, in order of appearance."""
        return [unit for unit in dict.fromkeys(self.split(smiles)) if unit not in self.vocabulary]

    @final
    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the SMILES of one row of ids.

        Never fails: an unknown or misplaced special token is spelled out (``<unk>``), which no SMILES parser
        accepts. The row ends at its first end or padding mark; a begin mark in front is skipped.
        """
        row = np.asarray(ids, dtype=np.int64).tolist()
        start = 1 if row[:1] == [BOS] else 0
        stop = next((n for n, token in enumerate(row) if token in {EOS, PAD}), len(row))
        return self.write("".join(self.vocabulary.tokens[token] for token in row[start:stop]))

    @final
    def decode_many(self, ids: NDArray[np.integer]) -> list[str]:
        """Return the SMILES of every row of ids, ``b x t``, as `decode` does."""
        return [self.decode(row) for row in ids]


TOKENIZERS: Registry[type[Tokenizer]] = Registry(
    "tokenizer", "molvae.tokenizers", ("molvae.tokenizers.notations",)
)
