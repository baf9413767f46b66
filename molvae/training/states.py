"""Files of a training run: states from which it resumes exactly, its settings and metrics."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from molvae.config import differences, load_settings, read_toml, retired_changes
from molvae.errors import CheckpointError, ConfigError, StoppedEarly, StorageError
from molvae.latent.checkpoint import load_tensors, read_json, save_tensors, write_json
from molvae.models.devices import World
from molvae.models.fitting import FitStates, State
from molvae.models.priors.base import StandardNormal
from molvae.persistence.directories import committed_directory, verify_directory
from molvae.persistence.files import reading, sha256_of, write_atomically
from molvae.persistence.locations import SETTINGS
from molvae.persistence.manifest import MANIFEST
from molvae.progress import EventLog, read_events
from molvae.training.config import TrainSettings
from molvae.training.validation import UNIQUENESS, VALIDITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from molvae.data.corpus import Corpus

_KIND, _SCHEMA = "training-state", 1
_FACTS = "state.json"
_KEPT = 2  # states: the newest, and the one before in case the newest is damaged
EVERY = 500  # steps between states: seconds for a small network, a minute for a large one


class KeptStates(FitStates):
    """Keeps the two newest states of one fit in its own directory, created with the first.

    `fit` names the fit in messages; only the leading process writes.
    """

    def __init__(
        self,
        directory: Path,
        should_stop: Callable[[], bool],
        *,
        fit: str,
        every: int | None = None,
        world: World | None = None,
    ) -> None:
        self.directory, self._should_stop = directory, should_stop
        self._every, self._fit, self._world = every or EVERY, fit, world or World()

    def newest(self) -> State | None:
        """The newest state that is not damaged; None if there are no states.

        Raises:
            CheckpointError: There are states, but all are damaged.
        """
        for stray in self.directory.glob(".step-*.tmp"):  # left by a killed process
            shutil.rmtree(stray, ignore_errors=True)
        problem: CheckpointError | None = None
        for path in reversed(saved_states(self.directory)):
            try:
                return _load(path)
            except CheckpointError as error:
                problem = problem or error
        if problem is not None:
            message = f"{self._fit} cannot be resumed: {problem}"
            raise CheckpointError(message, hint=f"Remove {self.directory} to start over.")
        return None

    def after_step(self, step: int, state: Callable[[], State]) -> None:
        """Save the state every few hundred steps, and when asked to stop.

        Raises:
            StoppedEarly: `should_stop` returned true in any of the processes.
            StorageError: The state cannot be written.
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
        """Remove the states once the result is saved, and the parent directory if it is then empty."""
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
    """Twelve characters that identify a fit: a digest of its arguments and tensors."""
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


_FREE = {"device", "threads", "precision", "checkpoint_every", "trackers"}  # may differ when a run is resumed


def claim(directory: Path, settings: TrainSettings, corpus: Corpus) -> None:
    """Record the settings and corpus of a run directory, or check that they match an existing run.

    Raises:
        ConfigError: It belongs to a run with other settings, or to another corpus.
    """
    digest = sha256_of(corpus.path / MANIFEST)
    owner = directory / "corpus.json"
    written = directory / SETTINGS
    with reading(owner):
        another = owner.exists() and json.loads(owner.read_text())["manifest_sha256"] != digest
    if another:
        raise ConfigError(
            f"{directory} holds a run on another corpus", hint="Choose another run directory with -o."
        )
    if written.exists():
        before = load_settings(TrainSettings, written, stored=True).model_dump(mode="json", exclude=_FREE)
        changed = differences(before, settings.model_dump(mode="json", exclude=_FREE))
        changed += retired_changes(TrainSettings, read_toml(written))
        if changed:
            raise ConfigError(
                f"{directory} holds a run with other settings: {', '.join(changed)}",
                hint="Give the same settings to resume it, or another run directory with -o.",
            )
    write_atomically(owner, json.dumps({"corpus": corpus.path.name, "manifest_sha256": digest}) + "\n")


def write_epoch(directory: Path, epoch: int, step: int, figures: dict[str, Any]) -> None:
    """Append an epoch to `metrics.jsonl`."""
    try:
        with EventLog(directory / "metrics.jsonl") as log:
            log.write("epoch", epoch=epoch, step=step, **figures)
    except OSError as error:
        raise StorageError(f"cannot write {directory / 'metrics.jsonl'}: {error.strerror}") from error


def truncate(directory: Path, epoch: int) -> None:
    """Drop metrics logged after the last saved state: those epochs are trained again."""
    path = directory / "metrics.jsonl"
    if path.exists():
        kept = [record for record in read_events(path) if record["epoch"] <= epoch]
        write_atomically(path, "".join(json.dumps(record) + "\n" for record in kept))


def line(epoch: int, figures: dict[str, Any]) -> str:
    """A one-line summary of the main metrics of an epoch."""
    valid = figures["valid"]
    prior = next(name.removesuffix(VALIDITY) for name in valid if name.endswith(VALIDITY))
    source = "N(0, I)" if prior == StandardNormal.name else f"the prior '{prior}'"
    errors = "".join(f", {key} {value:.3g}" for key, value in valid.items() if key.startswith("mae_"))
    free = f"{valid['free']:.2f} nats without z, " if "free" in valid else ""
    return (
        f"epoch {epoch}: exact reconstruction {valid['exact_reconstruction']:.1%} "
        f"({valid['reconstruction']:.2f} nats), KL {valid['kl']:.1f} nats, {free}beta {figures['beta']:.3g}, "
        f"{valid['active_units']:.0f} active units, "
        f"validity of {source} {valid[prior + VALIDITY]:.1%} "
        f"(unique {valid[prior + UNIQUENESS]:.1%}){errors}"
    )
