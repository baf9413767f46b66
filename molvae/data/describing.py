"""Descriptors of many SMILES, computed in parallel and cached between runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from molvae.chemistry.descriptors import describe_smiles
from molvae.errors import StorageError
from molvae.parallel.mapping import ordered_map
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.progress import Progress

MAX_ENTRIES = 2_000_000
"""Molecules remembered for one descriptor: the bound on memory. Further ones are computed each time."""

SCHEMA = 1
"""Counted up when a descriptor of ours changes its meaning."""

_ENTRY = np.dtype([("upper", "<u8"), ("lower", "<u8"), ("value", "<f8")])
_DIGEST_BYTES = 32


def default_directory() -> Path:
    """Return the user's cache directory for descriptors."""
    import pooch

    directory: Path = pooch.os_cache("molvae") / "descriptors"
    return directory


class DescriptorCache:
    """Values of one descriptor, sorted by a 128-bit digest of the SMILES.

    A file that is damaged is taken for empty; a directory that cannot be written is left alone.

    Args:
        directory: Where the files of all descriptors lie.
        name: The descriptor.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / f"{quote(name, safe='')}-rdkit-{version('rdkit')}-{SCHEMA}.bin"
        self._entries = self._load()

    def look_up(self, smiles: Sequence[str]) -> NDArray[np.float64]:
        """Return the remembered values, NaN if absent; ``n``."""
        values = np.full(len(smiles), np.nan)
        if len(self._entries) == 0 or not smiles:
            return values
        keys = _digests(smiles)
        places = np.searchsorted(self._entries["upper"], keys[:, 0])
        entries = self._entries[np.minimum(places, len(self._entries) - 1)]
        found = (entries["upper"] == keys[:, 0]) & (entries["lower"] == keys[:, 1])
        values[found] = entries["value"][found]
        return values

    def store(self, smiles: Sequence[str], values: NDArray[np.float64]) -> None:
        """Remember values that were not known; NaN is never remembered."""
        room = MAX_ENTRIES - len(self._entries)
        finite = np.flatnonzero(np.isfinite(values))[: max(room, 0)]
        if len(finite) == 0:
            return
        new = np.empty(len(finite), dtype=_ENTRY)
        keys = _digests([smiles[n] for n in finite])
        new["upper"], new["lower"], new["value"] = keys[:, 0], keys[:, 1], values[finite]
        merged = np.concatenate([self._entries, new])
        self._entries = merged[np.argsort(merged["upper"], kind="stable")]
        with contextlib.suppress(StorageError):  # a cache is a convenience, not a result
            self._save()

    def _save(self) -> None:
        data = io.BytesIO()
        np.lib.format.write_array(data, self._entries, allow_pickle=False)
        content = data.getvalue()
        write_atomically(self.path, hashlib.sha256(content).digest() + content)

    def _load(self) -> NDArray[np.void]:
        try:
            content = self.path.read_bytes()
        except OSError:
            return np.empty(0, dtype=_ENTRY)
        digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            return np.empty(0, dtype=_ENTRY)
        entries: NDArray[np.void] = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
        return entries


def _digests(smiles: Sequence[str]) -> NDArray[np.uint64]:
    data = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in smiles)
    return np.frombuffer(data, dtype="<u8").reshape(-1, 2)


TASK = "compute descriptors"

_BLOCK = 32_768  # molecules between two looks at the cache
_CHUNK = 64  # molecules sent to a worker at once
_ALONE = 200  # so few molecules are not worth starting workers for


@dataclass(frozen=True)
class _Describer:
    """Describes a chunk of SMILES; top-level, so that it travels to worker processes."""

    names: tuple[str, ...]

    def __call__(self, smiles: tuple[str, ...]) -> NDArray[np.float64]:
        return describe_smiles(smiles, self.names)


def describe_in_blocks(
    smiles: Iterable[str], names: tuple[str, ...], *, cache: Path, workers: int, progress: Progress
) -> Iterator[NDArray[np.float64]]:
    """Yield the descriptors of consecutive blocks of molecules, ``n x p``; NaN where one cannot be computed.

    Args:
        smiles: Canonical SMILES.
        names: The descriptors.
        cache: Directory that keeps values between runs.
        workers: Processes; 0 for none but this.
        progress: Where progress is reported.
    """
    caches = [DescriptorCache(cache, name) for name in names]
    texts = iter(smiles)
    while block := list(islice(texts, _BLOCK)):
        values = np.stack([known.look_up(block) for known in caches], axis=1)
        for wanted, positions in _missing(values):
            todo = [block[n] for n in positions]
            computed = _compute(todo, tuple(names[p] for p in wanted), workers=workers, progress=progress)
            values[np.ix_(positions, wanted)] = computed
            for column, p in enumerate(wanted):
                caches[p].store(todo, computed[:, column])
        yield values


def _missing(values: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (descriptors, molecules) that must be computed, grouped by which descriptors a molecule lacks."""
    lacks = np.isnan(values)  # n x p
    patterns, which = np.unique(lacks, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.any():
            yield np.flatnonzero(pattern), np.flatnonzero(which.reshape(-1) == number)


def _compute(
    smiles: list[str], names: tuple[str, ...], *, workers: int, progress: Progress
) -> NDArray[np.float64]:
    chunks = (tuple(smiles[n : n + _CHUNK]) for n in range(0, len(smiles), _CHUNK))
    parts = []
    for part in ordered_map(
        _Describer(names), chunks, workers=workers if len(smiles) > _ALONE else 0, chunk=4
    ):
        parts.append(np.asarray(part, dtype=np.float64))
        progress.advance(TASK, len(part))
    return np.concatenate(parts)
