"""Half precision: where it pays, and that it ends where sums and exponentials begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_FAST = ("amx_bf16", "avx512_bf16")  # instructions of processors


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 matrices take a fraction of the time of float32 ones.

    So it is on GPUs, and on processors with matrix units (AMX) or wide products of bfloat16 (AVX-512 BF16);
    others gain little by them or lose.
    """
    if device.type == "cpu":
        tell = getattr(torch.cpu, "get_capabilities", None)  # earlier versions of torch have none
        able = {} if tell is None else tell()
        return any(able.get(name, False) for name in _FAST)
    return device.type == "cuda"


def at_least_single(values: Tensor) -> Tensor:
    """The values in float32 if they are in half precision, unchanged otherwise; any shape."""
    return values.float() if values.element_size() < 4 else values  # noqa: PLR2004 - bytes of a float32
