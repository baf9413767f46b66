"""The journal keeps committed events and rejects damaged ones."""

import errno
import io
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from molvae.campaign.files import TABLES, Tally, _line
from molvae.campaign.storage import Journal, _digest
from molvae.errors import JournalError, LockedError, StorageError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run" / "campaign.sqlite"
    with Journal(path) as journal:
        for number in range(12):
            journal.append("tell", {"number": number, "text": "Ångström, \n", "value": 0.1 + number})
    return path


def payloads(path):
    with Journal(path, writable=False) as journal:
        return [event.payload["number"] for event in journal.events()]


def test_events_come_back_in_order_and_exactly(path):
    with Journal(path) as journal:
        events = list(journal.events())
        assert [event.number for event in events] == list(range(1, 13))
        assert events[3].payload == {"number": 3, "text": "Ångström, \n", "value": 3.1}
        assert len(journal) == 12
        assert journal.append("ask", {}).number == 13


def test_closing_leaves_one_file(path):
    assert [entry.name for entry in path.parent.iterdir()] == ["campaign.sqlite"]


def test_one_writer_at_a_time_and_readers_any_time(path):
    with Journal(path) as journal:
        with pytest.raises(LockedError, match="another process"):
            Journal(path)
        journal.append("tell", {"number": 12})
        assert payloads(path) == list(range(13))
    with Journal(path):
        pass


def test_another_process_is_kept_out(path):
    code = (
        f"from molvae.campaign.storage import Journal; from pathlib import Path; Journal(Path({str(path)!r}))"
    )
    with Journal(path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LockedError" in done.stderr


def test_a_reader_writes_nothing(path):
    with Journal(path, writable=False) as journal, pytest.raises(StorageError):
        journal.append("tell", {})


def test_nothing_is_ever_changed_or_removed(path):
    database = sqlite3.connect(path)
    for statement in ("UPDATE event SET payload = '{}'", "DELETE FROM event"):
        with pytest.raises(sqlite3.IntegrityError, match="append only"):
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE event SET payload = replace(payload, '3.1', '3.2') WHERE number = 4",
        "UPDATE event SET kind = 'ask' WHERE number = 2",
        "DELETE FROM event WHERE number = 12",
        "DELETE FROM event WHERE number = 5",
        "DELETE FROM head",
        "UPDATE head SET n_events = 11",
        "DROP TABLE head",
        "PRAGMA user_version = 99",
        "PRAGMA application_id = 1",
    ],
)
def test_tampering_is_refused(path, tampering):
    database = sqlite3.connect(path)
    database.executescript("DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_removed;")
    database.execute(tampering)
    database.commit()
    for line in TABLES.splitlines():
        if line.startswith("CREATE TRIGGER"):
            database.execute(line)  # so that nothing but the tampering is wrong
    database.close()
    with pytest.raises(JournalError):
        Journal(path)


def test_an_event_with_a_digest_of_its_own_does_not_fit_what_follows(path):
    database = sqlite3.connect(path)
    database.execute("DROP TRIGGER event_is_never_changed")
    (before,) = database.execute("SELECT digest FROM event WHERE number = 3").fetchone()
    number, kind, payload, moment = database.execute(
        "SELECT number, kind, payload, written_at FROM event WHERE number = 4"
    ).fetchone()
    row = (number, kind, payload.replace("3.1", "3.2"), moment)
    database.execute(
        "UPDATE event SET payload = ?, digest = ? WHERE number = 4", (row[2], _digest(before, row))
    )
    database.commit()
    database.execute(next(line for line in TABLES.splitlines() if "event_is_never_changed" in line))
    database.close()
    with pytest.raises(JournalError, match="event 5 does not match its sha256"):
        Journal(path)


def test_flipped_bits_are_never_read_silently(path, tmp_path):
    content = path.read_bytes()
    intact = list(range(12))
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(len(content), size=120):
        broken = bytearray(content)
        broken[position] ^= 1 << int(rng.integers(8))
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(bytes(broken))
        try:
            assert payloads(copy) == intact
        except (JournalError, StorageError):
            refused += 1
    assert refused > 10


def test_cut_off_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    for length in np.random.default_rng(1).integers(1, len(content), size=40):
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(content[:length])
        with pytest.raises((JournalError, StorageError)):
            Journal(copy)


@pytest.mark.parametrize(
    "content", [b"smiles\nCCO\n", b"\x00" * 4096, b"SQLite format 3\x00 and then nothing"]
)
def test_other_files_are_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(JournalError):
        Journal(path)
    assert path.read_bytes() == content


