"""The number of committed events, kept beside a journal while it is open for writing.

SQLite takes a damaged frame of its write-ahead log for the end of the log, so that after a kill and a flipped
bit the last events would be dropped silently. The tally is written after each commit and removed when the log
has been folded into the journal: if it is left, the journal must have at least this many events.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from molvae.errors import JournalError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS = 3
_LENGTH = 20 + 1 + 64 + 1 + 16 + 1  # count, digest, check, each with what ends it


class Tally:
    """The file `.NAME.tally` beside a journal.

    Args:
        journal: The journal's path.
    """

    def __init__(self, journal: Path) -> None:
        self.path = _path(journal)
        self._log = journal.with_name(f"{journal.name}-wal")
        self._file: int | None = None

    def begin(self, n_events: int, digest: str) -> None:
        """Create the file if necessary and write the current number of events.

        Raises:
            StorageError: The file cannot be written.
        """
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            os.pwrite(self._file, _line(n_events, digest), 0)
            os.fsync(self._file)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror or error}") from error

    def write(self, n_events: int, digest: str) -> None:
        """Record a commit, in a single write, so that a kill leaves the old line or the new one."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # the event is safe; an older count still holds
            os.pwrite(self._file, _line(n_events, digest), 0)
            os.fdatasync(self._file)

    def settle(self) -> None:
        """Remove the file, if it was begun, unless events are left in the write-ahead log.

        Errors are ignored: all events are safe, and a remaining tally is harmless.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            os.close(file)
        with contextlib.suppress(OSError):
            if not self._log.exists():
                self.path.unlink(missing_ok=True)


def read_tally(journal: Path) -> tuple[int, str] | None:
    """Number and digest of the last event known to be committed; `None` if unknown.

    Raises:
        JournalError: The file is damaged.
    """
    path = _path(journal)
    try:
        with path.open("rb") as file:
            line = file.read(_LENGTH + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if not line:
        return None  # its writer was killed before the first line
    fields = line.decode(errors="replace").split(" ")
    if len(fields) == _FIELDS and fields[0].isdecimal() and line == _line(int(fields[0]), fields[1]):
        return int(fields[0]), fields[1]
    raise JournalError(
        f"{path} is damaged: it keeps how many events of {journal.name} were written",
        hint="Restore both from a copy, or remove it to read the journal without this check.",
    )


def _path(journal: Path) -> Path:
    return journal.with_name(f".{journal.name}.tally")


def _line(n_events: int, digest: str) -> bytes:
    text = f"{n_events:020d} {digest or '-' * 64}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()[:16]}\n".encode()
