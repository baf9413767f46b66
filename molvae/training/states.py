"""Saved states of a fit, from which it resumes as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from molvae.errors import CheckpointError, StoppedEarly
from molvae.latent.checkpoint import load_tensors, read_json, save_tensors, write_json
from molvae.models.devices import World
from molvae.models.fitting import FitStates, State
from molvae.persistence.directories import committed_directory, verify_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

_KIND, _SCHEMA = "training-state", 1
_FACTS = "state.json"
_KEPT = 2  # states: the newest, and the one before in case the newest is damaged
EVERY = 500  # steps: seconds of a small network, a minute of a large one


class KeptStates(FitStates):
    """Keeps the two newest states of one fit in a directory of its own, which appears with the first.

    Args:
        directory: Where they are.
        should_stop: Asked after every step.
        every: Steps between two states.
        fit: What a person calls this fit.
        world: The processes that share the work; the leading one writes.
    """

    def __init__(
        self,
        directory: Path,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        every: int | None = None,
        fit: str = "the fit",
        world: World | None = None,
    ) -> None:
        self.directory, self._should_stop = directory, should_stop
        self._every, self._fit, self._world = every or EVERY, fit, world or World()

    def newest(self) -> State | None:
        """The newest state that is not damaged; None if there is none at all.

        Raises:
            CheckpointError: There are states, but all are damaged or of an earlier version.
        """
        for stray in self.directory.glob(".step-*.tmp"):  # what a killed process was writing
            shutil.rmtree(stray, ignore_errors=True)
        if (self.directory / "state.safetensors").exists():
            raise self._refused("an earlier version of molvae began it")
        problem: CheckpointError | None = None
        for path in reversed(saved_states(self.directory)):
            try:
                return _load(path)
            except CheckpointError as error:
                problem = problem or error
        if problem is not None:
            raise self._refused(str(problem)) from None
        return None

    def _refused(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"{self._fit} cannot be resumed: {why}", hint=f"Remove {self.directory} to start afresh."
        )

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        """Keep the state every few hundred steps, and when asked to stop.

        Raises:
            StoppedEarly: `should_stop` said so, to any of the processes.
            StorageError: The disk refuses.
        """
        stops = self._world.anyone(self._should_stop())
        if stops or step % self._every == 0:
            self.save(step, state)
        if stops:
            raise StoppedEarly(
                f"stopped after step {step:,} of {self._fit}; the state is saved in {self.directory}",
                hint="The same command resumes.",
            )

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Commit the state and remove all but the two newest."""
        if self._world.leads:
            facts, kinds = state()
            target = self.directory / f"step-{step:09d}"
            with committed_directory(target, kind=_KIND, schema=_SCHEMA, holding=[_FACTS]) as place:
                for name, tensors in kinds.items():
                    save_tensors(tensors, place / f"{name}.safetensors")
                write_json(facts, place / _FACTS)
            for old in saved_states(self.directory)[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        self._world.barrier()

    def forget(self) -> None:
        """Remove the states, once the result is safe, and the directory above if no other fit is in it."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.parent.is_dir() and not any(self.directory.parent.iterdir()):
            self.directory.parent.rmdir()


def saved_states(directory: Path) -> list[Path]:
    """The states under `directory`, oldest first."""
    return sorted(directory.glob("step-*"))


def _load(path: Path) -> State:
    verify_directory(path, kind=_KIND, schema=_SCHEMA)
    tensors = {file.stem: load_tensors(file) for file in sorted(path.glob("*.safetensors"))}
    return State(read_json(path / _FACTS), tensors)


def name_of(asked: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Twelve characters by which a fit is known: the same only if all that decides it is the same.

    Args:
        asked: What decides it, as JSON holds it.
        tensors: Weights that decide it.
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
