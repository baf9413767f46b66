"""Directories that are complete and verified, and replaced in one step."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from typing import TYPE_CHECKING, TypeVar

from molvae.errors import CheckpointError, LockedError, StorageError, UsageError
from molvae.persistence.files import sync_directory, writing
from molvae.persistence.manifest import MANIFEST, Manifest, check_files, read_manifest, seal, stated_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

T = TypeVar("T")

_BETWEEN_RENAMES = 1.0  # seconds another process may take from one rename to the next
_HERE, _RENAME_EXCHANGE = -100, 2  # AT_FDCWD, and a flag of renameat2


@contextlib.contextmanager
def committed_directory(
    target: Path, *, kind: str, schema: int, holding: Collection[str] = (), patience: float = 0.0
) -> Iterator[Path]:
    """A directory that replaces `target` if the block succeeds, and is removed if it fails.

    On success a `MANIFEST.json` with the sha256 of every file is added, everything is flushed to the disk,
    and the directory is exchanged with an existing `target` atomically (`renameat2`). Where that is not
    supported, the old one is first moved to `.NAME.previous`; after a kill in between, `recover_directory`
    restores it. One process at a time writes a `target`.

    Args:
        target: Path of the directory.
        kind: What it is ("model", "corpus", …); checked on loading.
        schema: Version of its layout; checked on loading.
        holding: Files it must contain, in case another process removed them.
        patience: Seconds to wait for another process that writes the same `target`.

    Raises:
        UsageError: `target` is something else; it is unchanged.
        LockedError: Another process writes it.
        StorageError: It cannot be written, or a file is missing; an existing `target` is intact.
    """
    target = target.absolute()
    temporary = _aside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with writing(target, patience):
            _recover(target)
            refuse_to_replace(target, kind)
            _remove_strays(target)
            temporary.mkdir()
            try:
                yield temporary
                _refuse_gaps(temporary, holding)
                seal(temporary, kind=kind, schema=schema)
                _put_in_place(temporary, target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)  # unfinished, or what was replaced
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error


def _refuse_gaps(directory: Path, holding: Collection[str]) -> None:
    gone = [name for name in holding if not (directory / name).is_file()]
    if gone:
        raise StorageError(
            f"another process removed {', '.join(gone)} from {directory} while it was being written",
            hint="Run the command again.",
        )


def refuse_to_replace(target: Path, kind: str) -> None:
    """Check that a directory of this kind may be written to `target` without overwriting anything else.

    Raises:
        UsageError: It is a file, a directory of another kind, or one with files not written by molvae.
    """
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.is_dir() and (target / MANIFEST).exists():
        found = stated_kind(target)
        if found not in {None, kind}:  # None: ours, and damaged
            raise UsageError(
                f"{target} holds a {found}; a {kind} cannot replace it", hint="Choose another directory."
            )
        return
    if target.exists():
        raise UsageError(
            f"{target} exists and is not a {kind}; it will not be overwritten", hint="Choose another output."
        )


def verify_directory(path: Path, *, kind: str, schema: int) -> Manifest:
    """Check that a committed directory is complete, unchanged, and of the right kind and version.

    Raises:
        CheckpointError: With what is wrong and what to do; nothing in the directory has been executed.
    """
    return read_directory(path, lambda manifest: manifest, kind=kind, schema=schema)


def read_directory(path: Path, read: Callable[[Manifest], T], *, kind: str, schema: int) -> T:
    """Check a committed directory (`verify_directory`) and `read` what its manifest lists.

    Both are repeated if another process replaces it meanwhile.

    Raises:
        CheckpointError: With what is wrong and what to do; nothing in the directory has been executed.
    """
    while True:
        recover_directory(path.absolute())
        before = _stamp(path)
        try:
            result = read(_checked(path, kind, schema))
        except CheckpointError:
            if before == _stamp(path):
                raise
        else:
            if before == _stamp(path):
                return result


def _stamp(path: Path) -> tuple[int, ...]:
    """Identity of a directory, which changes when it is replaced."""
    try:
        found = (path / MANIFEST).stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _checked(path: Path, kind: str, schema: int) -> Manifest:
    if not path.is_dir():
        raise CheckpointError(f"no {kind} directory at {path}", hint="Check the path for a typing mistake.")
    manifest = read_manifest(path, kind)
    if manifest.kind != kind:
        raise CheckpointError(f"{path} holds a {manifest.kind}, but a {kind} was expected")
    if manifest.schema != schema:
        raise CheckpointError(
            f"{path} has {kind} layout version {manifest.schema}; this molvae reads version {schema}",
            hint="Use the molvae version that wrote it, or make it again.",
        )
    check_files(path, manifest)
    return manifest


def recover_directory(target: Path) -> None:
    """Restore a directory whose replacement was killed between its two renames.

    Raises:
        LockedError: Another process is replacing it.
        StorageError: It cannot be restored.
    """
    if target.exists() or not _previous(target).exists():
        return
    try:
        with writing(target, _BETWEEN_RENAMES):
            _recover(target)
    except OSError as error:
        raise StorageError(f"cannot put {_previous(target)} back: {error.strerror or error}") from error


def remove_strays(target: Path) -> None:
    """Remove copies that killed processes left beside `target` (unfinished or replaced)."""
    with contextlib.suppress(LockedError, OSError), writing(target):
        _recover(target)
        _remove_strays(target)


def _recover(target: Path) -> None:
    previous = _previous(target)
    if previous.exists() and not target.exists():
        previous.rename(target)


def _remove_strays(target: Path) -> None:
    shutil.rmtree(_aside(target), ignore_errors=True)
    if target.exists():
        shutil.rmtree(_previous(target), ignore_errors=True)


def _put_in_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
    elif not _exchanged(temporary, target):
        previous = _previous(target)
        target.rename(previous)
        try:
            temporary.rename(target)
        except OSError:
            previous.rename(target)
            raise
        previous.rename(temporary)
    sync_directory(target.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two directories atomically; False if not supported here.

    Raises:
        OSError: It failed; nothing has changed.
    """
    system = ctypes.CDLL(None, use_errno=True)
    if not hasattr(system, "renameat2"):
        return False
    if system.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    error = ctypes.get_errno()
    if error in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(error, os.strerror(error), str(other))


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")
