"""The journal: one append-only SQLite file whose events are chained by sha256.

SQLite in WAL mode with synchronous=FULL keeps every committed event through a kill or a power cut. It does
not detect bit flips in a value, so each event has the sha256 of itself and its predecessor, and a head row
has the number of events and the last digest: a changed, missing or truncated event is refused.

A killed process leaves its last events in the write-ahead log, where SQLite treats a damaged frame as the end
and drops events silently. While a journal is open for writing, the number of committed events is kept beside
it (`molvae.campaign.files.Tally`), and a journal with fewer is refused.

A journal may be untrusted: other schemas (views, triggers, functions) and symbolic links are refused, and
sizes are bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from molvae.campaign.files import (
    Tally,
    identity,
    is_journal,
    lay_out,
    refuse_foreign,
    refuse_special_files,
    writer_lock,
)
from molvae.errors import JournalError, LockedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_LONGEST_EVENT = 256 << 20  # bytes


@dataclass(frozen=True)
class Event:
    """One event of the journal.

    Attributes:
        number: Counted from 1.
        kind: create, ask, tell, correct, budget, settings.
        payload: Contents, as JSON values.
        written_at: UTC time, ISO 8601.
    """

    number: int
    kind: str
    payload: dict[str, Any]
    written_at: str


class Journal:
    """An append-only file of events; one process writes it at a time.

    Use it as a context manager, or `close` it. A reader needs no lock.

    Raises:
        JournalError: The file is damaged, of another kind, or of another version.
        LockedError: Another process is writing it.
        StorageError: The file cannot be read or written.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self._tally = Tally(path)
        self._closing = contextlib.ExitStack()
        if not writable and not path.is_file():
            raise JournalError(f"no campaign at {path}", hint="Check the path for a typing mistake.")
        try:
            refuse_special_files(path)
            if writable:
                self._closing.enter_context(writer_lock(path))
            refuse_foreign(path)
            counted = self._tally.read()  # before the database: a writer may be adding to both
            self._closing.callback(self._tally.settle)
            with self._explained():
                self._database = self._connected(path)
                self._closing.callback(self._database.close)
                if not writable:
                    self._database = self._readable(self._database)
                self._prepare()
                # one snapshot for all reads, while another process continues
                # writing; a reader keeps it until it closes
                self._database.execute("BEGIN")
                self._head = self._verify()
                self._check_tally(counted)
                if writable:
                    self._database.execute("COMMIT")
            self._identity = identity(path)
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
                values = json.loads(payload, parse_constant=_not_json)
                if not isinstance(values, dict):
                    raise self._damaged(f"event {number} is not a JSON object")
                yield Event(number, kind, values, written_at)

    def __len__(self) -> int:
        return self._head[0]

    def append(self, kind: str, payload: dict[str, Any]) -> Event:
        """Write one event durably.

        Raises:
            StorageError: The file cannot be written, or was removed or replaced; the journal is unchanged.
        """
        self.check_in_place()
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

    def check_in_place(self) -> None:
        """Check that the path still refers to the open file.

        Raises:
            StorageError: The file was removed or replaced.
        """
        if identity(self.path) != self._identity:
            raise StorageError(
                f"the journal {self.path} was removed or replaced while it was being written",
                hint="Earlier events are in the removed file, not in the current one.",
            )

    def close(self) -> None:
        """Merge the write-ahead log into the file and close it."""
        self._closing.close()

    def _check_tally(self, counted: tuple[int, str] | None) -> None:
        if counted is None:
            return
        n_events, digest = counted
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
        if kind is None and self.writable:
            self.check_in_place()

    @staticmethod
    def _connected(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, timeout=30.0)

    def _readable(self, database: sqlite3.Connection) -> sqlite3.Connection:
        """The database; or a copy, if SQLite cannot create files beside it in a read-only folder.

        A copy taken during a write does not match its sha256 and is refused.
        """
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
        else:
            return database
        copy = Path(self._closing.enter_context(TemporaryDirectory(prefix="molvae-"))) / "journal.sqlite"
        try:
            for suffix in ("", "-wal"):
                source = self.path.with_name(f"{self.path.name}{suffix}")
                if source.exists():
                    shutil.copyfile(source, f"{copy}{suffix}")
        except OSError as error:
            raise StorageError(f"cannot read the journal {self.path}: {error.strerror or error}") from error
        copied = self._connected(copy)
        self._closing.callback(copied.close)
        return copied

    def _prepare(self) -> None:
        execute = self._database.execute
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_EVENT)
        execute("PRAGMA trusted_schema = 0")
        execute("PRAGMA cell_size_check = 1")
        if not self.writable:
            execute("PRAGMA query_only = 1")
        else:
            execute("PRAGMA journal_mode = WAL")
            execute("PRAGMA synchronous = FULL")
        lay_out(self._database, self.path, writable=self.writable)

    def _verify(self) -> tuple[int, str]:
        if not is_journal(self._database):
            raise self._damaged("its tables are not those of a journal")
        problem = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise self._damaged(problem)
        digest, n_events = "", 0
        rows = self._database.execute(
            "SELECT number, kind, payload, written_at, digest FROM event ORDER BY number"
        )
        for number, kind, payload, written_at, stored in rows:
            n_events += 1
            if not isinstance(number, int) or not all(
                isinstance(v, str) for v in (kind, payload, written_at)
            ):
                raise self._damaged(f"event {n_events} has values of other types")
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
        except (sqlite3.DatabaseError, ValueError, RecursionError, OverflowError) as error:
            code = getattr(error, "sqlite_errorname", "")
            if code in {"SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN"} or code.startswith(
                "SQLITE_IOERR"
            ):
                raise StorageError(f"cannot write the journal {self.path}: {error}") from error
            if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise LockedError(f"the journal {self.path} is being used by another process") from error
            raise self._damaged(str(error)) from error


def _not_json(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _digest(previous: str, row: tuple[int, str, str, str]) -> str:
    return hashlib.sha256(json.dumps([previous, *row]).encode()).hexdigest()
