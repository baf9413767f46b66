"""Known molecules: sorted hashes of the canonical SMILES of a reference, in a memory-mapped file."""

from __future__ import annotations

import contextlib
import hashlib
from functools import partial
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from molvae.chemistry.admission import Refused, Rules, admit
from molvae.data.corpus import Corpus
from molvae.data.readers import open_table
from molvae.data.records import Row
from molvae.errors import CheckpointError, InputError
from molvae.parallel.mapping import ordered_map
from molvae.persistence.files import reading, sha256_of, written_aside
from molvae.persistence.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.progress import Progress

TASK = "read the reference"
_CHUNK = 256


def fingerprint_of(reference: Path) -> str:
    """The sha256 of a reference: of the file, or of the manifest of a corpus.

    Raises:
        InputError: It cannot be read.
    """
    file = reference / MANIFEST if reference.is_dir() else reference
    try:
        return sha256_of(file)
    except OSError as error:
        raise InputError(f"cannot read the reference {file}: {error.strerror or error}") from error


def make_known(
    reference: Path | None,
    directory: Path,
    rules: Rules,
    *,
    workers: int,
    progress: Progress,
    stop: Callable[[], bool] | None = None,
) -> Path | None:
    """Write the file of known molecules, unless it exists intact; returns its path, None without a reference.

    The reference is a corpus directory or a file of molecules. They are standardized by the rules, without
    their sizes and filters. The name of the file depends on both.
    """
    if reference is None:
        return None
    rules = Rules(rules.standardize, rules.keep_stereo)
    key = hashlib.sha256(f"{fingerprint_of(reference)} {rules}".encode()).hexdigest()
    path = directory / f"known-{key[:16]}.npz"
    with contextlib.suppress(CheckpointError):  # it is missing or damaged
        Known(path)
        return path
    progress.start(TASK)
    found: set[int] = set()
    for value in _hashes_of(reference, rules, workers=workers, progress=progress, stop=stop):
        if value is not None:
            found.add(value)
        progress.advance(TASK, 1)
    progress.finish(TASK, molecules=len(found))
    with written_aside(path) as temporary, temporary.open("wb") as file:
        np.savez(file, hashes=np.array(sorted(found), dtype=np.uint64))  # a zip file, with a checksum
    return path


def _hashes_of(
    reference: Path, rules: Rules, *, workers: int, progress: Progress, stop: Callable[[], bool] | None
) -> Iterator[int | None]:
    """The hash of each molecule; None if it has no standard form."""
    if reference.is_dir():
        corpus = Corpus.open(reference)
        if Rules(corpus.settings.standardize, corpus.settings.keep_stereo) == rules:
            return ordered_map(_hash, corpus.smiles(), workers=0, stop=stop)
        rows = (Row(n, text, "", {}) for n, text in enumerate(corpus.smiles()))
    else:
        table = open_table(reference)
        progress.note(f"{reference}: {table.note}")
        rows = (row for row in table.raw_rows if isinstance(row, Row))
    return ordered_map(partial(_hash_row, rules=rules), rows, workers=workers, chunk=_CHUNK, stop=stop)


def _hash_row(row: Row, *, rules: Rules) -> int | None:
    admitted = admit(row.text, rules, is_molblock=row.is_molblock)
    return None if isinstance(admitted, Refused) else _hash(admitted.smiles)


class Known:
    """Lookup in a file of known molecules.

    Molecules are compared by a 64-bit hash of the canonical SMILES: a screen of 10^9 molecules against 10^6
    has a false match with probability 1 in 20,000.

    Raises:
        CheckpointError: The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        with reading(path):
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    self._hashes: NDArray[np.uint64] = arrays["hashes"]
            except BadZipFile as error:
                raise ValueError(str(error)) from error

    def contains(self, smiles: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each canonical SMILES is known, `n`."""
        wanted = np.array([_hash(text) for text in smiles], dtype=np.uint64)
        if not len(self._hashes):
            return np.zeros(len(wanted), dtype=np.bool_)
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        return np.asarray(self._hashes[places] == wanted)


def _hash(smiles: str) -> int:
    return int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=8).digest(), "little")
