"""Compute descriptors of many SMILES in parallel, and only those that are not in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.descriptors import describe_smiles
from molvae.data.descriptor_cache import DescriptorCache
from molvae.parallel.mapping import ordered_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.progress import Progress

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
        progress: Told how far it is.
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
