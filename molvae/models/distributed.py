"""Several processes, one training: DistributedDataParallel under `torchrun`, nothing otherwise."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class World:
    """Which process of how many this is.

    Attributes:
        rank: 0 writes the run directory.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            distributed.barrier()

    def mean(self, values: list[float]) -> list[float]:
        """The mean over processes, number by number; the same on every process."""
        if self.size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(total)
        return [value / self.size for value in total.tolist()]

    def anyone(self, flag: bool) -> bool:  # noqa: FBT001 - a vote
        """Whether the flag is set on any process; the same answer on every process."""
        return self.mean([float(flag)])[0] > 0.0


@contextlib.contextmanager
def world() -> Iterator[World]:
    """The process group `torchrun` set up for this process, or a world of one."""
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield World()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend)
    try:
        yield World(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
