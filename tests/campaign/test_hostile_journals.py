"""Journals that are malicious, or written by another process while they are read."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import sqlite3
import threading
import time

import pytest
from fake_model import FakeModel

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.files import APPLICATION_ID, SCHEMA, TABLES
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.storage import Journal, _digest
from molvae.errors import JournalError, StorageError, UsageError
from molvae.oracles.base import Score
from molvae.oracles.config import objectives


@pytest.fixture(scope="module")
def original(tmp_path_factory, model, quick):
    """A campaign with two batches, one of them with results, and one measured start molecule."""
    path = tmp_path_factory.mktemp("original") / "journal.sqlite"
    wanted = CampaignSettings(
        objectives=objectives(maximize=["qed"]), budget=24, n_initial=4, sources={"latent": 1}, effort=quick
    )
    start = [("CCO", (0.4,)), ("CCN", (None,)), ("c1ccccc1", (None,))]
    with Campaign.create(path, model, wanted, start=[StartMolecule(*s) for s in start]) as c:
        for number in range(2):
            told = c.ask(4)
            c.tell([Observation(t.smiles, (Score.ok(0.1 * i),)) for i, t in enumerate(told[number:])])
        c.tell([Observation("CCCCO", (Score.failed("no pose"),))])
    return path


@pytest.fixture
def path(original, tmp_path):
    path = tmp_path / "campaign" / "journal.sqlite"
    path.parent.mkdir()
    shutil.copy(original, path)
    return path


def events_of(path):
    with Journal(path, writable=False) as journal:
        return [(event.kind, event.payload) for event in journal.events()]


def write_raw(path, rows):
    """A journal of these events with valid digests: `(kind, text of the payload)`."""
    database, digest = sqlite3.connect(path), ""
    database.executescript(
        f"PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"
        f"{TABLES}"
    )
    for number, (kind, text) in enumerate(rows, start=1):
        row = (number, kind, text, "2026-01-01T00:00:00.000+00:00")
        digest = _digest(digest, row)
        database.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (*row, digest))
    database.execute("UPDATE head SET n_events = ?, digest = ?", (len(rows), digest))
    database.commit()
    database.close()


def test_a_reader_never_calls_a_journal_damaged_that_is_being_written(path, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", lambda _: None)  # a fast disk
    stop, lengths, problems = threading.Event(), [], []

    def write():
        with Journal(path) as journal:
            journal._database.execute("PRAGMA synchronous = OFF")
            while not stop.is_set():
                journal.append("budget", {"budget": 24 + len(journal)})
                time.sleep(0.001)  # or the journal grows faster than it can be read

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(120):
            try:
                with Journal(path, writable=False) as journal:
                    lengths.append(len(list(journal.events())))
                    assert lengths[-1] == len(journal)
            except StorageError as error:
                problems.append(str(error))
    finally:
        stop.set()
        writer.join()
    assert problems == []
    assert len(set(lengths)) > 3, "the journal was to grow between the readings"


@pytest.mark.parametrize("name", ["{}", ".{}.lock", ".{}.tally", "{}-wal", "{}-shm", "{}-journal"])
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
@pytest.mark.parametrize("writable", [True, False])
def test_links_and_pipes_among_its_files_are_refused_and_not_followed(path, tmp_path, name, kind, writable):
    victim = tmp_path / "victim"
    victim.write_bytes(path.read_bytes())
    place = path.with_name(name.format(path.name))
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(victim if kind == "link" else tmp_path / "not-there")
    with pytest.raises(JournalError):
        Journal(path, writable=writable)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["campaign", "victim"]
    assert place.is_symlink() or place.is_fifo()


@pytest.mark.parametrize("how", ["removed", "replaced", "with its folder"])
@pytest.mark.parametrize("when", ["before a score", "at the end"])
def test_a_journal_that_vanishes_while_it_is_open_is_an_error(path, how, when):
    def vanish():
        if how == "with its folder":
            path.parent.rename(path.parent.with_name("elsewhere"))
            return
        content = path.read_bytes()
        path.unlink()
        if how == "replaced":
            path.write_bytes(content)

    def work():
        with Campaign.open(path) as campaign:
            vanish()
            if when == "before a score":
                campaign.tell([Observation("CCCCN", (Score.ok(1.0),))])

    with pytest.raises(StorageError, match="removed or replaced"):
        work()


_NEST = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW other AS SELECT * FROM event",
        "CREATE TABLE other (x)",
        "CREATE TRIGGER other AFTER INSERT ON event BEGIN DELETE FROM head; END",
        "DROP TRIGGER event_is_never_changed",
        "ALTER TABLE event RENAME TO e; CREATE VIEW event AS SELECT * FROM e",
        "ALTER TABLE event ADD COLUMN more TEXT",
        "ALTER TABLE head RENAME TO h; CREATE VIEW head AS SELECT * FROM h WHERE load_extension('evil.so')",
        "CREATE INDEX other ON event (lower(payload))",
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_a_journal_with_anything_else_inside_is_refused(path, statement, writable):
    database = sqlite3.connect(path)
    database.executescript(statement)
    database.close()
    with pytest.raises(JournalError, match="damaged"):
        Journal(path, writable=writable)


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "null", "{", "NaN", '{"x": NaN}', '{"x": Infinity}', _NEST, f'{{"x": {_NEST}}}', "9" * 5000],
)
def test_a_payload_that_is_not_a_json_object_is_rejected(tmp_path, text):
    path = tmp_path / "journal.sqlite"
    write_raw(path, [("create", text)])
    with pytest.raises(JournalError):
        Campaign.open(path, writable=False)


def test_values_of_other_types_are_refused(path):
    database = sqlite3.connect(path)
    database.executescript(
        "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = replace(sql, ' STRICT', '');"
        "DROP TRIGGER IF EXISTS event_is_never_changed"
    )
    database.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE event SET payload = x'00ff' WHERE number = 2")
    database.commit()
    database.executescript(
        "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE type = 'table';"
        "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event "
        "BEGIN SELECT RAISE(ABORT, 'append only'); END"
    )
    database.close()
    with pytest.raises(JournalError, match="damaged"):
        Journal(path, writable=False)


_HOSTILE = [
    None, True, -1, 0, 3, 1.5, 1e308, 10**18, 10**400, "", "x", "C" * 5000, "not a molecule", "\ud800",
    "\x1b[31m", [], [[]], {}, {"x": 1}, ["ok", None, ""], ["ok", "1", ""], ["odd", 1.0, ""], "AAAA", "AAA",
    "****",
]  # fmt: skip


def mutated(value, rng):
    """The JSON value with one change."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        places = sorted(value) if isinstance(value, dict) else range(len(value))
        place = rng.choice(list(places))
        changed = copy.copy(value)
        roll = rng.random()
        if roll < 0.1:
            del changed[place]
        elif roll < 0.15 and isinstance(value, list):
            changed.append(value[place])
        else:
            changed[place] = mutated(value[place], rng)
        return changed
    return rng.choice(_HOSTILE)


def use(path, *, go_on):
    """All that commands do with a campaign they read."""
    with Campaign.open(path, writable=False) as campaign:
        campaign.table(), campaign.best(), campaign.trace(), campaign.pending, campaign.remaining
    if go_on:
        with Campaign.open(path, FakeModel()) as campaign:
            campaign.tell([Observation("CCCCN", (Score.ok(0.5),))])
            campaign.ask(2)


@pytest.mark.parametrize("seed", range(4))
def test_changed_events_are_understood_or_refused(path, tmp_path, seed):
    rng, events, outcomes = random.Random(seed), events_of(path), {"used": 0, "refused": 0}
    for number in range(100):
        rows = list(events)
        row = rng.randrange(len(rows))
        kind, payload = rows[row]
        rows[row] = (
            rng.choice(["ask", "tell", "nothing", ""]) if rng.random() < 0.05 else kind,
            mutated(payload, rng),
        )
        place = tmp_path / f"{number}.sqlite"
        write_raw(place, [(kind, json.dumps(payload)) for kind, payload in rows])
        try:
            use(place, go_on=number % 4 == 0)
            outcomes["used"] += 1
        except (JournalError, UsageError):
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 5, outcomes
