"""Faults of files: kills while writing, full disks, flipped bits, truncated files."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import time
from functools import cache
from typing import TYPE_CHECKING

from fault import Bomb, Broken, hidden, in_child, killed_after, require, scratch

from molvae.campaign.storage import Journal
from molvae.errors import JournalError, StorageError
from molvae.persistence.directories import committed_directory, verify_directory
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

_FILES = {"a.json": "{}", "b/weights.bin": "x" * 9000, "c.txt": "some text\n"}


def _commit(target: Path, version: str) -> None:
    with committed_directory(target, kind="thing", schema=1) as place:
        for name, text in _FILES.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(version + text)


def _version(target: Path) -> str:
    verify_directory(target, kind="thing", schema=1)
    versions = {(target / name).read_text()[:2] for name in _FILES}
    require(len(versions) == 1, "the directory is a mixture of two", "silent_load")
    return versions.pop()


def directory_window(rng: Random, folder: Path) -> str:
    """Killed at any operation while a directory is committed, over an older one or none."""
    target = folder / "thing"
    replaces = rng.random() < 0.7
    if replaces:
        _commit(target, "v1")
    bomb = Bomb(rng.randrange(1, 34), folder, half=rng.random() < 0.5)
    ended = in_child(lambda: _commit(target, "v2"), bomb=bomb)
    found = ""
    if replaces or target.exists() or ended == 0:
        found = _version(target)
        require(ended != 0 or found == "v2", "it ended well, and the old directory is there")
    _commit(target, "v3")
    require(_version(target) == "v3", "the next commit is not there")
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    return f"finished: {found}" if ended == 0 else f"killed: {found or 'nothing'}"


def file_window(rng: Random, folder: Path) -> str:
    """Killed at any operation while a file is replaced."""
    path = folder / "settings.toml"
    write_atomically(path, "old" * 3000)
    bomb = Bomb(rng.randrange(1, 7), folder, half=rng.random() < 0.5)
    ended = in_child(lambda: write_atomically(path, "new" * 3000), bomb=bomb)
    text = path.read_text()
    require(text in {"old" * 3000, "new" * 3000}, "the file is neither old nor new", "silent_load")
    require(ended != 0 or text[:3] == "new", "it ended well, and the old file is there")
    write_atomically(path, "then")
    require(path.read_text() == "then", "the next write is not there")
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    return ("finished" if ended == 0 else "killed") + f": {text[:3]}"


def journal_kill(rng: Random, folder: Path) -> str:
    """Killed while events are appended: acknowledged events are not lost."""
    path, log = folder / "journal", folder / "acknowledged"

    def append() -> None:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with Journal(path) as journal:
            for number in range(len(journal), 400):
                journal.append("tell", {"number": number})
                os.write(file, b".")

    ends = []
    for _ in range(3):
        seen = log.stat().st_size if log.exists() else 0
        ends.append(killed_after(append, rng.uniform(0.0, 0.15), ready=log))
        acknowledged = log.stat().st_size
        try:
            with Journal(path, writable=False) as journal:
                numbers = [event.payload["number"] for event in journal.events()]
        except JournalError as error:  # killed before there was anything
            require(acknowledged == 0 and "no campaign" in str(error), str(error), "lost_score")
            numbers = []
        require(numbers == list(range(len(numbers))), "events are missing or doubled", "doubled_score")
        require(len(numbers) >= acknowledged - len(ends) + 1, "an acknowledged event is lost", "lost_score")
        require(acknowledged >= seen, "the log went back")
    with Journal(path) as journal:
        journal.append("tell", {"number": -1})
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    return f"killed {sum(code != 0 for code in ends)} times"


def readers_beside_a_writer(rng: Random, folder: Path) -> str:
    """A journal is opened 100 times while another process appends to it."""
    path = folder / "journal"
    with Journal(path) as journal:
        journal.append("tell", {"number": 0})
    writer = os.fork()
    if writer == 0:
        with Journal(path) as journal:
            for number in range(1, 1_000_000):
                journal.append("tell", {"number": number})
        os._exit(0)
    seen = []
    try:
        for _ in range(100):
            time.sleep(rng.uniform(0.0, 0.005))
            try:
                with Journal(path, writable=False) as journal:
                    numbers = [event.payload["number"] for event in journal.events()]
            except StorageError as error:
                raise Broken("reader_refused", str(error)) from error
            require(numbers == list(range(len(numbers))), "events are missing or doubled", "lost_score")
            seen.append(len(numbers))
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    require(seen == sorted(seen), "a later reader saw less", "lost_score")
    require(seen[-1] > seen[0], "nothing was written while the journal was read")
    return "read"


@cache
def _left_behind() -> tuple[Path, int]:
    """A journal after a kill: some events in the database file, others only in the log."""
    folder = scratch()
    path = folder / "run" / "journal"
    with Journal(path) as journal:
        for number in range(20):
            journal.append("tell", {"number": number, "smiles": "CCO" * (number % 5)})
    with Journal(path) as journal:
        for number in range(20, 30):
            journal.append("tell", {"number": number})
        shutil.copytree(path.parent, folder / "killed")
    return folder / "killed", 30


def damaged_journal(rng: Random, folder: Path) -> str:
    """A journal after a kill, with a flipped bit or truncation of the database, its log or its tally."""
    killed, n_events = _left_behind()
    copy = folder / "copy"
    shutil.copytree(killed, copy)
    victim = copy / rng.choice(["journal", "journal", "journal-wal", "journal-wal", ".journal.tally"])
    damage = _damage(victim, rng)
    try:
        with Journal(copy / "journal", writable=rng.random() < 0.5) as journal:
            numbers = [event.payload["number"] for event in journal.events()]
    except StorageError:
        return "refused"
    require(numbers == list(range(n_events)), f"{victim.name}: {damage}: events differ", "silent_load")
    return "intact"


def damaged_directory(rng: Random, folder: Path) -> str:
    """A committed directory with a bit flipped in a file, or with a truncated file."""
    target = folder / "thing"
    _commit(target, "v1")
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    victim = rng.choice(sorted(before))
    damage = _damage(victim, rng)
    try:
        verify_directory(target, kind="thing", schema=1)
    except StorageError:
        return "refused"
    same = victim.name == "MANIFEST.json" or victim.read_bytes() == before[victim]
    require(same, f"{victim.name}: {damage}", "silent_load")
    return "intact"


def _damage(path: Path, rng: Random) -> str:
    content = bytearray(path.read_bytes())
    position = rng.randrange(len(content))
    if rng.random() < 0.3:
        path.write_bytes(bytes(content[:position]))
        return f"cut off at {position}"
    content[position] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    return f"bit flipped at {position}"


def refusing_disk(rng: Random, folder: Path) -> str:
    """A disk that is full or returns EIO at any time: nothing is mixed, and the error names the path."""
    path, target, log = folder / "file.json", folder / "thing", folder / "journal"
    write_atomically(path, "old" * 100)
    _commit(target, "v1")
    with Journal(log) as journal:
        journal.append("tell", {"number": 0})
    what = rng.choice(["file", "directory", "journal"])

    def write() -> None:
        with Journal(log) as open_before:  # a campaign has its journal open when the disk fills up
            _refuse(rng)
            try:
                if what == "file":
                    write_atomically(path, "new" * 9000)
                elif what == "directory":
                    _commit(target, "v2")
                else:
                    for number in range(1, 60):
                        open_before.append("tell", {"number": number, "text": "x" * 4000})
            except StorageError as error:
                wanted = {"file": path, "directory": target, "journal": log}[what]
                if str(wanted) not in str(error):
                    os._exit(3)
                os._exit(5)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    ended = in_child(write)
    require(ended in {0, 5}, f"{what}: no StorageError that names the path (exit code {ended})")
    # EIO after the rename is an error all the same, with the new one in place
    old, new = "old" * 100, "new" * 9000
    texts = {"file": {5: {old, new}, 0: {new}}}.get(what, {}).get(ended, {old})
    require(path.read_text() in texts, "the file is neither old nor new", "silent_load")
    versions = {"directory": {5: {"v1", "v2"}, 0: {"v2"}}}.get(what, {}).get(ended, {"v1"})
    require(_version(target) in versions, "the directory is neither old nor new", "silent_load")
    _commit(target, "v3")
    with Journal(log) as journal:
        numbers = [event.payload["number"] for event in journal.events()]
        require(numbers == list(range(len(numbers))), "the journal is not what was written", "lost_score")
        journal.append("tell", {"number": len(numbers)})
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    return f"{what}: {'refused' if ended == 5 else 'finished'}"


def _refuse(rng: Random) -> None:
    if rng.random() < 0.5:
        unlimited = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randrange(200, 60_000), unlimited))
        return
    left, flush = rng.randrange(1, 4), os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    os.fsync = fsync


def locks(rng: Random, folder: Path) -> str:
    """A killed writer does not block the next one; a running one does."""
    path, ready = folder / "journal", folder / "ready"

    def hold() -> None:
        with Journal(path):
            ready.touch()
            time.sleep(60)

    require(killed_after(hold, rng.uniform(0, 0.02), ready=ready) == -9, "the holder was not killed")
    with Journal(path) as journal:
        journal.append("tell", {})
        with_another = in_child(lambda: Journal(path))
    require(with_another == 70, "two writers at a time")
    return "kept out, then let in"
