"""A directory is either complete and verified, or refused; a crash never costs what was there before."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from molvae.errors import CheckpointError, LockedError, StorageError
from molvae.persistence import (
    MANIFEST,
    committed_directory,
    directory_lock,
    verify_directory,
    write_atomically,
)


def _commit(target, text="old"):
    with committed_directory(target, kind="thing", schema=1) as place:
        (place / "a.txt").write_text(text)
        (place / "sub").mkdir()
        (place / "sub" / "b.bin").write_bytes(b"\0" * 100)


def _commit_and_fail(target):
    with committed_directory(target, kind="thing", schema=1) as place:
        (place / "a.txt").write_text("half")
        raise ZeroDivisionError


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


def test_a_kill_between_the_two_renames_is_undone(tmp_path):
    _commit(tmp_path / "thing")
    (tmp_path / "thing").rename(tmp_path / ".thing.previous")
    verify_directory(tmp_path / "thing", kind="thing", schema=1)
    assert (tmp_path / "thing" / "a.txt").read_text() == "old"


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
        "import sys, pathlib\nfrom molvae.persistence import directory_lock\n"
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


def test_the_manifest_is_readable_json(tmp_path):
    _commit(tmp_path / "thing")
    fields = json.loads((tmp_path / "thing" / MANIFEST).read_text())
    assert fields["kind"] == "thing"
    assert fields["schema"] == 1
