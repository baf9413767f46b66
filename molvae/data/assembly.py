"""Build a corpus from accepted rows: merge duplicates, split, learn the vocabulary, tokenize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.arrays import RaggedReader, RaggedWriter, blocks
from molvae.data.replicates import first_of_group, join_labels
from molvae.data.splitting import TRAIN, divided, held_out_sizes, largest_group
from molvae.data.writers import SafeTable
from molvae.errors import InputError
from molvae.persistence.locations import named
from molvae.seeding import Seeds
from molvae.tokenizers.base import TOKENIZERS
from molvae.tokenizers.vocabulary import EOS, Vocabulary, merged_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings
    from molvae.data.gathering import Columns
    from molvae.data.replicates import Joined
    from molvae.tokenizers.base import Tokenizer

SMALL_VOCABULARY = 256
"""Tokens that fit one byte each."""


_TWINS = ("row", "identifier", "text", "first_row", "first_identifier", "file", "first_file")


def merge_duplicates(
    settings: PrepareSettings, columns: Columns, spill: Path, directory: Path, kept: Path
) -> tuple[Columns, Joined]:
    """Keep one row per molecule: final columns go to `directory`, intermediate ones to `kept`.

    The first row is kept, with the labels of all; the others are listed in ``duplicates.csv``.
    """
    firsts = first_of_group(columns.digests)
    joined = join_labels(settings, columns, firsts, spill, directory)
    keep = firsts == np.arange(len(firsts))
    _list_duplicates(settings, columns, firsts, spill, directory)
    for name, place, dtype in (
        ("smiles", directory, np.uint8),
        ("identifiers", directory, np.uint8),
        ("tokens", kept, np.uint16),
    ):
        writer = RaggedWriter(place, name, dtype)
        with RaggedReader(spill, name) as reader:
            for start, stop in blocks(len(keep)):
                values, lengths = reader.rows(start, stop)
                rows = keep[start:stop]
                writer.append(values[np.repeat(rows, lengths)], lengths[rows])
        writer.close()
    remaining = columns.take(keep)
    np.save(directory / "lines.npy", remaining.lines)
    np.save(directory / "sources.npy", remaining.sources)
    return remaining, joined


def _list_duplicates(
    settings: PrepareSettings, columns: Columns, firsts: NDArray[np.int64], spill: Path, directory: Path
) -> None:
    with (
        RaggedReader(spill, "texts") as texts,
        RaggedReader(spill, "identifiers") as names,
        SafeTable(directory / "duplicates.csv", _TWINS) as table,
    ):
        for row in np.flatnonzero(firsts != np.arange(len(firsts))).tolist():
            twin = int(firsts[row])
            table.write(
                int(columns.lines[row]),
                names.texts(row, row + 1)[0],
                texts.texts(row, row + 1)[0],
                int(columns.lines[twin]),
                names.texts(twin, twin + 1)[0],
                settings.input[int(columns.sources[row])],
                settings.input[int(columns.sources[twin])],
            )


def divide(settings: PrepareSettings, columns: Columns) -> NDArray[np.uint8]:
    """The split of every molecule: 0 train, 1 valid, 2 test."""
    if settings.split_column is not None:
        return columns.parts
    keys = columns.keys
    sizes = held_out_sizes(len(keys), settings.fractions)
    if settings.split == "random":
        return divided(keys, *sizes)
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    rare = counts[which] <= largest_group(len(keys), settings.fractions)  # enough to be held out
    parts = np.full(len(keys), TRAIN, dtype=np.uint8)
    parts[rare] = divided(keys[rare], *sizes)
    return parts


def write_tokens(
    settings: PrepareSettings, kept: Path, directory: Path, tokens: dict[str, int], vocabulary: Vocabulary
) -> tuple[int, dict[str, int]]:
    """Write the final ids of every molecule; returns their number, and the count of each unknown unit."""
    tokenizer = TOKENIZERS.get(settings.tokenizer)(vocabulary)
    names = list(tokens)
    dtype = np.uint8 if len(vocabulary) < SMALL_VOCABULARY else np.uint16
    unknown = np.zeros(len(tokens), dtype=np.int64)
    strange = np.array([False, *(name not in vocabulary for name in names[1:])])
    n_tokens = 0
    writer = RaggedWriter(directory, "tokens", dtype)
    with RaggedReader(kept, "tokens") as column:
        for start, stop in blocks(column.n):
            values, lengths = column.rows(start, stop)
            ids, widths = _merged(tokenizer, names, values, lengths)
            writer.append(ids.astype(dtype), widths)
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
    """Final ids of rows given as provisional ids, end marks included, and the length of each row."""
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


_MERGE_SAMPLE = 50_000  # training molecules that merges are learned from; more change little
_LEAST_PAIRS = 100  # minimum count of a pair to be merged


def learn_vocabulary(
    settings: PrepareSettings, kept: Path, in_train: NDArray[np.bool_], tokens: dict[str, int]
) -> Vocabulary:
    """Learn a vocabulary: units frequent enough in the training split, and merged units.

    Raises:
        InputError: If the settings name a vocabulary that cannot be read.
    """
    if settings.vocabulary is not None:
        return read_vocabulary(settings.vocabulary)
    units = _learn_units(settings, kept, in_train, tokens)
    if settings.n_merges == 0:
        return units
    ids = np.array([EOS, *map(units.index, list(tokens)[1:])], dtype=np.int64)
    values, lengths = _sample(settings, kept, in_train)
    tokenizer = TOKENIZERS.get(settings.tokenizer)
    return merged_vocabulary(
        units,
        ids[values],
        lengths,
        settings.n_merges,
        min_count=_LEAST_PAIRS,
        complete=tokenizer.is_complete,
    )


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the vocabulary of a checkpoint (directory or name of a shipped one), a corpus, or a file.

    Raises:
        InputError: If there is none, or it is not a vocabulary.
    """
    path = named(path)
    file = path / "vocabulary.json" if path.is_dir() else path
    if not file.is_file() and (path / "model" / "vocabulary.json").is_file():  # a run was given
        file = path / "model" / "vocabulary.json"
    hint = "Give a checkpoint, a corpus or a vocabulary.json."
    try:
        return Vocabulary.from_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no vocabulary at {path}", hint=hint) from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}", hint=hint) from error
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{file} is not a vocabulary: {error}", hint=hint) from error


