"""Say what every tokenizer does: text to token ids with an end mark, and back, in bulk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from molvae.errors import InputError
from molvae.registry import Registry
from molvae.tokenizers.vocabulary import BOS, EOS, PAD, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MAX_TOKENS = 512
"""The longest text any tokenizer accepts, in tokens (the end mark not counted)."""


class TokenizationError(InputError):
    """This text has no form in the notation of the tokenizer, or is too long."""


class Tokenizer(ABC):
    """Between SMILES and the integers a model reads.

    A subclass says how SMILES becomes tokens (`split`) and how the concatenated tokens become SMILES
    (`write`); everything else is final.

    Args:
        vocabulary: The tokens that have an id of their own; any other becomes ``<unk>``.
    """

    name: ClassVar[str]

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        points = [np.frombuffer(token.encode("utf-32-le"), dtype=np.uint32) for token in vocabulary.tokens]
        self._widths = np.array([len(p) for p in points], dtype=np.int64)  # v
        self._starts = np.cumsum(self._widths) - self._widths  # v
        self._points = np.concatenate(points)

    @classmethod
    @abstractmethod
    def split(cls, smiles: str) -> list[str]:
        """Cut SMILES into tokens.

        Raises:
            TokenizationError: If the text cannot be expressed in this notation.
        """

    @classmethod
    @abstractmethod
    def write(cls, notation: str) -> str:
        """Turn concatenated tokens into SMILES; nonsense gives text that no SMILES parser accepts."""

    @classmethod
    def build(cls, smiles: Iterable[str], *, min_count: int = 1) -> Tokenizer:
        """Make a tokenizer whose vocabulary is learned from these SMILES."""
        return cls(
            Vocabulary.build((token for text in smiles for token in cls.split(text)), min_count=min_count)
        )

    @final
    def join(self, tokens: Iterable[str]) -> str:
        """Turn tokens back into SMILES."""
        return self.write("".join(tokens))

    @final
    def encode(self, smiles: str) -> NDArray[np.int64]:
        """Return the ids of the tokens and of the end mark, ``t``; an unknown token becomes ``<unk>``.

        Raises:
            TokenizationError: If the text cannot be split, or has more than `MAX_TOKENS` tokens.
        """
        tokens = self.split(smiles)
        if len(tokens) > MAX_TOKENS:
            raise TokenizationError(f"{len(tokens)} tokens; the limit is {MAX_TOKENS}")
        return np.array([*map(self.vocabulary.index, tokens), EOS], dtype=np.int64)

    @final
    def unknown(self, smiles: str) -> list[str]:
        """Return the distinct tokens of a text that the vocabulary lacks, in order of appearance."""
        return [token for token in dict.fromkeys(self.split(smiles)) if token not in self.vocabulary]

    @final
    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the SMILES of one row of ids; it ends at the first end or padding mark."""
        return self.decode_many(np.asarray(ids, dtype=np.int64).reshape(1, -1))[0]

    @final
    def decode_many(self, ids: NDArray[np.integer]) -> list[str]:
        """Return the SMILES of every row of ids.

        Whatever a model emits has an answer: an unknown or misplaced special token is spelled out
        (``<unk>``), which no SMILES parser accepts.

        Args:
            ids: ``b x t``; each row ends at its first end or padding mark; a begin mark in front is skipped.
        """
        return [self.write(text) for text in self._spell(np.asarray(ids, dtype=np.int64))]

    def _spell(self, ids: NDArray[np.int64]) -> list[str]:
        """Concatenate the token texts of all rows at once, as code points of one long string, and cut it."""
        if ids.size == 0:
            return [""] * len(ids)
        if (ids[:, 0] == BOS).any():
            ids = np.where((np.arange(ids.shape[1]) == 0) & (ids == BOS), -1, ids)  # b x t
        kept = ~np.logical_or.accumulate((ids == EOS) | (ids == PAD), axis=1) & (ids >= 0)  # b x t
        flat = ids[kept]
        widths = self._widths[flat]
        ends = np.cumsum(widths)
        total = int(ends[-1]) if len(ends) else 0
        positions = np.arange(total) + np.repeat(self._starts[flat] - (ends - widths), widths)
        text = self._points[positions].tobytes().decode("utf-32-le")
        cuts = np.concatenate([[0], ends])[np.concatenate([[0], np.cumsum(kept.sum(axis=1))])].tolist()
        return [text[a:b] for a, b in pairwise(cuts)]


class _Tokenizers(Registry[type[Tokenizer]]):
    """The registry, which finds the built-in tokenizers by itself the first time it is asked."""

    def get(self, name: str) -> type[Tokenizer]:
        _load_built_in()
        return super().get(name)

    def names(self) -> list[str]:
        _load_built_in()
        return super().names()


def _load_built_in() -> None:
    for module in ("smiles", "selfies"):
        import_module(
            f"molvae.tokenizers.{module}"
        )  # each registers itself; named here, so that no import is circular


TOKENIZERS: Registry[type[Tokenizer]] = _Tokenizers("tokenizer", "molvae.tokenizers")
