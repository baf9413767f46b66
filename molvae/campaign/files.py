"""Checks of the files of a journal before SQLite opens them, and the writer's lock."""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING

from molvae.errors import JournalError, StorageError
from molvae.persistence.locks import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = b"SQLite format 3\x00"
_LARGEST_FILE = 8 << 30  # bytes
_COMPANIONS = ("{}", "{}-wal", "{}-shm", "{}-journal", ".{}.lock", ".{}.tally")


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a path; `None` if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def refuse_missing(path: Path) -> None:
    """Refuse a missing file."""
    if not path.is_file():
        raise JournalError(f"no campaign at {path}", hint="Check the path for a typing mistake.")


def refuse_special_files(path: Path) -> None:
    """Refuse links, pipes and devices in place of a journal and its companions.

    The target of a symbolic link would be locked, overwritten or removed.
    """
    for pattern in _COMPANIONS:
        file = path.with_name(pattern.format(path.name))
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            raise JournalError(
                f"{file} is a symbolic link, which is not allowed for a file of a campaign",
                hint="Name the file it leads to, or remove the link if you do not know it.",
            )
        if not stat.S_ISREG(mode):
            raise JournalError(f"{file} is not a file, so it cannot be part of a campaign")


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is not SQLite, or too large."""
    try:
        size = path.stat().st_size if path.exists() else 0
        if size > _LARGEST_FILE:
            raise JournalError(
                f"the journal {path} has {size >> 20} MB; no campaign has more than {_LARGEST_FILE >> 20} MB"
            )
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read the journal {path}: {error.strerror or error}") from error
    if start and start != _HEADER:
        raise JournalError(f"{path} is not a campaign journal, or its first bytes are damaged")


@contextlib.contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold `.NAME.lock` beside the journal; the system releases it when the process ends.

    Raises:
        LockedError: Another process holds it.
        StorageError: The disk refuses.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(writing(path))
        except OSError as error:
            raise StorageError(
                f"cannot write beside the journal {path}: {error.strerror or error}"
            ) from error
        yield
