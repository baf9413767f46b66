"""The model of a campaign, noted beside its journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from molvae.persistence.files import reading, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.latent.codec import MolVAE

_NOTE, _COPY = "model.json", "checkpoint"


def remember_checkpoint(directory: Path, checkpoint: Path) -> None:
    """Note the path of the model of a campaign."""
    write_atomically(
        directory / _NOTE, json.dumps({"checkpoint": str(checkpoint.resolve())}, indent=2) + "\n"
    )


def remember_model(directory: Path, model: MolVAE) -> None:
    """Note the path of a model, or save a copy of one that has none."""
    if model.path is not None:
        remember_checkpoint(directory, model.path)
    elif not (directory / _COPY).exists():
        model.save(directory / _COPY)
        write_atomically(directory / _NOTE, json.dumps({"checkpoint": _COPY}, indent=2) + "\n")


def remembered(directory: Path) -> Path | None:
    """Path of the model of a campaign, if noted."""
    note = directory / _NOTE
    if not note.is_file():
        return None
    with reading(note):
        found: str = json.loads(note.read_text(encoding="utf-8"))["checkpoint"]
        return directory / found
