"""The files of a journal before SQLite sees them: what they may be, and the lock of the one who writes."""

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
    """What a path leads to now: device and inode; `None` where there is nothing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def refuse_missing(path: Path) -> None:
    """Refuse to read where there is no file."""
    if not path.is_file():
        raise JournalError(f"no campaign at {path}", hint="Check the path for a typing mistake.")


def refuse_special_files(path: Path) -> None:
    """Refuse links, pipes and devices where a journal and its companions are files.

    What a symbolic link leads to would be locked, overwritten or removed in the name of the journal.
    """
    for pattern in _COMPANIONS:
        file = path.with_name(pattern.format(path.name))
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            raise JournalError(
                f"{file} is a symbolic link, which no file of a campaign is",
                hint="Name the file it leads to, or remove the link if you do not know it.",
            )
        if not stat.S_ISREG(mode):
            raise JournalError(f"{file} is not a file, so it cannot be part of a campaign")


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is not SQLite's, or larger than any journal."""
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
    """Hold `.NAME.lock` beside the journal; the system lets go of it when the process ends.

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
