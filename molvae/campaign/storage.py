"""The journal: one append-only SQLite file whose events are chained by sha256.

SQLite in WAL mode with synchronous=FULL keeps every committed event through a kill or a power cut. It does
not notice flipped bits in a value, so each event carries the sha256 of itself and its predecessor, and a head
row carries the number of events and the last digest: a changed, missing or cut-off event is refused.

A process that is killed leaves its last events in the write-ahead log, where SQLite takes a damaged frame for
the end: they would vanish without a word. While a journal is open for writing, `molvae.campaign.tally` keeps
beside it how many events were committed, and a journal that has fewer is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from molvae.campaign.tally import Tally, read_tally
from molvae.errors import JournalError, LockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

APPLICATION_ID = 0x6D6F6C76  # "molv"
SCHEMA = 1
_TABLES = """
CREATE TABLE event (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL,
                    written_at TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), n_events INTEGER NOT NULL,
                   digest TEXT NOT NULL) STRICT;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'append only'); END;
INSERT INTO head VALUES (1, 0, '');
"""
_HEADER = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Event:
    """One line of the journal.

    Attributes:
        number: Counted from 1.
        kind: create, ask, tell, budget.
        payload: What happened, as JSON values.
        written_at: UTC time, ISO 8601.
    """

    number: int
    kind: str
    payload: dict[str, Any]
    written_at: str


class Journal:
    """An append-only file of events; one process writes it at a time.

    Use it as a context manager, or `close` it.

    Args:
        path: The file.
        writable: Take the writer's lock. A reader may look on while another process writes.

    Raises:
        JournalError: The file is damaged, of another kind, or of another version.
        LockedError: Another process is writing it.
        StorageError: The disk refuses; the message names the path.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self._tally = Tally(path)
        self._closing = contextlib.ExitStack()
        try:
            if writable:
                self._closing.enter_context(_writer_lock(path))
            else:
                _refuse_missing(path)
            _refuse_foreign(path)
            promised = read_tally(path)  # before the database: a writer may be adding to both
            self._closing.callback(self._tally.settle)
            with self._explained():
                self._database = sqlite3.connect(path, isolation_level=None, timeout=30.0)
                self._closing.callback(self._database.close)
                self._prepare()
                self._head = self._verify()
                self._keep_promise(promised)
            if writable:
                self._tally.begin(*self._head)
        except BaseException:
            self._closing.close()
            raise

    def events(self) -> Iterator[Event]:
        """All events, oldest first."""
        with self._explained():
            rows = self._database.execute(
                "SELECT number, kind, payload, written_at FROM event ORDER BY number"
            )
            for number, kind, payload, written_at in rows:
                yield Event(number, kind, json.loads(payload), written_at)

    def __len__(self) -> int:
        return self._head[0]

    def append(self, kind: str, payload: dict[str, Any]) -> Event:
        """Write one event; when this returns it is on the disk.

        Raises:
            StorageError: The disk refuses; the journal is as it was.
        """
        n_events, digest = self._head
        text = json.dumps(payload, sort_keys=True, allow_nan=False)
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = (n_events + 1, kind, text, moment)
        new_digest = _digest(digest, row)
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (*row, new_digest))
                self._database.execute("UPDATE head SET n_events = ?, digest = ?", (n_events + 1, new_digest))
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self._head = (n_events + 1, new_digest)
        self._tally.write(*self._head)
        return Event(n_events + 1, kind, json.loads(text), moment)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._closing.close()

    def _keep_promise(self, promised: tuple[int, str] | None) -> None:
        if promised is None:
            return
        n_events, digest = promised
        row = self._database.execute("SELECT digest FROM event WHERE number = ?", (n_events,)).fetchone()
        if n_events > 0 and row != (digest,):
            raise JournalError(
                f"the journal {self.path} is damaged: {n_events} events were written, it has {self._head[0]}",
                hint=f"Restore it from a copy. If it is the copy, remove {self._tally.path.name} beside it.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        execute = self._database.execute
        if not self.writable:
            execute("PRAGMA query_only = 1")
        else:
            execute("PRAGMA journal_mode = WAL")
            execute("PRAGMA synchronous = FULL")
        if execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            if not self.writable:
                raise JournalError(f"{self.path} holds no campaign yet")
            self._database.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"
                f"{_TABLES} COMMIT;"
            )
        if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise JournalError(f"{self.path} is an SQLite file, but not a campaign journal")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA:
            raise JournalError(
                f"{self.path} has journal layout version {version}; this molvae reads version {SCHEMA}",
                hint="Use the molvae version that wrote it.",
            )

    def _verify(self) -> tuple[int, str]:
        problem = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise self._damaged(problem)
        digest, n_events = "", 0
        rows = self._database.execute(
            "SELECT number, kind, payload, written_at, digest FROM event ORDER BY number"
        )
        for number, kind, payload, written_at, stored in rows:
            n_events += 1
            digest = _digest(digest, (number, kind, payload, written_at))
            if number != n_events or digest != stored:
                raise self._damaged(f"event {n_events} does not match its sha256")
        head = self._database.execute("SELECT n_events, digest FROM head").fetchall()
        if head != [(n_events, digest)]:
            raise self._damaged(f"{n_events} events were found, but its head says otherwise")
        return n_events, digest

    def _damaged(self, problem: str) -> JournalError:
        return JournalError(
            f"the journal {self.path} is damaged: {problem}",
            hint="Restore it from a copy; the events before the damage can still be read with sqlite3.",
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            code = getattr(error, "sqlite_errorname", "")
            if code in {"SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN"} or code.startswith(
                "SQLITE_IOERR"
            ):
                raise StorageError(f"cannot write the journal {self.path}: {error}") from error
            if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise LockedError(f"the journal {self.path} is being used by another process") from error
            raise self._damaged(str(error)) from error


def _digest(previous: str, row: tuple[int, str, str, str]) -> str:
    return hashlib.sha256(json.dumps([previous, *row]).encode()).hexdigest()


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise JournalError(f"no campaign at {path}", hint="Check the path for a typing mistake.")


def _refuse_foreign(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read the journal {path}: {error.strerror or error}") from error
    if start and start != _HEADER:
        raise JournalError(f"{path} is not a campaign journal, or its first bytes are damaged")


@contextlib.contextmanager
def _writer_lock(path: Path) -> Iterator[None]:
    """Hold `.NAME.lock` beside the journal; the system lets go of it when the process ends."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked_file(lock)
    except BlockingIOError:
        raise LockedError(
            f"the campaign {path} is being written by another process",
            hint="Wait for it to end, or choose another path.",
        ) from None
    except OSError as error:
        raise StorageError(f"cannot write beside the journal {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def _locked_file(lock: Path) -> int:
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.fstat(file).st_ino == lock.stat().st_ino:
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its last holder removed it between our opening and locking it
