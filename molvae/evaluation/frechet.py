"""Fréchet ChemNet Distance between two sets of molecules (Preuer 2018)."""

from __future__ import annotations

import hashlib
import math
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg

from molvae.errors import InputError, MissingDependencyError
from molvae.persistence.files import write_atomically
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.progress import Progress


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as one `.npz` file.

    Raises:
        StorageError: It cannot be written.
    """
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file; None if it does not exist or cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile, KeyError):
        return None


CHUNK = 10_000  # activations held in memory at once
_FEWEST = 2  # minimum number of molecules for a covariance


@dataclass(frozen=True)
class ChemNetStatistics:
    """A Gaussian fitted to the activations of a set of molecules.

    Attributes:
        mean: `f`.
        covariance: `f x f`, unbiased.
        n: Number of molecules.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n: int


class _Moments:
    """Mean and covariance of rows that come in parts (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.n = 0
        self.mean: NDArray[np.float64] | None = None
        self.scatter: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.floating]) -> None:
        part = np.asarray(rows, dtype=np.float64)
        mean = part.mean(axis=0)
        centered = part - mean
        scatter = centered.T @ centered
        if self.mean is None or self.scatter is None:
            self.n, self.mean, self.scatter = len(part), mean, scatter
            return
        total = self.n + len(part)
        shift = mean - self.mean
        self.scatter = self.scatter + scatter + np.outer(shift, shift) * (self.n * len(part) / total)
        self.mean = self.mean + shift * (len(part) / total)
        self.n = total

    def statistics(self) -> ChemNetStatistics:
        assert self.mean is not None  # noqa: S101 - there are at least two rows
        assert self.scatter is not None  # noqa: S101
        return ChemNetStatistics(self.mean, self.scatter / (self.n - 1), self.n)


def chemnet_statistics(
    smiles: Sequence[str],
    *,
    cache: Path | None = None,
    device: str = "cpu",
    chunk: int = CHUNK,
    progress: Progress = SILENT,
    task: str = "ChemNet",
) -> ChemNetStatistics:
    """Mean and covariance of the activations of valid SMILES, in chunks, so in constant memory.

    Duplicates are kept, and ChemNet reads canonical SMILES. Statistics are cached in the directory `cache` by
    the sha256 of the SMILES.

    Raises:
        InputError: Fewer than two molecules.
        MissingDependencyError: `fcd_torch` is not installed.
    """
    require_chemnet()
    if len(smiles) < _FEWEST:
        raise InputError(f"a Fréchet ChemNet Distance needs two molecules at least, got {len(smiles)}")
    place = None if cache is None else cache / f"chemnet-{digest(smiles)}.npz"
    kept = None if place is None else read_arrays(place)
    if kept is not None:
        return ChemNetStatistics(kept["mean"], kept["covariance"], int(kept["n"]))
    network = _chemnet(device)
    moments = _Moments()
    progress.start(task, len(smiles))
    for start in range(0, len(smiles), chunk):
        part = list(smiles[start : start + chunk])
        moments.take(network.get_predictions(part))
        progress.advance(task, len(part))
    progress.finish(task)
    found = moments.statistics()
    if place is not None:
        write_arrays(place, mean=found.mean, covariance=found.covariance, n=np.array(found.n))
    return found


def frechet_distance(a: ChemNetStatistics, b: ChemNetStatistics) -> float:
    """|m - m'|² + Tr(C + C' - 2 (C C')^½), computed with the root of the symmetric C^½ C' C^½.

    >>> one = ChemNetStatistics(np.zeros(2), np.eye(2), 9)
    >>> round(frechet_distance(one, ChemNetStatistics(np.array([3.0, 4.0]), 4 * np.eye(2), 9)), 6)
    27.0
    """
    values, vectors = linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    shared = linalg.eigvalsh(root @ b.covariance @ root)
    overlap = float(np.sqrt(np.clip(shared, 0.0, None)).sum())
    shift = a.mean - b.mean
    return float(shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2.0 * overlap)


def fcd_score(distance: float) -> float:
    """GuacaMol's score of a distance, exp(-0.2 FCD): 1 for the same distribution (Brown 2019)."""
    return math.exp(-0.2 * distance)


def digest(smiles: Sequence[str]) -> str:
    """The sha256 of SMILES in order, as hex; the key of cached statistics."""
    content = hashlib.sha256()
    for text in smiles:
        content.update(text.encode() + b"\n")
    return content.hexdigest()


def require_chemnet() -> None:
    """Raise `MissingDependencyError` if `fcd_torch` is not installed."""
    if find_spec("fcd_torch") is None:
        raise MissingDependencyError(
            "the Fréchet ChemNet Distance needs the package fcd_torch, which is not installed",
            hint="Install it with: pip install 'molvae[eval]'; or leave the FCD out.",
        )


def _chemnet(device: str) -> Any:
    from fcd_torch import FCD

    return FCD(device=device, n_jobs=1, canonize=True)
