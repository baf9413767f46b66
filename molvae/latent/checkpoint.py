"""A model on disk: a readable directory of JSON, safetensors and a card; loading it runs no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from molvae.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

KIND, SCHEMA = "model", 1
CONFIG, VOCABULARY, CARD = "config.json", "vocabulary.json", "README.md"
WEIGHTS, PRIOR = "weights.safetensors", "prior.safetensors"
DOMAIN, PRECEDENT = "domain.safetensors", "precedent.safetensors"


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors as safetensors, on the CPU and contiguous; a disk that refuses is an `OSError`."""
    path.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors; a file that is not safetensors is a `CheckpointError`."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from None


def load_weights(network: nn.Module, path: Path, *, assign: bool = False) -> None:
    """Fill a network with the weights of a file.

    Args:
        network: The network.
        path: A safetensors file.
        assign: Replace the network's tensors instead of copying into them: for a network on the meta device,
            so that sizes are checked before memory is taken.

    Raises:
        CheckpointError: A name, shape or type differs from the network's, or a weight is not finite.
    """
    expected, shapes = network.state_dict(), _shapes(path)
    for name in sorted(expected.keys() ^ shapes.keys()):
        where = "missing from" if name in expected else "not expected in"
        raise CheckpointError(f"the weight '{name}' is {where} {path}")
    for name, shape in shapes.items():
        if shape != tuple(expected[name].shape):
            raise CheckpointError(
                f"the weight '{name}' of {path} has shape {shape}, "
                f"but its configuration says {tuple(expected[name].shape)}"
            )
    tensors = load_tensors(path)
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name].dtype:
            raise CheckpointError(
                f"the weight '{name}' of {path} is {tensor.dtype}, not {expected[name].dtype}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"the weight '{name}' of {path} is not finite")
    network.load_state_dict(tensors, assign=assign)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a file by name, as its header says: nothing else of it is read."""
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from None


def read_json(path: Path) -> Any:
    """A JSON file; anything else is a `CheckpointError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None


def write_json(value: Any, path: Path) -> None:
    """Write JSON that a person can read."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
