"""Devices, threads, half precision, and the processes that share a training."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def resolve_device(name: str) -> torch.device:
    """The torch device of `auto`, `cpu`, `cuda` or `mps`; `UsageError` if it is not available."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind = name.partition(":")[0]
    if kind not in there:
        raise UsageError(f"unknown device '{name}'", hint="Known: auto, cpu, cuda, mps.")
    if not there[kind]:
        raise UsageError(f"this machine has no {kind} device", hint="Use --device auto.")
    return torch.device(name)


@contextlib.contextmanager
def limited_threads(n: int) -> Iterator[None]:
    """Limit torch to `n` CPU threads inside the block; rounding depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_FAST = ("amx_bf16", "avx512_bf16")  # instructions of processors


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products are much faster in bfloat16 than in float32.

    True on GPUs and on CPUs with AMX or AVX-512 BF16; other CPUs gain little or become slower.
    """
    if device.type == "cpu":
        capabilities = getattr(torch.cpu, "get_capabilities", None)  # earlier versions of torch have none
        able = {} if capabilities is None else capabilities()
        return any(able.get(name, False) for name in _FAST)
    return device.type == "cuda"


def is_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether matrices are multiplied in bfloat16: where it is fast, if the precision is `auto`."""
    return has_fast_bfloat16(device) if precision == "auto" else precision == "bfloat16"


@dataclass(frozen=True, slots=True)
class World:
    """The rank of this process, and the number of processes."""

    rank: int = 0  # 0 writes the run directory
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
    """The process group set up by `torchrun`, or a single process."""
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield World()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend)
    try:
        yield World(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
