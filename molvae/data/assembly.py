"""Turn the spilled columns into the arrays of a corpus: merge duplicates, divide, write tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.arrays import ArrayReader, ArrayWriter, RaggedWriter, Readers, blocks
from molvae.data.replicates import LabelJoiner, groups_of
from molvae.data.reports import SafeTable
from molvae.data.splitting import (
    PARTS,
    TRAIN,
    SplitPlan,
    find_thresholds,
    held_out_sizes,
    largest_group,
)
from molvae.tokenizers.base import TOKENIZERS
from molvae.tokenizers.vocabulary import EOS, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings
    from molvae.data.replicates import Joined
    from molvae.tokenizers.base import Tokenizer

SMALL_VOCABULARY = 256
"""Tokens that fit one byte each."""


_TWINS = ("row", "identifier", "text", "first_row", "first_identifier", "file", "first_file")


def merge_duplicates(
    settings: PrepareSettings, spill: Path, directory: Path, kept: Path
) -> tuple[int, Joined]:
    """Copy one row for every molecule: final columns to `directory`, those still worked on to `kept`.

    It is the first one, with the labels of all; the others are listed in ``duplicates.csv``. Returns how many
    rows were copied, and how labels were joined.
    """
    with LabelJoiner(settings, spill, directory) as joiner:
        first = _first_rows(spill, joiner)
    with Readers(spill) as old, SafeTable(directory / "duplicates.csv", _TWINS) as table:
        columns = _Columns(old, directory, kept, settings.n_randomized)
        lines, sources = old.column("lines"), old.column("sources")
        texts, names = old.ragged("texts"), old.ragged("identifiers")
        for start, stop in blocks(len(first)):
            firsts = np.asarray(first[start:stop])
            keep = firsts == np.arange(start, stop)
            columns.copy(start, stop, keep)
            if keep.all():
                continue
            block_lines, block_sources = lines.rows(start, stop), sources.rows(start, stop)
            block_texts, block_names = texts.texts(start, stop), names.texts(start, stop)
            for n in np.flatnonzero(~keep):
                twin = int(firsts[n])
                table.write(
                    int(block_lines[n]),
                    block_names[n],
                    block_texts[n],
                    int(lines.rows(twin, twin + 1)[0]),
                    names.texts(twin, twin + 1)[0],
                    settings.input[int(block_sources[n])],
                    settings.input[int(sources.rows(twin, twin + 1)[0])],
                )
        columns.close()
    return columns.n, joiner.done()


def divide(settings: PrepareSettings, kept: Path, directory: Path, n: int) -> NDArray[np.int64]:
    """Write the part of every molecule to ``parts.npy``; returns how many are in train, valid and test."""
    plan = SplitPlan.of(settings)
    sizes = np.zeros(len(PARTS), dtype=np.int64)
    with Readers(kept) as columns, ArrayWriter(directory / "parts.npy", np.uint8) as writer:
        keys, given = columns.column("keys"), columns.column("parts")
        eligible = _eligible(kept, n, settings) if plan.by_scaffold else None

        def pass_over() -> Iterator[NDArray[np.uint64]]:
            for start, stop in blocks(n):
                block = keys.rows(start, stop)
                yield block if eligible is None else block[np.asarray(eligible[start:stop])]

        n_valid, n_test = held_out_sizes(n, settings.fractions)
        thresholds = None if plan.column is not None else find_thresholds(pass_over, n_valid, n_test)
        for start, stop in blocks(n):
            parts = (
                given.rows(start, stop) if thresholds is None else thresholds.parts(keys.rows(start, stop))
            )
            if eligible is not None:
                parts = np.where(eligible[start:stop], parts, TRAIN)
            writer.append(parts)
            sizes += np.bincount(parts, minlength=len(PARTS))
    return sizes


def write_tokens(
    settings: PrepareSettings, kept: Path, directory: Path, tokens: dict[str, int], vocabulary: Vocabulary
) -> tuple[int, dict[str, int]]:
    """Write the final ids of every molecule; returns how many they are, and how often a unit is unknown."""
    tokenizer = TOKENIZERS.get(settings.tokenizer)(vocabulary)
    names = list(tokens)
    dtype = np.uint8 if len(vocabulary) < SMALL_VOCABULARY else np.uint16
    unknown = np.zeros(len(tokens), dtype=np.int64)
    strange = np.array([False, *(name not in vocabulary for name in names[1:])])
    n_tokens = 0
    with Readers(kept) as columns:
        for name in ("tokens", "randomized"):
            column, writer = columns.ragged(name), RaggedWriter(directory, name, dtype)
            for start, stop in blocks(column.n):
                values, lengths = column.rows(start, stop)
                ids, widths = _merged(tokenizer, names, values, lengths)
                writer.append(ids.astype(dtype), widths)
                if name == "tokens":
                    n_tokens += len(ids)
                    unknown += np.bincount(values[strange[values]], minlength=len(tokens))
            writer.close()
    (directory / "vocabulary.json").write_text(vocabulary.to_json(), encoding="utf-8")
    return n_tokens, {
        names[n]: int(unknown[n]) for n in np.argsort(-unknown, kind="stable") if unknown[n] > 0
    }


def _merged(
    tokenizer: Tokenizer, names: list[str], values: NDArray[Any], lengths: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Final ids of rows given as provisional ids that end with the end mark, and how many in each row."""
    index = tokenizer.vocabulary.index
    units = [names[value] for value in values.tolist()]
    ids: list[int] = []
    widths = []
    for stop, length in zip(np.cumsum(lengths).tolist(), lengths.tolist(), strict=True):
        row = tokenizer.merge(units[stop - length : stop - 1])
        ids.extend(map(index, row))
        ids.append(EOS)
        widths.append(len(row) + 1)
    return np.array(ids, dtype=np.int64), np.array(widths, dtype=np.int64)


