"""The identity of a screen: settings, and sha256 of library, model, reference and objective files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molvae.config import settings_from, without_retired
from molvae.data.records import Column
from molvae.data.sources import check_file
from molvae.errors import StorageError, UsageError
from molvae.oracles.heads import PREDICTED
from molvae.oracles.references import files_of
from molvae.persistence.files import DAMAGED, file_lock, reading, sha256_of, write_atomically
from molvae.persistence.locations import JOB
from molvae.persistence.manifest import MANIFEST
from molvae.screening.config import P_VALUE, ScreenSettings
from molvae.screening.novelty import fingerprint_of

_LIBRARY_HASH = ".library.json"
_STDIN = "-"
VECTOR = "z"
"""Column of the latent vectors."""
_PATIENCE = 60.0  # seconds: many shards may start at once
# settings that do not change the result
_WITHOUT_EFFECT = {"library", "checkpoint", "reference", "failure_limit"}


@dataclass(frozen=True)
class Job:
    """A screen, as in ``job.json``.

    Attributes:
        settings: Of the screen.
        columns: Of the library.
        property_names: Properties the model predicts.
        inputs: sha256 of the library, the model, the reference and the files that objectives name.
        version: Of molvae.
        latent_size: Of the model.
        calibrated: Whether the model is.
    """

    settings: ScreenSettings
    columns: tuple[str, ...]
    property_names: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    version: str
    latent_size: int = 0
    calibrated: bool = False

    @property
    def digest(self) -> str:
        """Identifies the screen: the same rows through the same stages have the same digest."""
        settings = self.settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
        facts = {**self._facts(), "settings": settings}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def numbers(self) -> list[str]:
        """Names of the columns of numbers, in order."""
        names = []
        if self.settings.predict:
            for name in self.property_names:
                names += [f"{PREDICTED}{name}", f"{PREDICTED}{name}_sd"]
        if self.settings.wants_p_value and self.calibrated:
            names.append(P_VALUE)
        names += self.settings.descriptors
        names += [objective.name for objective in self.settings.objectives]
        return list(dict.fromkeys(names))

    def table(self, *, ranked: bool) -> list[Column]:
        """The columns of a table of hits, in order; library columns with the same name are renamed."""
        own = [Column("rank", "integer"), Column("utility", "number")] if ranked else []
        own += [Column("line", "integer"), Column("identifier"), Column("smiles", "smiles")]
        own += [Column("reason")] if self.settings.every_row and not ranked else []
        own += [Column(name, "number") for name in self.numbers()]
        last = [Column(VECTOR, "vector", self.latent_size)] if self.settings.vectors and not ranked else []
        taken = {column.name for column in (*own, *last)}
        names = [f"input.{name}" if name in taken else name for name in self.columns]
        return [*own, *(Column(name) for name in names), *last]

    def save(self, directory: Path) -> None:
        """Write ``job.json``, or check that the directory has this screen.

        Raises:
            UsageError: It has another one.
        """
        directory.mkdir(parents=True, exist_ok=True)
        with file_lock(directory / ".job.lock", directory, patience=_PATIENCE):
            self._write_or_compare(directory)

    def _write_or_compare(self, directory: Path) -> None:
        path = directory / JOB
        existing = [entry.name for entry in directory.iterdir()]
        if path.exists():
            other = load_job(directory)
            if other.digest != self.digest:
                raise UsageError(
                    f"{directory} holds another screen: {_difference(self, other)}",
                    hint="Give the same settings, or another directory.",
                )
            return
        if any(name != "shards" and not name.startswith(".") for name in existing):
            raise UsageError(
                f"{directory} exists but is not a screen directory", hint="Choose another directory."
            )
        write_atomically(path, json.dumps(self._facts(), indent=2, ensure_ascii=False) + "\n")

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "columns": list(self.columns),
            "property_names": list(self.property_names),
            "inputs": dict(self.inputs),
            "version": self.version,
            "latent_size": self.latent_size,
            "calibrated": self.calibrated,
        }


def load_job(directory: Path) -> Job:
    """Read ``job.json``.

    Raises:
        StorageError: It is missing or damaged.
    """
    path = directory / JOB
    if not path.exists():
        raise StorageError(f"{directory} is not a screen directory: it has no {JOB}")
    with reading(path):
        facts = json.loads(path.read_text(encoding="utf-8"))
        return Job(
            settings_from(ScreenSettings, without_retired(ScreenSettings, facts["settings"]), str(path)),
            tuple(facts["columns"]),
            tuple(facts["property_names"]),
            tuple(facts["inputs"].items()),
            facts["version"],
            facts.get("latent_size", 0),
            facts.get("calibrated", bool(facts["settings"].get("domain_score"))),
        )


def _difference(one: Job, other: Job) -> str:
    """The first difference between two jobs."""
    mine, theirs = (
        one.settings.model_dump(exclude=_WITHOUT_EFFECT),
        other.settings.model_dump(exclude=_WITHOUT_EFFECT),
    )
    for name, value in mine.items():
        if theirs[name] != value:
            return f"{name} is {_shown(theirs[name])} there and {_shown(value)} here"
    for name, value in one.inputs:
        if dict(other.inputs).get(name) != value:
            return f"the {name} has other contents now (sha256)"
    return f"it was made by molvae {other.version}" if one.version != other.version else "its input differs"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "nothing"
    return "not given" if value is None else str(value)


@dataclass(frozen=True)
class FileState:
    """Size and modification time of a file, to detect later changes."""

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: str) -> FileState:
        """The current state of a file; stdin never changes."""
        if path == _STDIN:
            return cls(path, 0, 0)
        check_file(Path(path))
        found = Path(path).stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Refuse a file that has changed, as parts of different contents must not be mixed.

        Raises:
            StorageError: It has changed.
        """
        if FileState.of(self.path) != self:
            raise StorageError(
                f"{self.path} has changed during the screen",
                hint="Screen the file as it is now into another directory.",
            )


def contents(settings: ScreenSettings, directory: Path) -> dict[str, str]:
    """The sha256 of all inputs, except stdin.

    The sha256 of the library is cached in the directory while the file is unchanged, for other shards.
    """
    found = {} if settings.library == _STDIN else {"library": _library_sha256(settings.library, directory)}
    found["checkpoint"] = sha256_of(settings.checkpoint / MANIFEST)
    if settings.reference is not None:
        found["reference"] = fingerprint_of(settings.reference)
    for objective in settings.objectives:
        for path, digest in files_of(objective.name).items():
            found[f"file {path} of an objective"] = digest
    return found


def _library_sha256(path: str, directory: Path) -> str:
    file, cached = Path(path).resolve(), directory / _LIBRARY_HASH
    stat = file.stat()
    state = [str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    try:
        before = json.loads(cached.read_text(encoding="utf-8"))
        if before["file"] == state:
            return str(before["sha256"])
    except DAMAGED:
        pass  # it is read again
    digest = sha256_of(file)
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(cached, json.dumps({"file": state, "sha256": digest}) + "\n")
    return digest
