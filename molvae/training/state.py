"""The state of a run on disk: all it takes to go on as if it had never stopped."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from molvae.errors import CheckpointError
from molvae.latent.checkpoint import load_tensors, load_weights, read_json, save_tensors, write_json
from molvae.persistence.directories import committed_directory, remove_strays, verify_directory

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from molvae.training.schedules import BetaController

_KIND, _SCHEMA = "training-state", 1
_KEPT = 2  # states: the newest, and the one before in case the newest is damaged


@dataclass
class Progress:
    """Where a run stands; random numbers need no state, being functions of seed, epoch and step.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished in all.
        batch: Batches finished in the current epoch.
        best: Lowest validation loss; None before the first validation.
        best_epoch: Epoch it was reached after.
        sums: Running sums of the current epoch's training figures.
    """

    epoch: int = 0
    step: int = 0
    batch: int = 0
    best: float | None = None
    best_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)


def save_state(
    directory: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    controller: BetaController,
    progress: Progress,
) -> None:
    """Commit a state under `directory` and remove all but the two newest."""
    moments = {
        f"{index}.{name}": value
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }
    target = directory / f"step-{progress.step:09d}"
    with committed_directory(target, kind=_KIND, schema=_SCHEMA) as place:
        save_tensors(network.state_dict(), place / "weights.safetensors")
        save_tensors(moments, place / "optimizer.safetensors")
        write_json({"progress": asdict(progress), "controller": asdict(controller)}, place / "state.json")
    for old in saved_states(directory)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def saved_states(directory: Path) -> list[Path]:
    """The states under `directory`, oldest first."""
    return sorted(directory.glob("step-*"))


def load_newest_state(
    directory: Path, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Any]] | None:
    """Fill network and optimizer from the newest state that verifies.

    Returns:
        Where the run stands and the controller's fields; None if there is no state.

    Raises:
        CheckpointError: There are states, but none that verifies.
    """
    problem: CheckpointError | None = None
    for path in reversed(saved_states(directory)):
        try:
            return _load(path, network, optimizer)
        except CheckpointError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return None


def remove_half_written(directory: Path) -> None:
    """Remove what a killed process was writing."""
    for stray in directory.glob(".step-*.tmp"):
        shutil.rmtree(stray, ignore_errors=True)
    remove_strays(directory.parent / "model")


def _load(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Any]]:
    verify_directory(path, kind=_KIND, schema=_SCHEMA)
    facts = read_json(path / "state.json")
    load_weights(network, path / "weights.safetensors")
    entries: dict[int, dict[str, Any]] = {}
    for key, value in load_tensors(path / "optimizer.safetensors").items():
        index, _, name = key.partition(".")
        entries.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
    return Progress(**facts["progress"]), facts["controller"]
