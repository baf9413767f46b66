"""What a screen is made of, by contents: the sha256 of its library, model, reference and objective files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.data.sources import check_file
from molvae.errors import StorageError
from molvae.oracles.identity import files_of
from molvae.persistence.files import DAMAGED, sha256_of, write_atomically
from molvae.persistence.manifest import MANIFEST
from molvae.screening.novelty import fingerprint_of

if TYPE_CHECKING:
    from molvae.screening.config import ScreenSettings

_REMEMBERED = ".library.json"
_STDIN = "-"


@dataclass(frozen=True)
class Untouched:
    """How a file stood when its contents were read: changed since, if size or times differ.

    Attributes:
        path: The file.
        size: In bytes.
        modified: In nanoseconds.
    """

    path: str
    size: int
    modified: int

    @classmethod
    def now(cls, path: str) -> Untouched:
        """How the file stands."""
        if path == _STDIN:
            return cls(path, 0, 0)
        check_file(Path(path))
        found = Path(path).stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Refuse a file that has changed since.

        Raises:
            StorageError: It has: parts of different contents must not be mixed.
        """
        if Untouched.now(self.path) != self:
            raise StorageError(
                f"{self.path} was changed while it is screened",
                hint="Screen the file as it is now into another directory.",
            )


def contents(settings: ScreenSettings, directory: Path) -> dict[str, str]:
    """The sha256 of everything that is read, by what it is; what comes from stdin has none.

    Args:
        settings: Of the screen.
        directory: Of the screen, where the digest of the library is remembered while the file is untouched:
            a hundred shards need not read it all.
    """
    found = {} if settings.library == _STDIN else {"library": _of_library(settings.library, directory)}
    found["checkpoint"] = sha256_of(settings.checkpoint / MANIFEST)
    if settings.reference is not None:
        found["reference"] = fingerprint_of(settings.reference)
    for wish in settings.objectives:
        found |= {f"file {path} of an objective": digest for path, digest in files_of(wish.name).items()}
    return found


def _of_library(path: str, directory: Path) -> str:
    file, remembered = Path(path).resolve(), directory / _REMEMBERED
    stat = file.stat()
    standing = [str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    try:
        before = json.loads(remembered.read_text(encoding="utf-8"))
        if before["file"] == standing:
            return str(before["sha256"])
    except DAMAGED:
        pass  # it is read again
    digest = sha256_of(file)
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(remembered, json.dumps({"file": standing, "sha256": digest}) + "\n")
    return digest