class _Columns:
    """Copies the rows that are kept of every column."""

    def __init__(self, old: Readers, directory: Path, kept: Path, n_randomized: int) -> None:
        self.n = 0
        self._plain = [
            (
                old.column(name),
                ArrayWriter(place / f"{name}.npy", old.column(name).dtype, old.column(name).width),
            )
            for name, place in (
                ("lines", directory),
                ("sources", directory),
                ("labels", kept),
                ("keys", kept),
                ("parts", kept),
            )
        ]
        self._ragged = [
            (old.ragged(name), RaggedWriter(place, name, dtype), k)
            for name, place, dtype, k in (
                ("smiles", directory, np.uint8, 1),
                ("identifiers", directory, np.uint8, 1),
                ("tokens", kept, np.uint16, 1),
                ("randomized", kept, np.uint16, n_randomized),
            )
        ]

    def copy(self, start: int, stop: int, keep: NDArray[np.bool_]) -> None:
        """Copy the kept ones of rows ``start`` to ``stop``."""
        self.n += int(keep.sum())
        for reader, writer in self._plain:
            writer.append(reader.rows(start, stop)[keep])
        for ragged, ragged_writer, k in self._ragged:
            values, lengths = ragged.rows(start * k, stop * k)
            rows = np.repeat(keep, k)
            ragged_writer.append(values[np.repeat(rows, lengths)], lengths[rows])

    def close(self) -> None:
        """Close the new columns."""
        for _, writer in self._plain:
            writer.close()
        for _, ragged_writer, _ in self._ragged:
            ragged_writer.close()


def _first_rows(spill: Path, joiner: LabelJoiner) -> NDArray[Any]:
    """Return, memory-mapped, the first row that holds the same molecule as each row; join their labels."""
    reader = ArrayReader(spill / "digests.npy")
    n = reader.n
    reader.close()
    first = np.lib.format.open_memmap(spill / "first.npy", mode="w+", dtype=np.int64, shape=(n,))
    for rows, firsts in groups_of(spill / "digests.npy"):
        first[rows] = firsts
        joiner.join(rows, firsts)
    return first


def _eligible(kept: Path, n: int, settings: PrepareSettings) -> NDArray[Any]:
    """Return, memory-mapped, which molecules have a scaffold that is rare enough to be held out."""
    largest = largest_group(n, settings.fractions)
    eligible = np.lib.format.open_memmap(kept / "eligible.npy", mode="w+", dtype=np.bool_, shape=(n,))
    for rows, firsts in groups_of(kept / "keys.npy"):
        _, which, counts = np.unique(firsts, return_inverse=True, return_counts=True)
        eligible[rows] = counts[which] <= largest
    return eligible
