"""A directory is complete and verified, or rejected; a crash never destroys the previous one."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from molvae.errors import CheckpointError, LockedError, StorageError
from molvae.persistence import directories, files
from molvae.persistence.directories import (
    committed_directory,
    read_directory,
    remove_strays,
    verify_directory,
)
from molvae.persistence.files import directory_lock, file_lock, sha256_of, write_atomically, written_aside
from molvae.persistence.locations import remember_checkpoint, remembered
from molvae.persistence.manifest import MANIFEST


def _commit(target, text="old"):
    with committed_directory(target, kind="thing", schema=1) as place:
        (place / "a.txt").write_text(text)
        (place / "sub").mkdir()
        (place / "sub" / "b.bin").write_bytes(b"\0" * 100)


def _commit_and_fail(target):
    with committed_directory(target, kind="thing", schema=1) as place:
        (place / "a.txt").write_text("half")
        raise ZeroDivisionError


def _commit_and_lose(place):
    with committed_directory(place, kind="thing", schema=1, holding=["a.txt", "b.txt"]) as directory:
        (directory / "a.txt").write_text("new")


def _strays(parent):
    return [path.name for path in parent.iterdir() if path.name.startswith(".")]


def test_what_was_committed_verifies(tmp_path):
    _commit(tmp_path / "thing")
    manifest = verify_directory(tmp_path / "thing", kind="thing", schema=1)
    assert sorted(manifest.files) == ["a.txt", "sub/b.bin"]
    _commit(tmp_path / "thing", "new")
    verify_directory(tmp_path / "thing", kind="thing", schema=1)
    assert (tmp_path / "thing" / "a.txt").read_text() == "new"
    assert _strays(tmp_path) == []


def test_a_failure_inside_leaves_the_old_one_and_nothing_else(tmp_path):
    _commit(tmp_path / "thing")
    with pytest.raises(ZeroDivisionError):
        _commit_and_fail(tmp_path / "thing")
    verify_directory(tmp_path / "thing", kind="thing", schema=1)
    assert (tmp_path / "thing" / "a.txt").read_text() == "old"
    assert _strays(tmp_path) == []


def test_a_file_that_something_else_removed_is_missed_before_the_seal(tmp_path):
    _commit(tmp_path / "thing")
    with pytest.raises(StorageError, match=r"another process removed b\.txt"):
        _commit_and_lose(tmp_path / "thing")
    assert (tmp_path / "thing" / "a.txt").read_text() == "old"
    assert _strays(tmp_path) == []


def test_a_kill_between_the_two_renames_is_undone(tmp_path):
    _commit(tmp_path / "thing")
    (tmp_path / "thing").rename(tmp_path / ".thing.previous")
    verify_directory(tmp_path / "thing", kind="thing", schema=1)
    assert (tmp_path / "thing" / "a.txt").read_text() == "old"


def test_an_error_between_the_two_renames_is_undone(tmp_path, monkeypatch):
    monkeypatch.setattr(directories, "_exchanged", lambda *_: False)
    _commit(tmp_path / "thing")
    _commit(tmp_path / "thing", "new")
    rename, done = Path.rename, []

    def second_fails(path, target):
        done.append(path)
        if len(done) == 2:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(StorageError, match="thing"):
        _commit(tmp_path / "thing", "newer")
    assert (tmp_path / "thing" / "a.txt").read_text() == "new"
    assert _strays(tmp_path) == []


def test_a_reader_finds_one_or_the_other_whole_while_it_is_replaced(tmp_path):
    _commit(tmp_path / "thing", "0")
    seen, ended = [], threading.Event()

    def read(manifest):
        first = (tmp_path / "thing" / "a.txt").read_text()
        return first, sha256_of(tmp_path / "thing" / "a.txt") == manifest.files["a.txt"]

    def replace():
        for number in range(1, 60):
            _commit(tmp_path / "thing", str(number))
        ended.set()

    writer = threading.Thread(target=replace)
    writer.start()
    while not ended.is_set():
        seen.append(read_directory(tmp_path / "thing", read, kind="thing", schema=1))
    writer.join()
    assert len(seen) > 10
    assert all(whole for _, whole in seen)
    assert len({number for number, _ in seen}) > 3


def test_two_writers_of_one_place_do_not_harm_one_another(tmp_path):
    with committed_directory(tmp_path / "thing", kind="thing", schema=1) as place:
        (place / "a.txt").write_text("first")
        with pytest.raises(LockedError, match="another process"):
            _commit(tmp_path / "thing", "second")
        remove_strays(tmp_path / "thing")
        (place / "b.txt").write_text("first")
    assert sorted(verify_directory(tmp_path / "thing", kind="thing", schema=1).files) == ["a.txt", "b.txt"]
    with written_aside(tmp_path / "file") as one:
        one.write_text("one")
        write_atomically(tmp_path / "file", "two")
    assert (tmp_path / "file").read_text() == "one"
    assert _strays(tmp_path) == []


def test_a_writer_with_patience_comes_second(tmp_path):
    entered = threading.Event()

    def second():
        entered.wait()
        with committed_directory(tmp_path / "thing", kind="thing", schema=1, patience=30) as place:
            (place / "a.txt").write_text("second")

    writer = threading.Thread(target=second)
    writer.start()
    with committed_directory(tmp_path / "thing", kind="thing", schema=1) as place:
        (place / "a.txt").write_text("first")
        entered.set()
        writer.join(0.1)
    writer.join()
    assert (tmp_path / "thing" / "a.txt").read_text() == "second"
    assert _strays(tmp_path) == []


def test_a_file_taken_for_abandoned_before_it_was_locked_is_opened_again(tmp_path, monkeypatch):
    lock, taken = files.fcntl.flock, []

    def slow(descriptor, kind):
        if not taken:
            taken.extend(tmp_path.glob(".file.*.tmp"))
            taken[0].unlink()
        lock(descriptor, kind)

    monkeypatch.setattr(files.fcntl, "flock", slow)
    write_atomically(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755)])
def test_the_umask_decides_who_may_read(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        _commit(tmp_path / "thing")
        write_atomically(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == file
    assert (tmp_path / "thing").stat().st_mode & 0o777 == folder
    assert all(
        path.stat().st_mode & 0o777 == (folder if path.is_dir() else file)
        for path in (tmp_path / "thing").rglob("*")
    )


def _extra(thing):
    (thing / "prior.safetensors").write_bytes(b"")
    return "not listed"


def _behind_a_link(thing):
    (thing / "sub").rename(thing.parent / "outside")
    (thing / "sub").symlink_to(thing.parent / "outside")
    return "behind a link"


def _absurd(thing):
    manifest = json.loads((thing / MANIFEST).read_text())
    manifest["files"]["vocabulary.json"] = "00"
    (thing / MANIFEST).write_text(json.dumps(manifest))
    with (thing / "vocabulary.json").open("wb") as file:
        file.truncate(1 << 36)
    return "too many"


def _name_with_nul(thing):
    manifest = json.loads((thing / MANIFEST).read_text())
    manifest["files"]["a\0b"] = manifest["files"]["\ud800"] = "00"
    (thing / MANIFEST).write_text(json.dumps(manifest))
    return "cannot be read"


@pytest.mark.parametrize("harm", [_extra, _behind_a_link, _absurd, _name_with_nul])
def test_what_a_manifest_does_not_vouch_for_is_refused(tmp_path, harm):
    _commit(tmp_path / "thing")
    said = harm(tmp_path / "thing")
    with pytest.raises(CheckpointError, match=said):
        verify_directory(tmp_path / "thing", kind="thing", schema=1)


@pytest.mark.parametrize("name", ["a.txt", "sub/b.bin", MANIFEST])
def test_every_flipped_bit_and_every_truncation_is_noticed(tmp_path, name):
    _commit(tmp_path / "thing")
    file = tmp_path / "thing" / name
    content = file.read_bytes()
    whole = verify_directory(tmp_path / "thing", kind="thing", schema=1)
    for position in range(0, len(content), max(1, len(content) // 40)):
        for damaged in (
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :],
            content[:position],
        ):
            file.write_bytes(damaged)
            try:
                read = verify_directory(tmp_path / "thing", kind="thing", schema=1)
            except CheckpointError:
                continue
            # Only white space of the manifest may change without being noticed.
            assert name == MANIFEST
            assert read == whole


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"kind": "thing", "schema": 1}',
        '{"kind": "thing", "schema": 1, "files": {"../outside": "00"}}',
        '{"kind": "thing", "schema": 1, "files": {"/etc/passwd": "00"}}',
        '{"kind": "thing", "schema": 1, "files": {"missing": "00"}}',
        '{"kind": "other", "schema": 1, "files": {}}',
        '{"kind": "thing", "schema": 2, "files": {}}',
        "[" * 100_000,
    ],
)
def test_hostile_manifests_are_refused(tmp_path, manifest):
    _commit(tmp_path / "thing")
    (tmp_path / "thing" / MANIFEST).write_text(manifest)
    with pytest.raises(CheckpointError):
        verify_directory(tmp_path / "thing", kind="thing", schema=1)


def test_a_link_in_place_of_a_file_is_refused(tmp_path):
    _commit(tmp_path / "thing")
    (tmp_path / "copy").write_bytes((tmp_path / "thing" / "a.txt").read_bytes())
    (tmp_path / "thing" / "a.txt").unlink()
    (tmp_path / "thing" / "a.txt").symlink_to(tmp_path / "copy")
    with pytest.raises(CheckpointError, match="not a plain file"):
        verify_directory(tmp_path / "thing", kind="thing", schema=1)


def test_a_missing_directory_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="no thing directory at"):
        verify_directory(tmp_path / "nowhere", kind="thing", schema=1)


def test_a_full_disk_keeps_the_old_file_and_names_the_path(tmp_path):
    path = tmp_path / "file.json"
    write_atomically(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"file\.json"):
            write_atomically(path, b"x" * 5000)
        with pytest.raises(StorageError, match="thing"):
            _commit(tmp_path / "thing", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_lock_is_exclusive_and_dies_with_its_process(tmp_path):
    code = (
        "import sys, pathlib\nfrom molvae.persistence.files import directory_lock\n"
        "with directory_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(LockedError, match="another process"), directory_lock(tmp_path):
        pass
    child.kill()
    child.communicate()
    with directory_lock(tmp_path):
        pass


def test_a_disk_that_refuses_to_give_a_lock_back_is_no_failure(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with file_lock(tmp_path / "lock", tmp_path):
        monkeypatch.setattr("filelock.FileLock.release", refused)


def test_the_manifest_is_readable_json(tmp_path):
    _commit(tmp_path / "thing")
    fields = json.loads((tmp_path / "thing" / MANIFEST).read_text())
    assert fields["kind"] == "thing"
    assert fields["schema"] == 1


def test_the_model_of_a_campaign_is_found_after_its_directory_was_moved(tmp_path):
    old, new, outside = tmp_path / "old", tmp_path / "new", tmp_path / "model"
    (old / "checkpoint").mkdir(parents=True)
    assert remembered(old) is None
    remember_checkpoint(old, old / "checkpoint")
    old.rename(new)
    assert remembered(new) == new / "checkpoint"
    remember_checkpoint(new, outside)
    assert remembered(new) == outside.resolve()
