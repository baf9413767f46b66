"""Which device a model runs on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def resolve_device(name: str) -> torch.device:
    """The torch device of `auto`, `cpu`, `cuda` or `mps`; `UsageError` if it is not there."""
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
    """Let torch use so many CPU threads inside the block; sums round differently with each number."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
