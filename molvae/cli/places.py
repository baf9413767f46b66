"""Paths: the checkpoint of a run, the journal of a campaign, the kind of a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.errors import CheckpointError, InputError, UsageError
from molvae.persistence import locations
from molvae.persistence.directories import recover_directory, refuse_to_replace
from molvae.persistence.manifest import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.persistence.locations import Kind

MODEL, METRICS, JOURNAL = locations.MODEL, locations.METRICS, locations.JOURNAL
named, checkpoint = locations.named, locations.model_directory

_TABLES = (".csv", ".tsv", ".smi", ".smiles", ".cxsmiles", ".txt", ".sdf", ".parquet", ".jsonl", ".gz")


def room_for_model(output: Path | None, source: Path) -> Path:
    """Directory of a changed model: `output`, by default `source`.

    Raises:
        UsageError: The directory holds something else, or `source` is shipped with molvae.
    """
    if output is not None:
        return room_for(output, "model")
    if locations.is_shipped(source):
        raise UsageError(
            f"{source} is shipped with molvae and cannot be changed", hint="Give a directory with -o."
        )
    return source


def corpus(path: Path) -> Path:
    """Check that `path` is a corpus directory.

    Raises:
        CheckpointError: It is not a corpus.
    """
    recover_directory(path.absolute())
    if (path / MANIFEST).exists():
        return path
    made = "Make one of your molecules: molvae prepare FILE -o corpus"
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file, and a corpus is a directory", hint=f"molvae prepare {path} -o corpus"
        )
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory, but not a corpus", hint=made)
    raise CheckpointError(f"no corpus directory at {path}{locations.nearest(path)}", hint=made)


def journal(path: Path) -> Path:
    """The journal file meant by `path`: itself, or that of the campaign directory."""
    return path if path.is_file() else path / JOURNAL


def kind_of(path: Path) -> Kind:
    """The kind of `path`, by its files.

    Raises:
        InputError: It does not exist, or is of no known kind.
    """
    if path.suffix.lower() in _TABLES and path.is_file():
        raise InputError(
            f"{path} is a file of molecules, expected a checkpoint, corpus, run or campaign",
            hint="Use encode, domain, oracles, screen or prepare for such files.",
        )
    if path.is_file():
        return "campaign"
    if (kind := locations.kind_of_directory(path)) is not None:
        return kind
    if not path.exists():
        hint = "Check the path for a typing mistake."
        raise InputError(f"nothing at {path}{locations.nearest(path)}", hint=hint)
    raise InputError(
        f"{path} is not a checkpoint, corpus, run, campaign or screen",
        hint="Give the output directory of train, optimize or screen.",
    )


def room_for(path: Path, kind: Kind) -> Path:
    """The directory for a new or resumed output of a kind: `path`.

    Raises:
        UsageError: It holds something else.
    """
    if kind in {"model", "corpus"}:  # these are replaced as a whole
        refuse_to_replace(path, kind)
        return path
    found = locations.kind_of_directory(path)
    if found not in {None, kind}:
        raise UsageError(
            f"{path} holds a {found}; a {kind} needs a directory of its own",
            hint="Choose another one with -o.",
        )
    return path
