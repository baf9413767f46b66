"""Molecules as padded rows of tokens, in batches of similar length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.molecule import is_valid
from molvae.tokenizers.base import TokenizationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.tokenizers.base import Tokenizer

_ROWS = 512  # molecules the network works on at once


def token_batches(
    tokenizer: Tokenizer, molecules: Sequence[Molecule | Invalid]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Row numbers `b`, tokens `b x t` and lengths `b` of what can be read, in batches of similar length."""
    encoded: dict[int, NDArray[np.int64]] = {}
    for row, item in enumerate(molecules):
        if not is_valid(item):
            continue
        try:
            encoded[row] = tokenizer.encode(item.smiles)
        except TokenizationError:
            continue
    order = sorted(encoded, key=lambda row: len(encoded[row]))
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        lengths = np.array([len(encoded[row]) for row in rows])
        tokens = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for line, row in enumerate(rows):
            tokens[line, : lengths[line]] = encoded[row]
        yield np.array(rows), tokens, lengths
