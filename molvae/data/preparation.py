"""Prepare a corpus: read, examine, merge duplicates, split, learn the vocabulary, describe."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.descriptors import DESCRIPTORS, describe_smiles
from molvae.chemistry.filters import FILTERS
from molvae.config import save_settings
from molvae.data import assembly
from molvae.data.arrays import ArrayWriter, Ragged, blocks
from molvae.data.corpus import KIND, SCHEMA, Balance
from molvae.data.gathering import Gathered, gather
from molvae.data.records import has_decimal_comma
from molvae.data.splitting import PARTS, TRAIN
from molvae.errors import InputError
from molvae.parallel.cluster import available_cores
from molvae.parallel.mapping import ordered_map
from molvae.persistence.directories import committed_directory, refuse_to_replace
from molvae.persistence.locations import SETTINGS
from molvae.progress import SILENT, Progress
from molvae.tokenizers.base import TOKENIZERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings

_DESCRIBED = 64  # molecules sent to a worker at once, to be described
_ALONE = 200  # so few molecules are not worth starting workers for
_HELD = ("corpus.json", "vocabulary.json", "parts.npy", "smiles.npy", "tokens.npy", "labels.npy")


def prepare(settings: PrepareSettings, *, workers: int = -1, progress: Progress = SILENT) -> Balance:
    """Make a corpus directory of files of molecules; it appears whole or not at all.

    The order of the molecules is the order of the input, and the result depends on the settings and the input
    only, not on the number of workers. Texts and tokens stay on disk; memory grows by some 50 bytes a row.

    Args:
        settings: What to read, how, and where to write it.
        workers: Processes; 0 for none but this, -1 for one per core.
        progress: Where progress is reported.

    Raises:
        InputError: If an input cannot be read, or no row of it can be used, or one cannot and the settings
            say to fail.
        UsageError: If a column, descriptor, filter or tokenizer does not exist, or the output exists
            and is not a corpus.
    """
    _check(settings)
    if workers < 0:
        workers = available_cores() if available_cores() > 1 else 0
    with committed_directory(settings.output, kind=KIND, schema=SCHEMA, holding=_HELD) as directory:
        work = directory / "work"
        work.mkdir()
        gathered, rows = gather(settings, directory, work, workers=workers, progress=progress)
        settings = settings.model_copy(update={"labels": gathered.labels})  # by name where given by number
        kept, joined = assembly.merge_duplicates(settings, rows, work, directory)
        rows, n = rows[kept], len(kept)
        if n == 0:
            raise _nothing_left(gathered)
        parts = assembly.divide(settings, rows)
        np.save(directory / "parts.npy", parts)
        sizes = np.bincount(parts, minlength=len(PARTS))
        if sizes[TRAIN] == 0:
            raise InputError(
                f"none of the {n:,} molecules is in the training split", hint="Check the split column."
            )
        notation = Ragged.open(work, "notation")
        vocabulary = assembly.learn_vocabulary(settings, notation, kept, parts == TRAIN)
        n_tokens, unknown = assembly.write_tokens(settings, notation, kept, directory, vocabulary)
        missing = _write_labels(settings, rows["labels"], directory, workers=workers, progress=progress)
        _refuse_empty_labels(settings, missing, n, gathered, joined.contradictory)
        shutil.rmtree(work)
        balance = Balance(
            rows=gathered.rows,
            kept=n,
            duplicates=gathered.accepted - n,
            rejected=gathered.rejected,
            by_reason=dict(gathered.by_reason.most_common()),
            parts=dict(zip(PARTS, sizes.tolist(), strict=True)),
            missing=missing,
            unreadable=dict(gathered.unreadable),
            unknown=unknown,
            replicates=joined.replicates,
            spread=joined.spread,
            contradictory=joined.contradictory,
            changed=gathered.changed,
            steps=dict(gathered.steps.most_common()),
            doubtful=gathered.doubtful,
            stereo_groups=gathered.stereo_groups,
            n_tokens=n_tokens,
            n_vocabulary=len(vocabulary),
        )
        _write_facts(settings, directory, balance)
    return balance


def _check(settings: PrepareSettings) -> None:
    """Check names before starting hours of work."""
    TOKENIZERS.get(settings.tokenizer)
    if settings.vocabulary is not None:
        assembly.read_vocabulary(settings.vocabulary)
    for name in settings.descriptors:
        DESCRIPTORS.get(name)
    for name in settings.filters:
        FILTERS.get(name)
    refuse_to_replace(settings.output, KIND)


def _nothing_left(gathered: Gathered) -> InputError:
    if gathered.rows == 0:
        return InputError("the input has no rows")
    reasons = "; ".join(f"{reason} ({n:,})" for reason, n in gathered.by_reason.most_common(3))
    return InputError(f"none of the {gathered.rows:,} rows can be used", hint=f"Most often: {reasons}.")


def _refuse_empty_labels(
    settings: PrepareSettings,
    missing: dict[str, int],
    n: int,
    gathered: Gathered,
    contradictory: Mapping[str, int],
) -> None:
    """Refuse a column of labels without a single number: it is probably the wrong column."""
    for name in settings.labels:
        if missing[name] < n:
            continue
        if name in contradictory:
            raise InputError(
                f"column '{name}' has both 0 and 1 for every labelled molecule",
                hint="Leave it out of --labels.",
            )
        if name not in gathered.first_unreadable:
            raise InputError(f"column '{name}' is empty", hint="Leave it out of --labels.")
        cell = gathered.first_unreadable[name]
        raise InputError(
            f"no cell of column '{name}' is a number; the first one is '{cell[:60]}'",
            hint="Decimal commas are understood in tables whose cells are separated by semicolons."
            if has_decimal_comma(cell)
            else "Labels are numbers: a plain 5.2, not '>5', '5.2 nM' or 'active'.",
        )


def _write_labels(
    settings: PrepareSettings,
    given: NDArray[np.float32],
    directory: Path,
    *,
    workers: int,
    progress: Progress,
) -> dict[str, int]:
    """Write given and computed properties side by side; returns how many values of each are missing."""
    names = (*settings.labels, *settings.descriptors)
    missing = np.zeros(len(names), dtype=np.int64)
    with ArrayWriter(directory / "labels.npy", np.float32, (len(names),)) as writer:
        start = 0
        for described in _descriptors(settings, directory, len(given), workers=workers, progress=progress):
            stop = start + len(described)
            rows = np.concatenate([given[start:stop], described.astype(np.float32)], axis=1)
            rows[~np.isfinite(rows)] = np.nan
            writer.append(rows)
            missing += np.isnan(rows).sum(axis=0)
            start = stop
    return dict(zip(names, missing.tolist(), strict=True))


def _descriptors(
    settings: PrepareSettings, directory: Path, n: int, *, workers: int, progress: Progress
) -> Iterator[NDArray[np.float64]]:
    if not settings.descriptors:
        for start, stop in blocks(n):
            yield np.empty((stop - start, 0))
        return
    task = "compute descriptors"
    progress.start(task, n)
    describe = partial(describe_smiles, names=settings.descriptors)
    smiles = Ragged.open(directory, "smiles")
    groups = ([smiles.text(row) for row in range(*block)] for block in blocks(n, _DESCRIBED))
    for values in ordered_map(describe, groups, workers=workers if n > _ALONE else 0, chunk=4):
        progress.advance(task, len(values))
        yield values
    progress.finish(task)


def _write_facts(settings: PrepareSettings, directory: Path, balance: Balance) -> None:
    facts = {
        "n": balance.kept,
        "property_names": [*settings.labels, *settings.descriptors],
        "tokenizer": settings.tokenizer,
        "balance": asdict(balance),
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    (directory / "corpus.json").write_text(text, encoding="utf-8")
    save_settings(settings, directory / SETTINGS)
