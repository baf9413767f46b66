"""Atomic files and directories: either complete and verified, or refused."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.errors import CheckpointError, LockedError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = "MANIFEST.json"
_MANIFEST_LIMIT = 1 << 20  # bytes: a manifest lists a handful of files


@dataclass(frozen=True)
class Manifest:
    """What a committed directory holds.

    Attributes:
        kind: What the directory is ("model", "corpus", …).
        schema: Version of the layout, counted up when it changes.
        files: Relative file name -> sha256 as hex.
    """

    kind: str
    schema: int
    files: dict[str, str]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file aside, flush it to the disk and rename it into place.

    Raises:
        StorageError: The disk refuses; the old file is intact and the message names the path.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # says that it is not abandoned
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _remove_abandoned(path: Path) -> None:
    """Remove what killed processes left of earlier writes: files whose lock nobody holds."""
    for stray in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), stray.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stray.unlink()


@contextlib.contextmanager
def committed_directory(target: Path, *, kind: str, schema: int) -> Iterator[Path]:
    """A directory to fill, which becomes `target` when the block ends well and vanishes when it does not.

    On success a `MANIFEST.json` with the sha256 of every file is added, everything is flushed to the disk,
    and one rename puts it in place. An existing `target` is moved aside first and removed after; a process
    killed between those two renames leaves it beside as `.NAME.previous`, which `recover_directory` (called
    by `verify_directory`) puts back.

    Args:
        target: Where the directory will stand.
        kind: What it is ("model", "corpus", …); checked on loading.
        schema: Version of its layout; checked on loading.

    Raises:
        UsageError: Something else stands at `target`; it is left alone.
        StorageError: The disk refuses; an existing `target` is intact and the message names the path.
    """
    target = target.absolute()
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        recover_directory(target)
        refuse_to_replace(target, kind)
        remove_strays(target)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
        yield temporary
        _seal(temporary, kind=kind, schema=schema)
        _put_in_place(temporary, target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def refuse_to_replace(target: Path, kind: str) -> None:
    """Check that a directory of some kind may be put at `target`: nothing else is there to be lost.

    Raises:
        UsageError: It is a file, a directory of another kind, or one with files that are not ours.
    """
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.is_dir() and (target / MANIFEST).exists():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # ours, and damaged
            found = json.loads((target / MANIFEST).read_bytes())["kind"]
            if found != kind:
                raise UsageError(
                    f"{target} holds a {found}; a {kind} does not replace it",
                    hint="Choose another directory.",
                )
        return
    if target.exists():
        raise UsageError(
            f"{target} exists and is not a {kind}; it will not be overwritten", hint="Choose another output."
        )


def verify_directory(path: Path, *, kind: str, schema: int) -> Manifest:
    """Check that a committed directory is complete, unaltered, of the right kind and version.

    Raises:
        CheckpointError: With what is wrong and what to do; nothing in the directory has been executed.
    """
    recover_directory(path.absolute())
    if not path.is_dir():
        raise CheckpointError(f"no {kind} directory at {path}", hint="Check the path for a typing mistake.")
    manifest = _read_manifest(path, kind)
    if manifest.kind != kind:
        raise CheckpointError(f"{path} holds a {manifest.kind}, but a {kind} was expected")
    if manifest.schema != schema:
        raise CheckpointError(
            f"{path} has {kind} layout version {manifest.schema}; this molvae reads version {schema}",
            hint="Use the molvae version that wrote it, or make it again.",
        )
    for name, digest in manifest.files.items():
        _verify_file(path, name, digest)
    return manifest


def recover_directory(target: Path) -> None:
    """Put back what a process killed between the two renames of a replacement moved aside."""
    previous = _previous(target)
    if previous.exists() and not target.exists():
        previous.rename(target)


def remove_strays(target: Path) -> None:
    """Remove what killed processes left beside `target` (half-written copies, replaced ones).

    Call it only when no other process is writing `target`.
    """
    for stray in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        shutil.rmtree(stray, ignore_errors=True)
    if target.exists():
        shutil.rmtree(_previous(target), ignore_errors=True)


@contextlib.contextmanager
def directory_lock(path: Path) -> Iterator[None]:
    """Hold a directory for writing; the operating system releases it when the process ends, however it ends.

    Raises:
        LockedError: Another process holds it.
        StorageError: The disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / ".lock").open("a+")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockedError(
                f"{path} is being written by another process",
                hint="Wait for it to end, or choose another directory.",
            ) from None
        yield


def _seal(directory: Path, *, kind: str, schema: int) -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    digests = {path.relative_to(directory).as_posix(): sha256_of(path) for path in files}
    manifest = {"kind": kind, "schema": schema, "files": digests}
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    for path in [*files, directory / MANIFEST]:
        path.chmod(0o644)  # whatever the writer chose: a model is there to be read
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_directory(directory)
    directory.chmod(0o755)


def _put_in_place(temporary: Path, target: Path) -> None:
    previous = _previous(target)
    if target.exists():
        target.rename(previous)
    temporary.rename(target)
    _sync_directory(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_manifest(path: Path, kind: str) -> Manifest:
    file = path / MANIFEST
    damaged = f"{path} is not a complete {kind} directory: its {MANIFEST}"
    try:
        if not stat.S_ISREG(file.lstat().st_mode) or file.stat().st_size > _MANIFEST_LIMIT:
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


def _verify_file(directory: Path, name: str, digest: str) -> None:
    file = directory / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise CheckpointError(f"{directory} lists a file outside itself: {name!r}")
    try:
        plain = stat.S_ISREG(file.lstat().st_mode)
        actual = sha256_of(file) if plain else ""
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from None
    if not plain:
        raise CheckpointError(f"{file} is not a plain file")
    if actual != digest:
        raise CheckpointError(
            f"{file} is damaged: its sha256 is {actual[:12]}…, the manifest says {digest[:12]}…",
            hint="Copy or make the directory again.",
        )
