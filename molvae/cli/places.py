"""Where things lie: the checkpoint of a run, the journal of a campaign, what a directory is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from molvae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "model"
JOURNAL = "journal.sqlite"
METRICS = "metrics.jsonl"

Kind = Literal["model", "corpus", "run", "campaign"]


def checkpoint(path: Path) -> Path:
    """The model directory meant by `path`: itself, or the best model of the run that it is."""
    return path / MODEL if not (path / "MANIFEST.json").exists() and (path / MODEL).is_dir() else path


def journal(path: Path) -> Path:
    """The journal file meant by `path`: itself, or that of the campaign directory."""
    return path if path.is_file() else path / JOURNAL


def kind_of(path: Path) -> Kind:
    """What stands at `path`, by the files that make it so.

    Raises:
        InputError: Nothing, or nothing of ours.
    """
    if path.is_file() or (path / JOURNAL).is_file():
        return "campaign"
    manifest = path / "MANIFEST.json"
    if manifest.is_file():
        try:
            kind = json.loads(manifest.read_text(encoding="utf-8"))["kind"]
        except (OSError, ValueError, KeyError, TypeError):
            kind = MODEL
        return "corpus" if kind == "corpus" else "model"
    if (path / MODEL).is_dir() or (path / METRICS).is_file() or (path / "states").is_dir():
        return "run"
    if not path.exists():
        raise InputError(f"nothing at {path}", hint="Check the path for a typing mistake.")
    raise InputError(
        f"{path} is no checkpoint, corpus, run or campaign",
        hint="A run and a campaign are the directories that train and optimize were given with -o.",
    )
