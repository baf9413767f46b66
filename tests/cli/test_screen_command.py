"""`molvae screen` and `screen merge`: tables, JSON, error messages, requeueing."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "slurm" / "screen.sbatch"


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "some.smi"
    path.write_text("CCO ethanol\nCCc1ccccc1 =cmd()\nno molecule\nC1CC1CO c\nCC[NH3+] d\n")
    return path


def test_two_shards_and_a_merge(molvae, library, tiny_checkpoint, tmp_path):
    words = [library, "--checkpoint", tiny_checkpoint, "-o", tmp_path / "s", "--maximize", "qed"]
    words += ["--at-most", "logp=2", "--all", "--workers", 0, "--device", "cpu"]
    words += ["--set", "part_bytes=20"]
    first = molvae("screen", *words, "--shard", "1/2", "--json")
    assert first.code == 0
    done = molvae("screen", "merge", tmp_path / "s")
    assert (done.code, "no shard" in done.err or "missing" in done.err) == (3, True)
    assert molvae("screen", *words, "--shard", "0/2").code == 0
    done = molvae("screen", "merge", tmp_path / "s", "--json", "--format", "sdf")
    told = json.loads(done.out)
    assert (told["read"], told["valid"], told["hits"], told["dropped"]["objective"]) == (5, 4, 3, 1)
    assert (tmp_path / "s" / "result" / "best.sdf").read_text().count("$$$$") == 3
    done = molvae("screen", "merge", tmp_path / "s", "-o", tmp_path / "r")
    assert "read 5 → valid 4 → kept 4 → in domain 4 → hits 3" in done.out
    assert "5 read = 3 hits + 1 parse + 1 objective" in done.out
    with (tmp_path / "r" / "hits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input.smiles"] for row in rows] == ["CCO", "C1CC1CO", "CC[NH3+]"]
    assert [row["name"] for row in rows] == ["ethanol", "c", "d"]


def test_predictions_of_a_pipe_with_formulas_made_harmless(
    molvae, library, tiny_checkpoint, tmp_path, monkeypatch
):
    stdin = io.TextIOWrapper(io.BytesIO(library.read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    out = tmp_path / "s"
    done = molvae(
        "screen", "-", "--checkpoint", tiny_checkpoint, "-o", out, "--workers", 0, "--descriptors", "mw", "-q"
    )
    assert (done.code, done.err) == (0, "")
    text = (out / "result" / "hits.csv").read_text()
    assert "'=cmd()" in text
    assert "predicted_weight_sd" in text.splitlines()[0]
    assert not (out / "result" / "best.csv").exists()


def test_predict_and_embed_keep_every_row_and_merge_by_their_own_name(
    molvae, library, tiny_checkpoint, tmp_path
):
    words = [library, "--checkpoint", tiny_checkpoint, "--workers", 0, "--device", "cpu"]
    done = molvae("predict", *words, "-o", tmp_path / "p", "--descriptors", "mw", "--json")
    assert (done.code, json.loads(done.out)["read"]) == (0, 5)
    with (tmp_path / "p" / "result" / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["ethanol", "'=cmd()", "molecule", "c", "d"]
    assert [bool(row["reason"]) for row in rows] == [False, False, True, False, False]
    assert [row["mw"][:2] for row in rows] == ["46", "10", "", "72", "45"]
    assert "domain_p_value" not in rows[0]  # the model is not calibrated
    for shard in ("0/2", "1/2"):
        done = molvae("embed", *words, "-o", tmp_path / "e", "--shard", shard, "--set", "part_bytes=20")
        assert done.code == 0
    assert f"embed merge {tmp_path / 'e'}" in done.err
    assert molvae("embed", "merge", tmp_path / "e").code == 0
    assert (tmp_path / "e" / "result" / "rows.parquet").is_file()
    done = molvae("embed", "merge", tmp_path / "e", "-o", tmp_path / "r", "--format", "csv")
    assert (done.code, "molvae encode" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--shard", "2/2"], 2, "i/N"),
        (["--maximize", "predicted_x"], 2, "does not predict"),
        (["--set", "library=other"], 3, "no file other"),
        (["--reference", "nowhere.csv"], 3, "cannot read the reference"),
        (["--maximize", "qed", "--domain", "far"], 2, "unknown domain check"),
    ],
)
def test_mistakes_are_sentences(molvae, library, tiny_checkpoint, tmp_path, words, code, told):
    done = molvae("screen", library, "--checkpoint", tiny_checkpoint, "-o", tmp_path / "s", *words)
    assert (done.code, told in done.err) == (code, True), done.err
    assert "Traceback" not in done.err
    done = molvae("screen", "merge", tmp_path)
    assert (done.code, "is not a screen directory" in done.err) == (5, True)


@pytest.mark.parametrize(("code", "requeued"), [(75, True), (0, False), (3, False)])
def test_a_batch_task_that_stopped_early_goes_back_into_the_queue(tmp_path, code, requeued):
    for name, body in (
        ("molvae", f'echo "$@" > "$0.said"; exit {code}'),
        ("scontrol", 'echo "$@" > "$0.said"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    place = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([SCRIPT, "a b.smi"], env={**place, "PATH": path}, check=False)
    assert done.returncode == code
    assert (tmp_path / "molvae.said").read_text() == "screen a b.smi --shard 3/8 --workers 1\n"
    said = tmp_path / "scontrol.said"
    assert (said.read_text() if said.exists() else "") == ("requeue 12_3\n" if requeued else "")
