"""Locks between processes (filelock)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from molvae.errors import LockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def directory_lock(path: Path) -> Iterator[None]:
    """Hold a directory for writing; the operating system releases it when the process ends, however it ends.

    Raises:
        LockedError: Another process holds it.
        StorageError: The disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with file_lock(path / ".lock", path):
            yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def file_lock(lock: Path, what: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock file, which stays; links are not followed.

    Args:
        lock: The lock file.
        what: What is held, for the message.
        patience: Seconds to wait for another holder.

    Raises:
        LockedError: Another process holds it.
        OSError: The disk refuses.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=patience, poll_interval=0.02)
    try:
        held.acquire()
    except Timeout:
        raise LockedError(
            f"{what} is being written by another process",
            hint="Wait for it to end, or choose another place.",
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # what was done under the lock is done; the process's end frees it
            held.release()


@contextlib.contextmanager
def writing(target: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold `target` among its writers by a lock file beside it, which vanishes with the last of them."""
    lock = target.with_name(f".{target.name}.lock")
    with file_lock(lock, target, patience=patience):
        try:
            yield
        finally:  # while it is held: who waits for a file that is gone makes a new one
            with contextlib.suppress(OSError):
                lock.unlink()
