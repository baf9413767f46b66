"""Inputs of `molvae evaluate`: files of molecules, parts of a corpus, and the alerts of the filters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.cli import inputs, options, places
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.chemistry.admission import Rules
    from molvae.cli.output import Session
    from molvae.data.corpus import Corpus
    from molvae.evaluation.molecules import MoleculeSet
    from molvae.progress import Progress

_PARTS = ("train", "valid", "test")


def compared(
    session: Session, corpus: Corpus | None, chosen: Mapping[str, Any], progress: Progress
) -> tuple[list[MoleculeSet], set[str] | None]:
    """The references, and the canonical SMILES of the training molecules where they are known."""
    from molvae.data.catalog import cache_directory
    from molvae.evaluation.distribution import canonical_set

    files = chosen["reference_files"]
    sets = {_name(file): read_texts(file, session, chosen) for file in files}
    if len(sets) < len(files):
        raise UsageError("two references have the same name", hint="Rename one of the files.")
    known = None
    if corpus is not None:
        sets[chosen["split"].replace(",", "+")] = corpus.smiles(held_out_rows(corpus, chosen["split"]))
        known = set(corpus.smiles(corpus.rows("train")))
    if chosen["train_file"]:
        training = read_texts(chosen["train_file"], session, chosen)
        known = canonical_set(training, rules=chosen["rules"], workers=chosen["workers"], progress=progress)
    cache = chosen["cache"] or cache_directory() / "references"
    return [molecule_set(texts, name, chosen, progress, cache=cache) for name, texts in sets.items()], known


def molecule_set(
    texts: Sequence[str],
    name: str,
    chosen: Mapping[str, Any],
    progress: Progress,
    *,
    cache: Path | None = None,
) -> MoleculeSet:
    """A set of molecules, to be profiled as the options say."""
    from molvae.evaluation.molecules import MoleculeSet
    from molvae.models.devices import resolve_device

    return MoleculeSet(
        texts,
        name=name,
        rules=chosen["rules"],
        alerts=chosen["alerts"],
        cache=cache,
        workers=chosen["workers"],
        device=str(resolve_device(chosen["device"])),
        progress=progress,
    )


def read_texts(argument: str, session: Session, chosen: Mapping[str, Any]) -> list[str]:
    """The SMILES column of a file; empty, and so invalid, for a row that cannot be read."""
    if not inputs.is_file(argument):
        raise InputError(f"no file '{argument}'", hint="Check the path for a typing mistake.")
    rows = inputs.Arguments([argument], chosen["columns"]).rows(session)
    return ["" if row.reason else row.text for row in rows]


def open_corpus(path: Path | None) -> Corpus | None:
    """The corpus, if one was named."""
    from molvae.data.corpus import Corpus

    return None if path is None else Corpus.open(places.corpus(path))


def rules_of(corpus: Corpus | None) -> Rules | None:
    """Standardization of molecules that are compared with a corpus: that of the corpus."""
    from molvae.chemistry.admission import Rules

    return None if corpus is None else Rules(corpus.settings.standardize, corpus.settings.keep_stereo)


def held_out_rows(corpus: Corpus, split: str) -> np.ndarray:
    """The rows of parts of a corpus given as `test` or `test,valid`.

    Raises:
        UsageError: There is no such part.
        InputError: They have no molecule.
    """
    parts = options.split_names([split])
    if not parts or set(parts) - set(_PARTS):
        raise UsageError(f"the parts of a corpus are {', '.join(_PARTS)}, got '{split}'")
    rows = np.flatnonzero(np.isin(corpus.parts, [_PARTS.index(part) for part in parts]))
    if not len(rows):
        raise InputError(f"the corpus has no molecule in {split}", hint="Choose another --split.")
    return rows


def labels_of(corpus: Corpus, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Labels of the properties a model predicts, `n x p`; NaN columns for those the corpus lacks."""
    labels = np.full((len(rows), len(names)), np.nan)
    for column, name in enumerate(names):
        if name in corpus.property_names:
            labels[:, column] = corpus.labels[rows, corpus.property_names.index(name)]
    return labels


def alert_directory(path: Path | None, *, asked: bool) -> Path | None:
    """The directory of the MOSES alerts: the given one or its `filters/`; None if not found.

    Args:
        path: The directory, if any is known.
        asked: Whether the user named it; then they are required.
    """
    from molvae.chemistry.filters import ALERT_FILES

    if path is None:
        return None
    for place in (path, path / "filters"):
        if all((place / name).is_file() for name in ALERT_FILES):
            return place
    if asked:
        raise InputError(f"{path} does not hold {' and '.join(ALERT_FILES)}")
    return None


def _name(file: str) -> str:
    return Path(file).name.partition(".")[0] or file
