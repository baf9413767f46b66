"""Two commands that write the same output at the same time: one wins or both agree; no partial output."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from fuzz_faults import SCREEN, TINY, answer, copied

from molvae.persistence.directories import committed_directory, verify_directory
from molvae.persistence.files import sha256_of

PREPARE = "prepare table.csv -o new --workers 0"
PARTS = f"{SCREEN} --set part_bytes=700"
SHARDS = (f"{PARTS} --shard 0/2", f"{PARTS} --shard 1/2")


def contents(folder):
    kinds = {".csv", ".json", ".npy", ".safetensors"}
    files = [
        path for path in sorted(folder.rglob("*")) if path.suffix in kinds and "states" not in path.parts
    ]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


@pytest.mark.parametrize(
    ("before", "one", "other", "after", "result"),
    [
        ((), f"{PARTS} --shard 0/1", f"{PARTS} --shard 0/2", (f"{PARTS} --shard 0/1",), "s/result"),
        (
            (f"{PARTS} --shard 0/2", f"{PARTS} --shard 1/2"),
            "screen merge s",
            "screen merge s",
            (),
            "s/result",
        ),
        ((), PREPARE, PREPARE, (), "new"),
        ((), f"train corpus -o new {TINY}", f"train corpus -o new {TINY}", (), "new/model"),
    ],
    ids=["screen", "merge", "prepare", "train"],
)
def test_two_writers_of_one_output(before, one, other, after, result, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in (alone, together):
        folder.mkdir()
        copied(folder, "table.csv", "corpus", "run")
        for line in before:
            assert answer(line.split(), folder)[0] == 0
    assert answer(one.split(), alone)[0] == 0
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda n: answer((one, other)[n].split(), together, f"said{n}"), range(2)))
    codes = [code for code, _ in ended]
    assert 0 in codes, ended
    assert set(codes) <= {0, 5}, ended
    assert all("written by another process" in said for code, said in ended if code), ended
    for line in after:
        code, said = answer(line.split(), together)
        assert code == 0, said
    assert contents(together / result) == contents(alone / result)


def test_files_of_a_running_writer_are_not_removed(tmp_path):
    with committed_directory(tmp_path / "corpus.v2", kind="thing", schema=1) as place:
        (place / "a").write_text("a")
        with committed_directory(tmp_path / "corpus", kind="thing", schema=1) as other:
            (other / "b").write_text("b")
        assert (place / "a").exists()
    assert set(verify_directory(tmp_path / "corpus.v2", kind="thing", schema=1).files) == {"a"}
