"""Networks as tensors in a file, and checks of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

M = TypeVar("M", bound=nn.Module)


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


def frozen(network: M) -> M:
    """The network for inference, its weights rounded to half precision, in which `halved` stores them."""
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    return network.requires_grad_(requires_grad=False).eval()


def halved(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """The tensors of a network in half precision, by name with a prefix."""
    return {prefix + name: tensor.half() for name, tensor in network.state_dict().items()}


def fill(network: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Give a network on the meta device its tensors, in single precision."""
    own = {name: tensors[prefix + name].float() for name in network.state_dict()}
    network.load_state_dict(own, assign=True)
