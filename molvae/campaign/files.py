"""The files of a journal: checks before SQLite opens it, tables, lock of the writer, count of its events."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from functools import cache
from typing import TYPE_CHECKING

from molvae.errors import JournalError, StorageError
from molvae.persistence.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_HEADER = b"SQLite format 3\x00"
_LARGEST_FILE = 8 << 30  # bytes
_COMPANIONS = ("{}", "{}-wal", "{}-shm", "{}-journal", ".{}.lock", ".{}.tally")
_TALLY_READS = 3
_TALLY_LENGTH = 20 + 1 + 64 + 1 + 16 + 1  # count, digest, check, each with a separator

APPLICATION_ID = 0x6D6F6C76  # "molv"
SCHEMA = 1
TABLES = """
CREATE TABLE event (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL,
                    written_at TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), n_events INTEGER NOT NULL,
                   digest TEXT NOT NULL) STRICT;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'append only'); END;
INSERT INTO head VALUES (1, 0, '');
"""

_SCHEMA_QUERY = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a path; `None` if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def refuse_special_files(path: Path) -> None:
    """Refuse links, pipes and devices as a journal or one of its companion files.

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
        StorageError: It cannot be written.
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


def lay_out(database: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    """Create the tables in an empty file, and check kind and version of any other.

    Raises:
        JournalError: The file is empty and not writable, of another kind, or of another version.
    """
    execute = database.execute
    if execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        if not writable:
            raise JournalError(f"{path} holds no campaign yet")
        database.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"
            f"{TABLES} COMMIT;"
        )
    if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalError(f"{path} is an SQLite file, but not a campaign journal")
    version = execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA:
        raise JournalError(
            f"{path} has journal layout version {version}; this molvae reads version {SCHEMA}",
            hint="Use the molvae version that wrote it.",
        )


def is_journal(database: sqlite3.Connection) -> bool:
    """Whether a database has the tables and triggers of a journal and nothing else."""
    return database.execute(_SCHEMA_QUERY).fetchall() == _schema()


@cache
def _schema() -> list[tuple[str, str, str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(TABLES)
        return database.execute(_SCHEMA_QUERY).fetchall()


class Tally:
    """The number of committed events, in the file `.NAME.tally` beside a journal open for writing.

    SQLite treats a damaged frame of its write-ahead log as the end of the log, so that a bit flip after a
    kill would drop the last events silently. The tally is written after each commit and removed when the log
    has been merged into the journal: if it exists, the journal must have at least this many events.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f".{journal.name}.tally")
        self._journal = journal
        self._file: int | None = None

    def read(self) -> tuple[int, str] | None:
        """Number and digest of the last event known to be committed; `None` if unknown.

        Raises:
            JournalError: The file is damaged.
            StorageError: It cannot be read.
        """
        for _attempt in range(_TALLY_READS):  # a line that is being overwritten may be read as half of two
            try:
                with self.path.open("rb") as file:
                    line = file.read(_TALLY_LENGTH + 1)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StorageError(f"cannot read {self.path}: {error.strerror or error}") from error
            if not line:
                return None  # its writer was killed before the first line
            number, _, rest = line.decode(errors="replace").partition(" ")
            digest = rest.partition(" ")[0]
            if number.isdecimal() and line == _line(int(number), digest):
                return int(number), digest
        raise JournalError(
            f"{self.path} is damaged: it has the number of events of {self._journal.name}",
            hint="Restore both from a copy, or remove it to read the journal without this check.",
        )

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
        with contextlib.suppress(OSError):  # the event is safe; an older count is still valid
            os.pwrite(self._file, _line(n_events, digest), 0)
            os.fdatasync(self._file)

    def settle(self) -> None:
        """Remove the file, if it exists, unless events remain in the write-ahead log.

        Errors are ignored: all events are safe, and a remaining tally is harmless.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            os.close(file)
        with contextlib.suppress(OSError):
            if not self._journal.with_name(f"{self._journal.name}-wal").exists():
                self.path.unlink(missing_ok=True)


def _line(n_events: int, digest: str) -> bytes:
    text = f"{n_events:020d} {digest or '-' * 64}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()[:16]}\n".encode()
