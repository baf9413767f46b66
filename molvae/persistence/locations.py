"""Names and places: models by path, run or name, the files of outputs, and what a directory holds."""

from __future__ import annotations

import contextlib
import json
import sysconfig
from pathlib import Path
from typing import Literal

from molvae.errors import CheckpointError, InputError, UsageError, suggest
from molvae.persistence.directories import recover_directory, refuse_to_replace
from molvae.persistence.files import reading, write_atomically
from molvae.persistence.manifest import MANIFEST, stated_kind

Kind = Literal["model", "corpus", "run", "campaign", "screen"]


def shipped(kind: str) -> dict[str, Path]:
    """Entries of a kind (`checkpoints`, `datasets`) by name; those of a checkout come first."""
    package = Path(__file__).resolve().parents[1]
    beside = Path("share") / "molvae" / kind
    schemes = {sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")}
    places = [
        package.parent / kind if (package.parent / "pyproject.toml").is_file() else None,
        package.parent / beside,  # pip install --target
        *(Path(sysconfig.get_path("data", scheme)) / beside for scheme in sorted(schemes)),
    ]
    found: dict[str, Path] = {}
    for place in places:
        if place is not None and place.is_dir():
            found = {entry.name: entry for entry in sorted(place.iterdir())} | found
    return found


MODEL, METRICS, JOURNAL, SETTINGS = "model", "metrics.jsonl", "journal.sqlite", "settings.toml"
JOB, FUNNEL = "job.json", "funnel.json"
"""The settings of a screen, and how many molecules passed each of its stages."""
_NOTE = "model.json"  # of a campaign: where its model is
_TABLES = (".csv", ".tsv", ".smi", ".smiles", ".cxsmiles", ".txt", ".sdf", ".parquet", ".jsonl", ".gz")


def kind_of_directory(path: Path) -> Kind | None:
    """What a directory holds, by its files; None if it is something else, or not there."""
    for place in (path, path / MODEL):
        recover_directory(place.absolute())
    if (path / JOURNAL).is_file():
        return "campaign"
    if (path / JOB).is_file() or (path / FUNNEL).is_file():
        return "screen"
    if (path / MANIFEST).is_file():
        return "corpus" if stated_kind(path) == "corpus" else "model"
    if (path / MODEL).is_dir() or (path / METRICS).is_file() or (path / "states").is_dir():
        return "run"
    return None


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
    if (kind := kind_of_directory(path)) is not None:
        return kind
    if not path.exists():
        hint = "Check the path for a typing mistake."
        raise InputError(f"nothing at {path}{_nearest(path)}", hint=hint)
    raise InputError(
        f"{path} is not a checkpoint, corpus, run, campaign or screen",
        hint="Give the output directory of train, optimize or screen.",
    )


def model_directory(path: str | Path) -> Path:
    """The model directory meant by `path`: itself, the best model of a run, or the shipped one of that name.

    An existing path takes precedence over a name.

    Raises:
        CheckpointError: There is no such directory; the message suggests similar ones.
        UsageError: `path` is not a path.
    """
    if not isinstance(path, str | Path):
        raise UsageError(
            f"a model is named by its directory or its name, got {type(path).__name__}",
            hint='For example "zinc250k", or the directory of a run.',
        )
    given = Path(path)
    for place in (given, given / MODEL):
        recover_directory(place.absolute())
    if (given / MANIFEST).exists():
        return given
    if (given / MODEL).is_dir():
        return given / MODEL
    if (meant := named(given)) != given:
        return meant
    raise _no_model(given)


def named(path: Path) -> Path:
    """The shipped model of that name, unless the path exists; otherwise the path itself."""
    return path if path.exists() else shipped("checkpoints").get(str(path), path)


def corpus_directory(path: Path) -> Path:
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
    raise CheckpointError(f"no corpus directory at {path}{_nearest(path)}", hint=made)


def journal_file(path: Path) -> Path:
    """The journal file meant by `path`: itself, or that of the campaign directory."""
    return path if path.is_file() else path / JOURNAL


def output_directory(path: Path, kind: Kind) -> Path:
    """The directory of a new or resumed run, campaign or screen: `path`.

    Raises:
        UsageError: It holds something else.
    """
    found = kind_of_directory(path)
    if found not in {None, kind}:
        raise UsageError(
            f"{path} holds a {found}; a {kind} needs a directory of its own",
            hint="Choose another one with -o.",
        )
    return path


def model_output(output: Path | None, source: Path) -> Path:
    """Directory of a changed model: `output`, by default `source`.

    Raises:
        UsageError: The directory holds something else, or `source` is shipped with molvae.
    """
    if output is not None:
        refuse_to_replace(output, "model")
        return output
    if any(source.resolve() == model.resolve() for model in shipped("checkpoints").values()):
        raise UsageError(
            f"{source} is shipped with molvae and cannot be changed", hint="Give a directory with -o."
        )
    return source


def _no_model(path: Path) -> CheckpointError:
    names = [name for name, place in shipped("checkpoints").items() if (place / MANIFEST).exists()]
    known = f"; shipped by name: {', '.join(names)}" if names else ""
    trained = f"'molvae train CORPUS -o run' makes a checkpoint{known}."
    if path.is_file():
        return CheckpointError(
            f"{path} is a file, and a checkpoint is a directory",
            hint=f"The checkpoint comes first, then molecules: molvae COMMAND {(names or ['run'])[0]} ...",
        )
    if (path / "states").is_dir() or (path / METRICS).is_file():
        return CheckpointError(
            f"the run {path} has no model yet", hint="The first one is saved after its first epoch."
        )
    if path.is_dir():
        inside = [child for child in _children(path) if (child / MANIFEST).exists()]
        meant = f"; did you mean {inside[0]}?" if inside else ""
        return CheckpointError(f"{path} is a directory, but no model directory{meant}", hint=trained)
    meant = _nearest(path) or suggest(path.name, names)
    return CheckpointError(f"no model directory at {path}{meant}", hint=trained)


def _nearest(path: Path) -> str:
    """The end of a message that suggests a similar name, or the same name one level down."""
    for below in _children(path.parent):
        if below.is_dir() and (below / path.name / MANIFEST).exists():
            return f"; did you mean '{below / path.name}'?"
    return suggest(path.name, [beside.name for beside in _children(path.parent)])


def _children(path: Path) -> list[Path]:
    """Entries of a directory that are not hidden, sorted; none if it cannot be read."""
    with contextlib.suppress(OSError):
        return sorted(child for child in path.iterdir() if not child.name.startswith("."))
    return []


def remember_checkpoint(directory: Path, checkpoint: Path) -> None:
    """Note the path of the model of a campaign, relative to its directory if it is inside."""
    path, home = checkpoint.resolve(), directory.resolve()
    text = str(path.relative_to(home) if path.is_relative_to(home) else path)
    write_atomically(directory / _NOTE, json.dumps({"checkpoint": text}, indent=2) + "\n")


def remembered(directory: Path) -> Path | None:
    """Path of the model of a campaign, if noted."""
    note = directory / _NOTE
    if not note.is_file():
        return None
    with reading(note):
        found: str = json.loads(note.read_text(encoding="utf-8"))["checkpoint"]
        return directory / found