def _sample(
    settings: PrepareSettings, kept: Path, in_train: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Provisional ids and lengths of training molecules drawn at random, at most `_MERGE_SAMPLE`."""
    values, lengths = [], []
    generator, n_train = Seeds(settings.seed).numpy("merges"), int(in_train.sum())
    with RaggedReader(kept, "tokens") as canonical:
        for start, stop in blocks(len(in_train)):
            chosen = generator.random(stop - start) * n_train < _MERGE_SAMPLE
            chosen &= in_train[start:stop]
            block, widths = canonical.rows(start, stop)
            values.append(block[np.repeat(chosen, widths)].astype(np.int64))
            lengths.append(np.asarray(widths)[chosen])
    return np.concatenate(values), np.concatenate(lengths)


def _learn_units(
    settings: PrepareSettings, kept: Path, in_train: NDArray[np.bool_], tokens: dict[str, int]
) -> Vocabulary:
    """Count the units of the training split, and select the frequent ones."""
    counts = np.zeros(len(tokens), dtype=np.int64)
    with RaggedReader(kept, "tokens") as column:
        for start, stop in blocks(len(in_train)):
            values, lengths = column.rows(start, stop)
            counts += np.bincount(values[np.repeat(in_train[start:stop], lengths)], minlength=len(tokens))
    names = list(tokens)
    return Vocabulary.build(
        {names[n]: int(count) for n, count in enumerate(counts) if n > 0 and count > 0},
        min_count=settings.min_token_count,
    )