def test_reading_a_missing_journal_creates_nothing(tmp_path):
    with pytest.raises(JournalError, match="no campaign at"):
        Journal(tmp_path / "nothing.sqlite", writable=False)
    assert list(tmp_path.iterdir()) == []


def test_a_refusing_disk_is_a_sentence(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StorageError, match="cannot write"):
        Journal(file / "campaign.sqlite")


def test_an_uncommitted_write_ahead_log_is_folded_in(path, tmp_path):
    with Journal(path) as journal:
        journal.append("tell", {"number": 12})
        for file in path.parent.iterdir():
            shutil.copy(file, tmp_path / file.name)
    assert payloads(tmp_path / "campaign.sqlite") == list(range(13))


def left_behind(path, n_events, folder):
    """The files on disk of a process that was killed after `n` events."""
    with Journal(path) as journal:
        for number in range(n_events):
            journal.append("tell", {"number": number})
        folder.mkdir()
        for file in path.parent.iterdir():
            shutil.copy(file, folder / file.name)
    return folder / path.name


def test_a_damaged_write_ahead_log_cannot_hide_events(tmp_path):
    """SQLite takes the first damaged frame for the end of the log; the tally detects this."""
    whole = left_behind(tmp_path / "run" / "journal", 6, tmp_path / "killed")
    log = whole.with_name("journal-wal")
    content = log.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(60):
        copy = tmp_path / f"copy{trial}"
        shutil.copytree(whole.parent, copy)
        position = int(rng.integers(len(content)))
        broken = bytearray(content)
        broken[position] ^= 1 << int(rng.integers(8))
        (copy / log.name).write_bytes(bytes(broken) if trial % 3 else content[:position])
        try:
            assert payloads(copy / "journal") == list(range(6))
        except (JournalError, StorageError):
            refused += 1
            with pytest.raises((JournalError, StorageError)):
                Journal(copy / "journal")
            assert (copy / ".journal.tally").exists()  # nothing is forgotten by looking
    assert refused > 20
    (whole.with_name("journal-wal")).unlink()
    with pytest.raises(JournalError, match=r"6 events were written"):
        Journal(whole)


def test_the_tally_is_removed_with_the_log_and_a_damaged_one_is_an_error(path, tmp_path):
    copy = left_behind(path, 1, tmp_path / "killed")
    tally = copy.with_name(".campaign.sqlite.tally")
    text = tally.read_text()
    assert text.startswith("00000000000000000013 ")
    tally.write_text(text.replace("13 ", "12 "))
    with pytest.raises(JournalError, match=r"\.tally is damaged"):
        Journal(copy)
    tally.write_text(text)
    assert len(payloads(copy)) == 13
    with Journal(copy) as journal:
        journal.append("tell", {"number": 99})
    assert sorted(file.name for file in copy.parent.iterdir()) == ["campaign.sqlite"]


def test_a_kill_between_commit_and_tally_is_not_damage(tmp_path):
    copy = left_behind(tmp_path / "run" / "journal", 3, tmp_path / "killed")
    earlier = left_behind(tmp_path / "other" / "journal", 2, tmp_path / "before")
    tally = copy.with_name(".journal.tally")
    tally.write_bytes(earlier.with_name(".journal.tally").read_bytes())
    with pytest.raises(JournalError, match="2 events were written"):
        Journal(copy)  # of another journal: its events have other times
    for text in (_line(0, ""), b"", None):
        tally.unlink() if text is None else tally.write_bytes(text)
        assert len(payloads(copy)) == 3


def test_a_disk_error_after_the_last_write_is_ignored(path, monkeypatch):
    class Refusing:
        def unlink(self, **_):
            raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(path) as journal:
        journal.append("ask", {"n": 1})
        n_events = len(journal)
        monkeypatch.setattr(journal._tally, "path", Refusing())
    with Journal(path) as journal:
        assert len(journal) == n_events


def test_a_tally_that_is_read_while_it_is_written_is_read_again(tmp_path, monkeypatch):
    tally = Tally(tmp_path / "journal.sqlite")
    lines = []
    for n in (1, 2):
        tally.begin(n, f"{n}" * 64)
        lines.append(tally.path.read_bytes())
    reads = [lines[0][:30] + lines[1][30:], lines[1]]
    monkeypatch.setattr(Path, "open", lambda *_: io.BytesIO(reads.pop(0)))
    assert tally.read() == (2, "2" * 64)
