"""Atomic writes of files, errors of damaged ones, and locks between processes (filelock)."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import secrets
from tokenize import TokenError
from typing import TYPE_CHECKING, Self

from molvae.errors import CheckpointError, LockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Closing:
    """An object with a `close` method."""

    def close(self) -> None:
        """Release its resources."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a temporary file, flush it to disk and rename it into place.

    Raises:
        StorageError: It cannot be written; the old file is intact and the message names the path.
    """
    with written_aside(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which replaces it if the block succeeds.

    Leftovers of killed processes are removed; files being written by others are not.

    Raises:
        StorageError: It cannot be written; the old file is intact and the message names the path.
    """
    temporary: Path | None = None
    descriptor = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        temporary, descriptor = _opened_aside(path)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if descriptor >= 0:
            os.close(descriptor)


def _opened_aside(path: Path) -> tuple[Path, int]:
    """A new locked file with the umask's permissions; the lock shows that it is in use."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks, or another process was faster
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another process removed it before it was locked


def _remove_abandoned(path: Path) -> None:
    """Remove leftovers of killed processes: files whose lock is not held."""
    for stray in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), stray.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stray.unlink()


def sync_directory(path: Path) -> None:
    """Flush the names in a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


DAMAGED = (
    OSError,
    EOFError,  # an empty .npy or .npz file
    ValueError,  # also invalid JSON or UTF-8, too many digits
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    SyntaxError,
    TokenError,  # the header of an .npy file
)
"""Exceptions that reading an invalid file may raise."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """A block that interprets the contents of a file; errors become `CheckpointError`.

    Raises:
        CheckpointError: The contents are invalid; molvae's own errors are unchanged.
    """
    try:
        yield
    except DAMAGED as reason:
        name = type(reason).__name__ if isinstance(reason, LookupError | AttributeError | TypeError) else ""
        what = " ".join(part for part in (name, str(reason)) if part)
        raise CheckpointError(f"{path} cannot be read, or is damaged: {what[:300]}") from reason


@contextlib.contextmanager
def directory_lock(path: Path) -> Iterator[None]:
    """Lock a directory for writing; the operating system releases the lock when the process ends.

    Raises:
        LockedError: Another process holds it.
        StorageError: It cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with file_lock(path / ".lock", path):
            yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def file_lock(lock: Path, what: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock file, which is kept, for `what`; wait up to `patience` seconds for another holder.

    Raises:
        LockedError: Another process holds it.
        OSError: The lock file cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=patience, poll_interval=0.02)
    try:
        held.acquire()
    except Timeout:
        raise LockedError(
            f"{what} is being written by another process", hint="Wait for it to end, or choose another place."
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the work is done, and the process's end releases the lock
            held.release()


@contextlib.contextmanager
def writing(target: Path, patience: float = 0.0) -> Iterator[None]:
    """Lock `target` by a file beside it, which the last writer removes."""
    lock = target.with_name(f".{target.name}.lock")
    with file_lock(lock, target, patience=patience):
        try:
            yield
        finally:  # while the lock is held: waiting processes then create a new file
            with contextlib.suppress(OSError):
                lock.unlink()
