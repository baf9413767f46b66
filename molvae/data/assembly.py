"""Build a corpus from accepted rows: merge duplicates, split, learn the vocabulary, tokenize."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from molvae.data.arrays import Ragged, RaggedWriter, blocks
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
    from molvae.data.replicates import Joined

SMALL_VOCABULARY, LARGEST_VOCABULARY = 256, 1 << 16
"""Tokens whose ids fit one byte each, and two."""

_TWINS = ("row", "identifier", "text", "first_row", "first_identifier", "file", "first_file")


def merge_duplicates(
    settings: PrepareSettings, rows: NDArray[np.void], spill: Path, directory: Path
) -> tuple[NDArray[np.int64], Joined]:
    """Write the columns of one row per molecule: the first, with the labels of all.

    Returns which rows these are; the others are listed in ``duplicates.csv``.
    """
    firsts = first_of_group(rows["digest"])
    joined = join_labels(settings, rows, firsts, spill, directory)
    kept = np.flatnonzero(firsts == np.arange(len(firsts)))
    _list_duplicates(settings, rows, firsts, spill, directory)
    for name in ("smiles", "identifiers"):
        column = Ragged.open(spill, name)
        with RaggedWriter(directory, name, np.uint8) as writer:
            for start, stop in blocks(len(kept)):
                writer.append([column[row] for row in kept[start:stop]])
    np.save(directory / "lines.npy", rows["line"][kept])
    np.save(directory / "sources.npy", rows["source"][kept])
    return kept, joined


def _list_duplicates(
    settings: PrepareSettings, rows: NDArray[np.void], firsts: NDArray[np.int64], spill: Path, directory: Path
) -> None:
    texts, names = Ragged.open(spill, "texts"), Ragged.open(spill, "identifiers")
    with SafeTable(directory / "duplicates.csv", _TWINS) as table:
        for row in np.flatnonzero(firsts != np.arange(len(firsts))).tolist():
            twin = int(firsts[row])
            table.write(
                int(rows["line"][row]),
                names.text(row),
                texts.text(row),
                int(rows["line"][twin]),
                names.text(twin),
                settings.input[rows["source"][row]],
                settings.input[rows["source"][twin]],
            )


def divide(settings: PrepareSettings, rows: NDArray[np.void]) -> NDArray[np.uint8]:
    """The split of every molecule: 0 train, 1 valid, 2 test."""
    if settings.split_column is not None:
        return rows["part"]
    keys = rows["key"]
    sizes = held_out_sizes(len(keys), settings.fractions)
    if settings.split == "random":
        return divided(keys, *sizes)
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    rare = counts[which] <= largest_group(len(keys), settings.fractions)  # enough to be held out
    parts = np.full(len(keys), TRAIN, dtype=np.uint8)
    parts[rare] = divided(keys[rare], *sizes)
    return parts


def write_tokens(
    settings: PrepareSettings,
    notation: Ragged,
    kept: NDArray[np.int64],
    directory: Path,
    vocabulary: Vocabulary,
) -> tuple[int, dict[str, int]]:
    """Write the token ids of the molecules that are kept; returns their number and counts of unknown units.

    Raises:
        InputError: The vocabulary is too large.
    """
    if len(vocabulary) > LARGEST_VOCABULARY:
        raise InputError(f"the vocabulary has {len(vocabulary):,} tokens, at most {LARGEST_VOCABULARY:,} fit")
    tokenizer = TOKENIZERS.get(settings.tokenizer)(vocabulary)
    unknown: Counter[str] = Counter()
    dtype = np.uint8 if len(vocabulary) < SMALL_VOCABULARY else np.uint16
    with RaggedWriter(directory, "tokens", dtype) as writer:
        for start, stop in blocks(len(kept)):
            rows = []
            for row in kept[start:stop].tolist():
                units = tokenizer.cut(notation.text(row))
                unknown.update(unit for unit in units if unit not in vocabulary)
                rows.append([*map(vocabulary.index, tokenizer.merge(units)), EOS])
            writer.append(rows)
        n_tokens = writer.values.n
    (directory / "vocabulary.json").write_text(vocabulary.to_json(), encoding="utf-8")
    return n_tokens, dict(unknown.most_common())


_MERGE_SAMPLE = 50_000  # training molecules that merges are learned from; more change little
_LEAST_PAIRS = 100  # minimum count of a pair to be merged


def learn_vocabulary(
    settings: PrepareSettings, notation: Ragged, kept: NDArray[np.int64], in_train: NDArray[np.bool_]
) -> Vocabulary:
    """Learn a vocabulary: units frequent enough in the training split, and merged units.

    Raises:
        InputError: If the settings name a vocabulary that cannot be read.
    """
    if settings.vocabulary is not None:
        return read_vocabulary(settings.vocabulary)
    tokenizer = TOKENIZERS.get(settings.tokenizer)
    counts: Counter[str] = Counter()
    for row in kept[in_train].tolist():
        counts.update(tokenizer.cut(notation.text(row)))
    units = Vocabulary.build(counts, min_count=settings.min_token_count)
    if settings.n_merges == 0:
        return units
    generator, n_train = Seeds(settings.seed).numpy("merges"), int(in_train.sum())
    sampled = kept[in_train & (generator.random(len(in_train)) * n_train < _MERGE_SAMPLE)]
    rows = [[*map(units.index, tokenizer.cut(notation.text(row))), EOS] for row in sampled.tolist()]
    return merged_vocabulary(
        units,
        np.concatenate(rows),
        np.array(list(map(len, rows))),
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
