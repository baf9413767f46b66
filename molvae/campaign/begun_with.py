"""Which model a campaign was begun with, written beside its journal so that it is found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from molvae.persistence.files import reading, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.latent.codec import MolVAE

_NOTE, _COPY = "model.json", "checkpoint"


def remember_checkpoint(directory: Path, checkpoint: Path) -> None:
    """Write down where the model of a campaign lies."""
    write_atomically(
        directory / _NOTE, json.dumps({"checkpoint": str(checkpoint.resolve())}, indent=2) + "\n"
    )


def remember_model(directory: Path, model: MolVAE) -> None:
    """Write down where a model was read from, or keep a copy of one that was made in memory."""
    if model.path is not None:
        remember_checkpoint(directory, model.path)
    elif not (directory / _COPY).exists():
        model.save(directory / _COPY)
        write_atomically(directory / _NOTE, json.dumps({"checkpoint": _COPY}, indent=2) + "\n")


def remembered(directory: Path) -> Path | None:
    """Where the model of a campaign lies, if that is on record."""
    note = directory / _NOTE
    if not note.is_file():
        return None
    with reading(note):
        found: str = json.loads(note.read_text(encoding="utf-8"))["checkpoint"]
        return directory / found
