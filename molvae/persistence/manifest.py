"""The manifest of a directory: the sha256 of each file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molvae.errors import CheckpointError
from molvae.persistence.files import DAMAGED, sha256_of, sync_directory

MANIFEST = "MANIFEST.json"
_LARGEST_MANIFEST = 1 << 20  # bytes; a manifest lists a few files
_LARGEST = {".json": 16 << 20, ".safetensors": 4 << 30}  # bytes; larger files are not read


@dataclass(frozen=True)
class Manifest:
    """The kind of a committed directory ("model", …), the version of its layout, the sha256 of each file."""

    kind: str
    schema: int
    files: dict[str, str]


def seal(directory: Path, *, kind: str, schema: int) -> None:
    """Add a manifest to a directory, and flush all its files to disk."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    digests = {path.relative_to(directory).as_posix(): sha256_of(path) for path in files}
    manifest = {"kind": kind, "schema": schema, "files": digests}
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    for path in [*files, directory / MANIFEST]:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for folder, _, _ in os.walk(directory):
        sync_directory(Path(folder))


def stated_kind(directory: Path) -> str | None:
    """The kind in a directory's manifest; `None` without a readable manifest."""
    try:
        kind = json.loads((directory / MANIFEST).read_bytes())["kind"]
    except DAMAGED:
        return None
    return kind if isinstance(kind, str) else None


def read_manifest(path: Path, kind: str) -> Manifest:
    """The manifest of a directory.

    Raises:
        CheckpointError: The manifest is missing, damaged, too large, or a link.
    """
    file = path / MANIFEST
    damaged = f"{path} is not a complete {kind} directory: its {MANIFEST}"
    try:
        if not stat.S_ISREG(file.lstat().st_mode) or file.stat().st_size > _LARGEST_MANIFEST:
            raise CheckpointError(f"{damaged} is not a plain, small file")
        fields: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{damaged} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{damaged} cannot be read: {error}") from None
    files = fields.get("files") if isinstance(fields, dict) else None
    if (
        not isinstance(files, dict)
        or not isinstance(fields.get("kind"), str)
        or not isinstance(fields.get("schema"), int)
        or not all(isinstance(name, str) and isinstance(digest, str) for name, digest in files.items())
    ):
        raise CheckpointError(f"{damaged} does not list kind, schema and files")
    return Manifest(kind=fields["kind"], schema=fields["schema"], files=files)


def check_files(directory: Path, manifest: Manifest) -> None:
    """Check that a directory has exactly the files of its manifest, unchanged, and hidden ones.

    Raises:
        CheckpointError: A file is missing, damaged, a link, too large, outside, or not listed.
    """
    for name, digest in manifest.files.items():
        _check_file(directory, name, digest)
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if name not in {*manifest.files, MANIFEST} and not name.startswith(".") and not path.is_dir():
            raise CheckpointError(
                f"{path} is not listed in the {MANIFEST} of {directory}", hint="Move it elsewhere."
            )


def _check_file(directory: Path, name: str, digest: str) -> None:
    file = directory / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise CheckpointError(f"{directory} lists a file outside itself: {name!r}")
    try:
        found = file.lstat()
        plain = (
            stat.S_ISREG(found.st_mode) and file.parent.resolve() == directory.resolve() / Path(name).parent
        )
        small = found.st_size <= _LARGEST.get(file.suffix, found.st_size)
        actual = sha256_of(file) if plain and small else ""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{str(file)!r} cannot be read: {reason}") from None
    if not plain:
        raise CheckpointError(f"{file} is not a plain file, or lies behind a link")
    if not small:
        raise CheckpointError(f"{file} has {found.st_size:,} bytes, too many for its type")
    if actual != digest:
        raise CheckpointError(
            f"{file} is damaged: its sha256 is {actual[:12]}…, the manifest says {digest[:12]}…",
            hint="Copy or make the directory again.",
        )
