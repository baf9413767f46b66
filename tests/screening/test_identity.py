"""A screen is bound to the contents of its files; failed molecules can be scored again."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter

import numpy as np
import pytest

from molvae.data.partition import Shard
from molvae.errors import CheckpointError, OracleError, StorageError, UsageError
from molvae.screening import pipeline
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.pipeline import screen

ORACLE = """
from pathlib import Path
def score(smiles: str) -> float:
    if Path("{flag}").exists() and len(smiles) % 3 == 0:
        raise RuntimeError("no licence")
    return float(len(smiles))
"""

BROKEN = "def score(smiles: str) -> float:\n    raise RuntimeError('no licence')\n"


@pytest.fixture
def library(little_csv, tmp_path):
    """A hundred molecules in several parts, of a size that sorting does not change."""
    lines = little_csv.read_text().splitlines()[:101]
    path = tmp_path / "library.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def own(tmp_path):
    """A function that fails for some molecules while the file `down` exists; each test has its own."""
    path = tmp_path / f"own_{abs(hash(tmp_path))}.py"
    path.write_text(ORACLE.format(flag=tmp_path / "down"))
    return path


@pytest.fixture
def asked(library, tiny_checkpoint, own):

    def make(**changes):
        goals = [
            {"name": "qed", "direction": "minimize"},
            {"name": f"inline:{own}:score", "direction": "maximize"},
        ]
        plain = {"library": str(library), "checkpoint": tiny_checkpoint, "objectives": goals}
        small = {"domain": ("none",), "predict": False, "top": 5, "part_bytes": 700, "failure_limit": None}
        return ScreenSettings.model_validate({**plain, **small, **changes})

    return make


def run(settings, output, **options):
    return screen(settings, output, workers=0, device="cpu", **options)


def resorted(path):
    """The same rows in another order, with the same beginning and size."""
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *rows[:10], *sorted(rows[10:])]) + "\n")


def test_a_library_that_was_sorted_between_two_shards_is_refused(asked, library, tmp_path):
    run(asked(), tmp_path / "out", shard=Shard(0, 2))
    before = library.stat().st_size
    resorted(library)
    assert library.stat().st_size == before
    with pytest.raises(UsageError, match="the library has other contents now"):
        run(asked(), tmp_path / "out", shard=Shard(1, 2))


@pytest.mark.parametrize("pretend", ["same times", "renamed"])
def test_a_library_is_identified_by_its_contents(asked, library, tmp_path, pretend):
    run(asked(), tmp_path / "out", shard=Shard(0, 2))
    if pretend == "renamed":
        moved = library.rename(tmp_path / "moved.csv")
        run(asked(library=str(moved)), tmp_path / "out", shard=Shard(1, 2))
        assert merge([tmp_path / "out"]).funnel.read == 100
        return
    times = library.stat()
    resorted(library)
    os.utime(library, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(UsageError, match="the library has other contents now"):
        run(asked(), tmp_path / "out", shard=Shard(1, 2))


def test_a_screen_is_bound_to_the_files_of_objectives_and_model(asked, own, tmp_path, monkeypatch):
    run(asked(), tmp_path / "out", shard=Shard(0, 2))
    own.write_text(own.read_text() + "\n# another\n")
    with pytest.raises(UsageError, match=r"the file .*own_.* of an objective has other contents"):
        run(asked(), tmp_path / "out", shard=Shard(1, 2))
    monkeypatch.setattr(pipeline, "sha256_of", str)  # no digest, so that of no model
    pipeline._equipment.cache_clear()
    with pytest.raises(CheckpointError, match="has changed during the screen"):
        run(asked(), tmp_path / "other")


def test_a_library_that_changes_while_it_is_screened_is_noticed(asked, library, tmp_path, monkeypatch):
    write, parts = pipeline.write_part, []

    def slow(*args, **kwargs):
        parts.append(1)
        if len(parts) == 1:
            library.write_text(library.read_text() + "CCO,late,\n")
        return write(*args, **kwargs)

    monkeypatch.setattr(pipeline, "write_part", slow)
    with pytest.raises(StorageError, match="has changed during the screen"):
        run(asked(), tmp_path / "out")


def test_a_library_cut_short_after_its_last_part_is_noticed(asked, library, tmp_path, monkeypatch):
    n_parts = run(asked(), tmp_path / "whole").n_parts
    write, parts = pipeline.write_part, []

    def cutting(*args, **kwargs):
        parts.append(1)
        if len(parts) == n_parts:
            library.write_text(library.read_text()[:-20])
        return write(*args, **kwargs)

    monkeypatch.setattr(pipeline, "write_part", cutting)
    with pytest.raises(StorageError, match="has changed during the screen"):
        run(asked(), tmp_path / "out")
    assert len(parts) == n_parts
    assert not list((tmp_path / "out").rglob("end.json"))


@pytest.mark.parametrize("kept", [{}, {"keep_all": True, "descriptors": ("mw",)}, {"every_row": True}])
def test_failed_rows_are_asked_again_and_all_is_as_if_they_had_not_failed(asked, tmp_path, kept):
    run(asked(**kept), tmp_path / "whole")
    (tmp_path / "down").touch()
    run(asked(**kept), tmp_path / "out")
    failed = merge([tmp_path / "out"])
    assert failed.funnel.unscored > 0
    (tmp_path / "down").unlink()
    assert run(asked(**kept), tmp_path / "out").funnel.unscored > 0, "without the word, done parts stay"
    again = run(asked(**kept), tmp_path / "out", retry_failed=True)
    assert again.funnel.unscored == 0
    one, other = (merge([tmp_path / name]) for name in ("whole", "out"))
    assert one.funnel == other.funnel
    assert one.best == other.best
    for file in sorted(path.name for path in one.path.iterdir()):
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes(), file


def test_vectors_and_predictions_of_rows_asked_again_keep_their_places(asked, tmp_path):
    import pyarrow.parquet as pq

    kept = asked(keep_all=True, vectors=True, predict=True)
    run(kept, tmp_path / "whole")
    (tmp_path / "down").touch()
    run(kept, tmp_path / "out")
    (tmp_path / "down").unlink()
    run(kept, tmp_path / "out", retry_failed=True)
    one, other = (pq.read_table(merge([tmp_path / n]).path / "hits.parquet") for n in ("whole", "out"))
    assert one["smiles"] == other["smiles"]
    np.testing.assert_allclose(other["z"].to_pylist(), one["z"].to_pylist(), atol=1e-4)


def test_an_oracle_that_fails_in_a_row_ends_the_screen_and_parts_stay(asked, own, tmp_path):
    own.write_text(BROKEN)
    with pytest.raises(OracleError, match=r"failed 7 times in a row: RuntimeError: no licence"):
        run(asked(failure_limit=7), tmp_path / "out")
    run(asked(failure_limit=None), tmp_path / "out")  # a limit may change when a screen goes on
    assert merge([tmp_path / "out"]).funnel.unscored == 100


def test_what_was_scored_before_a_kill_is_not_scored_again(asked, own, tmp_path):
    asked_for = tmp_path / "asked"
    own.write_text(
        "from pathlib import Path\n"
        f"asked = Path({str(asked_for)!r})\n"
        "def score(smiles: str) -> float:\n"
        "    with asked.open('a') as file:\n"
        "        file.write(smiles + '\\n')\n"
        "    if len(asked.read_text().splitlines()) == 30:\n"
        "        raise KeyboardInterrupt\n"
        "    return float(len(smiles))\n"
    )
    settings = asked(part_bytes=1 << 20)
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "out")
    unfinished = next((tmp_path / "out").rglob("*.scores.jsonl"))
    with unfinished.open("a") as file:
        file.write('\n["cut sho')
    run(settings, tmp_path / "out")
    counts = Counter(asked_for.read_text().splitlines())
    assert len(counts) > 90
    assert counts.total() <= len(counts) + 30 - 15  # the fifth call is repeated; 1, 2, 4 and 8 came before
    assert not unfinished.exists()
    run(settings, tmp_path / "whole")
    assert merge([tmp_path / "whole"]).best == merge([tmp_path / "out"]).best


def test_the_command_says_what_was_not_scored(own, library, tiny_checkpoint, tmp_path, capsys):
    from molvae.cli.main import run as shell

    (tmp_path / "down").touch()
    words = ["screen", str(library), "--checkpoint", str(tiny_checkpoint), "-o", str(tmp_path / "out")]
    words += ["--maximize", f"{own}:score", "--workers", "0", "--domain", "none"]
    assert shell(words) == 0
    assert "have no score" in (message := capsys.readouterr().err)
    assert "--retry-failed" in message
    with (tmp_path / "out" / "result" / "rejected.csv").open(newline="") as file:
        assert {row["stage"] for row in csv.DictReader(file)} == {"score"}
    (tmp_path / "down").unlink()
    assert shell([*words, "--retry-failed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unscored"] == 0
    own.write_text(BROKEN)
    assert shell([*words, "-o", str(tmp_path / "new"), "--workers", "1"]) == 4
    assert "50 times in a row" in capsys.readouterr().err
