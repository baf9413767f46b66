"""The tables of a journal: created in an empty SQLite file, checked in any other."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import cache
from typing import TYPE_CHECKING

from molvae.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

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
