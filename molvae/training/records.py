"""The records of a run: its corpus and settings, and one line of figures per epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from molvae.config import differences, load_settings
from molvae.errors import ConfigError, StorageError
from molvae.models.priors.base import StandardNormal
from molvae.persistence.files import reading, sha256_of, write_atomically
from molvae.persistence.manifest import MANIFEST
from molvae.progress import EventLog, read_events
from molvae.training.config import TrainSettings
from molvae.training.validation import UNIQUENESS, VALIDITY

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.data.corpus import Corpus

_FREE = {"device", "threads", "precision", "checkpoint_every", "trackers"}  # may differ when a run is resumed


def claim(directory: Path, settings: TrainSettings, corpus: Corpus) -> None:
    """Tie a run directory to its settings and corpus, or check that it is tied to these.

    Raises:
        ConfigError: It belongs to a run with other settings, or to another corpus.
    """
    digest = sha256_of(corpus.path / MANIFEST)
    owner = directory / "corpus.json"
    written = directory / "settings.toml"
    with reading(owner):
        another = owner.exists() and json.loads(owner.read_text())["manifest_sha256"] != digest
    if another:
        raise ConfigError(
            f"{directory} holds a run on another corpus", hint="Choose another run directory with -o."
        )
    if written.exists():
        before = load_settings(TrainSettings, written).model_dump(mode="json", exclude=_FREE)
        changed = differences(before, settings.model_dump(mode="json", exclude=_FREE))
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
    """Drop what a killed process logged after its last saved state, as those epochs are trained again."""
    path = directory / "metrics.jsonl"
    if path.exists():
        kept = [record for record in read_events(path) if record["epoch"] <= epoch]
        write_atomically(path, "".join(json.dumps(record) + "\n" for record in kept))


def line(epoch: int, figures: dict[str, Any]) -> str:
    """One line for the reader: the figures of an epoch that matter most."""
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
