"""The vocabulary of a corpus: learned from its training part, or given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.data.arrays import RaggedReader, blocks
from molvae.errors import InputError
from molvae.persistence.locations import named
from molvae.seeding import Seeds
from molvae.tokenizers.base import TOKENIZERS
from molvae.tokenizers.vocabulary import EOS, Vocabulary, merged_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings

_MERGE_SAMPLE = 50_000  # training molecules that merges are learned from: more change next to nothing
_LEAST_PAIRS = 100  # of these that hold a pair that is merged


def learn_vocabulary(
    settings: PrepareSettings, kept: Path, in_train: NDArray[np.bool_], tokens: dict[str, int]
) -> Vocabulary:
    """Choose the tokens worth an id: units often enough in the training part, and units merged.

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
    """Read the vocabulary of a checkpoint (a directory or a shipped one's name) or corpus, or a file of one.

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
    """Count the units of the training part, randomized writings included, and choose those worth an id."""
    counts = np.zeros(len(tokens), dtype=np.int64)
    with RaggedReader(kept, "tokens") as canonical, RaggedReader(kept, "randomized") as randomized:
        for start, stop in blocks(len(in_train)):
            for column, k in ((canonical, 1), (randomized, settings.n_randomized)):
                values, lengths = column.rows(start * k, stop * k)
                chosen = np.repeat(np.repeat(in_train[start:stop], k), lengths)
                counts += np.bincount(values[chosen], minlength=len(tokens))
    names = list(tokens)
    return Vocabulary.build(
        {names[n]: int(count) for n, count in enumerate(counts) if n > 0 and count > 0},
        min_count=settings.min_token_count,
    )
