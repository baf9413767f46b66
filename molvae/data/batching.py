"""Batches of sequences of similar length, with tokens and scaled properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.tokenizers.vocabulary import PAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.data.arrays import Ragged
    from molvae.data.corpus import Corpus
    from molvae.data.scaling import PropertyScaler


@dataclass(frozen=True)
class Batch:
    """A training batch.

    Attributes:
        tokens: Target of the decoder, ``b x t`` int64: tokens, end mark, padding.
        lengths: Tokens of each row, the end mark included; ``b`` int64.
        properties: ``b x p`` float32, scaled; 0 where not observed.
        observed: ``b x p`` bool.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    properties: NDArray[np.float32]
    observed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.lengths)


def epoch_batches(
    rows: NDArray[np.integer], lengths: NDArray[np.integer], batch_size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Divide rows into batches of (nearly) one length each, in random order.

    Rows of one length are shuffled, sorted by length and cut; the batches are shuffled. Each row occurs once,
    every batch but one is full, and the result depends only on the arguments (including the order of the
    rows) and the generator. `lengths` are those of all molecules of the corpus.

    >>> batches = epoch_batches(np.arange(6), np.array([3, 9, 3, 9, 3, 9]), 3, np.random.default_rng(0))
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2, 4], [1, 3, 5]]
    """
    shuffled = generator.permutation(np.asarray(rows, dtype=np.int64))
    ordered = shuffled[np.argsort(np.asarray(lengths)[shuffled], kind="stable")]
    batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    return [batches[n] for n in generator.permutation(len(batches))]


def by_length(rows: NDArray[np.int64], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """The same rows, shorter ones first: batches of such neighbors have little padding.

    `lengths` are those of all molecules of the corpus.
    """
    ordered: NDArray[np.int64] = rows[np.argsort(np.asarray(lengths)[rows], kind="stable")]
    return ordered


def collate(corpus: Corpus, rows: NDArray[np.integer], *, scaler: PropertyScaler) -> Batch:
    """The tokens and scaled properties of ``b`` rows of a corpus."""
    rows = np.asarray(rows, dtype=np.int64)
    tokens, lengths = pad(corpus.ids, rows)
    properties = scaler.to_unit(corpus.labels[rows])
    observed = np.isfinite(properties)
    return Batch(tokens, lengths, np.where(observed, properties, np.float32(0)), observed)


def pad(column: Ragged, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of different lengths as one array ``b x t``, padded at the end, and their lengths ``b``."""
    starts = np.asarray(column.offsets)[rows]
    lengths = np.asarray(column.offsets)[rows + 1] - starts
    steps = np.arange(lengths.max(initial=0))
    inside = steps < lengths[:, None]  # b x t
    padded = np.full(inside.shape, PAD, dtype=np.int64)
    padded[inside] = column.values[(starts[:, None] + steps)[inside]]
    return padded, lengths
