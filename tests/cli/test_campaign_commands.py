from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from molvae.campaign.storage import Journal

QUICK = ["--effort", "0.05", "--set", "n_initial=6"]


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def fill(path, answers, **columns):
    rows = rows_of(path.read_text())
    for row, answer in zip(rows, answers, strict=True):
        row["potency"] = answer
        row.update(columns)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.fixture
def start(tmp_path):
    path = tmp_path / "start.csv"
    path.write_text(
        "smiles,name,potency\nCCc1ccc(C)cc1,a,5.5\nCCCC1CCC(C)CC1,b,\nnot one,c,1\nCOc1ccc(C)cc1,d,6\n"
        "CCO,e,4\n"
    )
    return path


def test_optimize_from_shell_to_files_and_on(molvae, tiny_checkpoint, start, tmp_path):
    out = tmp_path / "better"
    argv = [
        "optimize",
        tiny_checkpoint,
        "--maximize",
        "qed",
        "--minimize",
        "logp",
        "--at-most",
        "sa=4",
        "-q",
        3,
    ]
    done = molvae(
        *argv,
        "--budget",
        9,
        "--seed",
        1,
        "--start",
        start,
        "-o",
        out,
        "--table",
        tmp_path / "all.parquet",
        *QUICK,
    )
    assert done.code == 0, done.err
    assert "maximize qed" in done.out
    assert "start" in done.out
    assert "found" in done.out
    rows = rows_of((out / "molecules.csv").read_text())
    assert sorted(int(row["call"]) for row in rows) == list(range(1, 10))
    assert {"qed", "logp", "sa", "feasible", "parent", "source"} <= set(rows[0])
    for name in ("best.png", "progress.png", "front.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "best.sdf").read_text().count("$$$$") == sum(row["feasible"] == "1" for row in rows)
    assert (tmp_path / "all.parquet").read_bytes().startswith(b"PAR1")
    assert "max_heavy_atoms" in (out / "settings.toml").read_text()

    on = molvae("optimize", tiny_checkpoint, "-o", out, "--budget", 11, "--json", "--quiet")
    told = json.loads(on.out)
    assert (on.code, told["calls"], on.err) == (0, 11, "")
    assert rows_of((out / "molecules.csv").read_text())[: len(rows)] == rows, "what was scored stays"
    other = molvae("optimize", tiny_checkpoint, "--maximize", "mw", "-o", out, "--budget", 11)
    assert other.code == 2
    assert "was made with" in other.err
    status = json.loads(molvae("status", out, "--json", "--picture", tmp_path / "p.png").out)
    assert (status["calls"], status["budget"], status["awaited"]) == (11, 11, 0)
    assert (tmp_path / "p.png").is_file()
    assert json.loads(molvae("info", out, "--json").out)["start_molecules"] == 4


def test_a_failing_oracle_ends_with_4_and_leaves_failures_on_record(
    molvae, tiny_checkpoint, tmp_path, monkeypatch
):
    (tmp_path / "broken_oracle.py").write_text("def score(smiles):\n    raise RuntimeError('no license')\n")
    monkeypatch.chdir(tmp_path)
    done = molvae(
        "optimize",
        tiny_checkpoint,
        "--maximize",
        "broken_oracle:score",
        "-o",
        "b",
        "--set",
        "failure_limit=3",
        *QUICK,
    )
    assert done.code == 4
    assert "no license" in done.err
    assert json.loads(molvae("status", "b", "--json").out)["failed"] == 3


def test_an_unknown_oracle_is_an_error_before_anything_is_written(molvae, tiny_checkpoint, tmp_path):
    done = molvae("optimize", tiny_checkpoint, "--maximize", "qde", "-o", tmp_path / "x")
    assert done.code == 2
    assert not (tmp_path / "x").exists()


def test_a_search_that_finds_nothing_says_why(molvae, tiny_checkpoint, tmp_path):
    done = molvae(
        "optimize", tiny_checkpoint, "--maximize", "qed", "--keep", "[Si]", "-o", tmp_path / "none", *QUICK
    )
    assert done.code == 0
    assert "stopped after 0 calls: molecules outside the bounds were not proposed" in done.err
    assert "substructure:[Si]" in done.err
    assert rows_of((tmp_path / "none" / "molecules.csv").read_text()) == []


def test_the_wet_lab_loop(molvae, tiny_checkpoint, start, tmp_path):
    lab, batch = tmp_path / "lab", tmp_path / "batch.csv"
    assert molvae("ask", lab, "-n", 4, "--maximize", "potency").code == 2, "a new campaign needs a model"
    assert not lab.exists()
    argv = ["ask", lab, "--checkpoint", tiny_checkpoint, "--maximize", "potency", "--at-most", "logp=5"]
    done = molvae(*argv, "--start", start, "--known-scores", "-n", 6, "-o", batch, *QUICK)
    assert done.code == 0, done.err
    rows = rows_of(batch.read_text())
    assert len(rows) == 6
    assert {row["potency"] for row in rows} == {""}
    assert all(row["logp"] for row in rows), "what can be computed is filled in"

    fill(batch, ["5.5", "failed", "n.d.", "", " 7.25 ", "inf"])
    told = molvae("tell", lab, batch)
    assert told.code == 0
    assert "2 without a number" in told.err
    assert "line 7: potency: 'inf' is not a finite number" in told.err
    again = json.loads(molvae("tell", lab, batch, "--json").out)
    assert (again["new"], again["repeated"], again["without_result"]) == (0, 4, 1)

    by_name = tmp_path / "lims.csv"
    by_name.write_text(f"Identifier,IC50\n{rows[3]['identifier']},6.5\n{rows[5]['identifier']},\n")
    assert molvae("tell", lab, by_name).code == 2, "no column of that name"
    told = molvae("tell", lab, by_name, "--column", "potency=IC50", "--json")
    assert json.loads(told.out)["new"] == 1, told.err

    fill(batch, ["5.7", "", "", "", "", ""])
    conflict = molvae("tell", lab, batch)
    assert conflict.code == 3, "there is nothing else in it"
    assert "line 2: potency of" in conflict.err
    assert "on record as 5.5" in conflict.err
    over = molvae("ask", lab, "-n", 1, "-o", batch)
    assert over.code == 2
    assert "has results in 1 of its 6 rows" in over.err
    corrected = json.loads(molvae("tell", lab, batch, "--correct", "--json").out)
    assert (corrected["new"], corrected["charged"]) == (1, 0)
    assert 5.7 in [row["potency"] for row in corrected["best"]]

    pending = rows_of(molvae("ask", lab, "--pending").out)
    assert [row["identifier"] for row in pending] == [rows[5]["identifier"]]
    second = rows_of(molvae("ask", lab, "-n", 2).out)
    assert len({row["smiles"] for row in rows} | {row["smiles"] for row in second}) == 8


def test_a_batch_for_a_meeting_and_ideas_of_ones_own(molvae, tiny_checkpoint, start, tmp_path):
    lab, batch, page = tmp_path / "lab", tmp_path / "batch.csv", tmp_path / "batch.html"
    argv = ["ask", lab, "--checkpoint", tiny_checkpoint, "--maximize", "potency", "--at-most", "logp=5"]
    asked = molvae(*argv, "--start", start, "-n", 6, "-o", batch, *QUICK)
    assert "computed: logp; to be measured: potency" in asked.err
    rows = rows_of(batch.read_text())
    assert all(row["predicted potency"] and row["sd potency"] and row["nearest"] for row in rows)
    assert molvae("ask", lab, "--pending", "-o", page).code == 0
    text = page.read_text()
    assert all(row["identifier"] in text for row in rows)
    fill(batch, ["6.5", "", "", "", "", ""])
    assert json.loads(molvae("tell", lab, batch, "--json").out)["new"] == 1, "predictions are not results"
    ideas = tmp_path / "ideas.csv"
    ideas.write_text("name,smiles\nmine,OCCc1ccccc1\nodd,c1cc\n")
    scored = rows_of(molvae("predict", "--campaign", lab, ideas).out)
    assert [row["identifier"] for row in scored] == ["mine", "odd"]
    assert float(scored[0]["sd potency"]) > 0
    assert float(scored[0]["logp"]) == pytest.approx(1.22, abs=0.01)
    assert "unclosed ring" in scored[1]["reason"]


def test_tell_rejects_a_swapped_molecule_and_accepts_a_new_one(molvae, tiny_checkpoint, tmp_path):
    lab, batch = tmp_path / "lab", tmp_path / "batch.csv"
    molvae("ask", lab, "--checkpoint", tiny_checkpoint, "--maximize", "potency", "-n", 2, "-o", batch, *QUICK)
    rows = fill(batch, ["1", "2"])
    batch.write_text(
        batch.read_text().replace(rows[0]["smiles"], "CCCCCCCC") + "mine,CCCCO,me,,3\nmine2,xx,me,,3\n"
    )
    told = molvae("tell", lab, batch, "--json")
    facts = json.loads(told.out)
    assert facts["new"] == 2
    assert f"is {rows[0]['smiles']} in this campaign" in facts["refused"][0]
    assert "xx" in facts["unreadable"][0]
    assert facts["best"][0]["smiles"] == "CCCCO"
    assert facts["charged"] == 1


def test_the_budget_ends_the_asking(molvae, tiny_checkpoint, tmp_path):
    lab = tmp_path / "lab"
    argv = ["--checkpoint", tiny_checkpoint, "--maximize", "potency", "--budget", 3, *QUICK]
    first = molvae("ask", lab, "-n", 5, *argv)
    assert len(rows_of(first.out)) == 3
    assert "5 were requested; the budget leaves 3" in first.err
    none = molvae("ask", lab, "-n", 5)
    assert (none.code, rows_of(none.out)) == (0, [])
    assert "continue with a larger --budget" in none.err
    assert len(rows_of(molvae("ask", lab, "-n", 1, "--budget", 4).out)) == 1


def test_a_journal_of_another_kind_is_refused(molvae, tmp_path):
    path = Path(tmp_path / "journal.sqlite")
    path.write_text("hello")
    for argv in (["status", path], ["tell", path, "x.csv"]):
        assert molvae(*argv).code == 5


@pytest.mark.parametrize("moment", ["before the file", "after the file"])
def test_a_batch_that_was_not_delivered_is_handed_out_again(
    molvae, tiny_checkpoint, tmp_path, monkeypatch, moment
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    lab, batch = tmp_path / "lab", tmp_path / "batch.csv"
    argv = ["--checkpoint", tiny_checkpoint, "--maximize", "potency", *QUICK]
    assert molvae("ask", lab, "-n", 2, *argv, "-o", batch).code == 0
    with monkeypatch.context() as patch:
        if moment == "before the file":
            patch.setattr("molvae.data.writers.CsvWriter.write", killed)
        else:
            write = Journal.append
            patch.setattr(
                Journal, "append", lambda j, kind, p: killed() if kind == "ask" else write(j, kind, p)
            )
        assert molvae("ask", lab, "-n", 3, "-o", tmp_path / "lost.csv").code == 130
    assert json.loads(molvae("status", lab, "--json").out)["awaited"] == 2
    assert molvae("ask", lab, "-n", 3, "-o", tmp_path / "again.csv").code == 0
    rows = rows_of((tmp_path / "again.csv").read_text())
    assert [row["identifier"] for row in rows] == ["c00002", "c00003", "c00004"]
    if moment == "after the file":
        assert (tmp_path / "lost.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_a_search_without_a_single_score_ends_with_4(molvae, tiny_checkpoint, tmp_path, monkeypatch):
    (tmp_path / "never.py").write_text("def score(smiles: list[str]):\n    raise OSError('no licence')\n")
    monkeypatch.chdir(tmp_path)
    argv = ["--maximize", "never.py:score", "--budget", 3, "-q", 3, *QUICK]
    done = molvae("optimize", tiny_checkpoint, *argv, "-o", "b")
    assert done.code == 4
    assert "none of the 3 calls gave a number" in done.err
    assert "no licence" in done.err
    assert len(rows_of(Path("b/molecules.csv").read_text())) == 3
    done = molvae("oracles", "never.py:score", "CCO", "CCN")
    assert done.code == 4
    assert "no licence" in done.err
