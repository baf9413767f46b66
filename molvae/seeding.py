"""Independent named random generators from one root seed, reproducible in any order and process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Seeds:
    """Child generators of a root seed, by name and indices (epoch, batch, shard …).

    A child depends only on the root, its name and its indices, not on other children, the process, or
    `PYTHONHASHSEED`.

    >>> Seeds(7).integer("batches", 3) == Seeds(7).integer("batches", 3)
    True
    >>> Seeds(0).integer("batches") == Seeds(0).integer("dropout")
    False
    """

    def __init__(self, root: int) -> None:
        self.root = root

    def _sequence(self, name: str, indices: tuple[int, ...]) -> np.random.SeedSequence:
        digest = hashlib.sha256(name.encode()).digest()[:16]
        return np.random.SeedSequence([self.root, int.from_bytes(digest, "little"), len(indices), *indices])

    def numpy(self, name: str, *indices: int) -> np.random.Generator:
        """A NumPy generator."""
        return np.random.Generator(np.random.PCG64(self._sequence(name, indices)))

    def integer(self, name: str, *indices: int) -> int:
        """A seed in [0, 2^63) for a library that wants a number."""
        return int(self._sequence(name, indices).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def torch(self, name: str, *indices: int) -> torch.Generator:
        """A torch generator on the CPU."""
        import torch

        return torch.Generator().manual_seed(self.integer(name, *indices))
