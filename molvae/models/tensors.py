"""Check tensors read from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def check_tensors(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the names, shapes and values of floating-point tensors.

    Raises:
        ValueError: Names or shapes differ, or numbers are not floating point or not finite.
    """
    for name in sorted(tensors.keys() ^ shapes.keys()):
        raise ValueError(f"'{name}' is {'missing' if name in shapes else 'not expected'}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise ValueError(
                f"'{name}' must hold floating-point numbers of shape {shape}, got {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"'{name}' is not finite")


def shapes_of(tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Shapes by name, with a prefix."""
    return {prefix + name: tuple(tensor.shape) for name, tensor in tensors.items()}
