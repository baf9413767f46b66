"""Keep computed descriptors between runs, by canonical SMILES, descriptor and RDKit version."""

from __future__ import annotations

import contextlib
import hashlib
import io
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from molvae.errors import StorageError
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

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
        """Return the remembered values, NaN where there is none; ``n``."""
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
