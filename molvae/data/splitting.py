"""Split molecules into train, valid and test: at random, by scaffold, or by a column."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)

_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("valid", "validation", "val", "dev"), VALID),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out", "heldout", "test_scaffolds"), TEST),
}
_LARGEST_SHARE = 0.1  # of the smaller held-out part: a scaffold with more molecules goes to the training part


def part_of(cell: str) -> int | None:
    """Return 0, 1 or 2 for a word that means train, valid or test; None for any other.

    >>> part_of("Validation"), part_of("fold1")
    (1, None)
    """
    return _WORDS.get(cell.strip().lower())


def key_of(seed: int, text: str) -> int:
    """Return a number in [0, 2^64) that depends on the seed and the text alone.

    Molecules are divided by this key, so that the part of a molecule depends neither on its place in the file
    nor on the number of workers.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=seed.to_bytes(16, "little")).digest()
    return int.from_bytes(digest, "little")


def held_out_sizes(n: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    """Return how many of n molecules are for valid and for test: at least one each if asked for and n allows.

    >>> (
    ...     held_out_sizes(1000, (0.9, 0.05, 0.05)),
    ...     held_out_sizes(4, (0.9, 0.05, 0.05)),
    ...     held_out_sizes(1, (0.5, 0, 0.5)),
    ... )
    ((50, 50), (1, 1), (0, 0))
    """
    sizes = []
    left = n - 1  # one is always for training
    for fraction in fractions[1:]:
        size = min(max(round(n * fraction), 1 if fraction > 0 else 0), max(left, 0))
        left -= size
        sizes.append(size)
    return sizes[0], sizes[1]


def largest_group(n: int, fractions: tuple[float, float, float]) -> int:
    """Return the size over which a scaffold is too common to be held out."""
    held_out = [size for size in held_out_sizes(n, fractions) if size > 0]
    return max(1, int(_LARGEST_SHARE * min(held_out))) if held_out else 0


def divided(keys: NDArray[np.uint64], n_valid: int, n_test: int) -> NDArray[np.uint8]:
    """The part of each key: test for the lowest, valid for the next, training for all others.

    Equal keys are never divided, so that valid and test may be smaller than requested.
    """
    ordered = np.sort(keys)
    parts = np.full(len(keys), TRAIN, dtype=np.uint8)
    for part, rank in ((VALID, n_test + n_valid), (TEST, n_test)):
        parts[keys < ordered[rank] if rank < len(keys) else slice(None)] = part
    return parts
