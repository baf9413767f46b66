"""The name of a molecule in its table appears in every table, SD file, picture and report."""

from __future__ import annotations

import csv
import json

import pytest

NAMES = ["NVX-1 é", "NVX-2", "NVX-3", "NVX-4"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "series.csv"
    smiles = ["CCO", "CC(C)O", "c1ccccc1", "C1CC"]
    rows = "".join(f"{name};{text};5,{n}\n" for n, (name, text) in enumerate(zip(NAMES, smiles, strict=True)))
    path.write_bytes(("Compound ID;SMILES;pIC50 (µM)\n" + rows).encode("cp1252"))
    return path


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_in_what_a_screen_and_predictions_write(molvae, table, tiny_checkpoint, tmp_path):
    words = [table, "--checkpoint", tiny_checkpoint, "--workers", 0, "--device", "cpu"]
    done = molvae("screen", *words, "-o", tmp_path / "s", "--maximize", "qed")
    assert done.code == 0
    assert all(name in done.out for name in NAMES[:3])
    result = tmp_path / "s" / "result"
    best = rows_of(result / "best.csv")
    assert {row["identifier"] for row in best} == set(NAMES[:3])
    assert {row["pIC50 (µM)"] for row in best} == {"5.0", "5.1", "5.2"}
    assert [row["identifier"] for row in rows_of(result / "rejected.csv")] == [NAMES[3]]
    assert molvae("predict", *words, "-o", tmp_path / "p", "--format", "sdf").code == 0
    blocks = (tmp_path / "p" / "result" / "rows.sdf").read_text(encoding="utf-8").split("$$$$\n")
    assert [block.split("\n")[0] for block in blocks[:-1]] == NAMES[:3]
    for suffix in ("csv", "smi"):
        assert (
            molvae("screen", "merge", tmp_path / "s", "-o", tmp_path / suffix, "--format", suffix).code == 0
        )
        assert molvae("report", tmp_path / suffix, "-o", tmp_path / "r.html").code == 0
        page = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert all(json.dumps(name) in page or name in page for name in NAMES)


def test_in_what_prepare_writes_and_a_report_of_the_file(molvae, table, tmp_path):
    from molvae.data.corpus import Corpus

    corpus = tmp_path / "corpus"
    done = molvae("prepare", table, "-o", corpus, "--labels", "pIC50 (µM)", "--workers", 0)
    assert done.code == 0
    assert "names from 'Compound ID'" in done.err
    assert "Windows-1252" in done.err
    assert Corpus.open(corpus).identifiers() == NAMES[:3]
    assert Corpus.open(corpus).property_names == ("pIC50 (µM)",)
    assert [row["identifier"] for row in rows_of(corpus / "rejected.csv")] == [NAMES[3]]
    assert molvae("report", table, "-o", tmp_path / "r.html").code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(json.dumps(name) in page or name in page for name in NAMES)


def test_prepare_says_what_it_merged(molvae, tmp_path):
    rows = ["smiles,x,active,fold", "CCO,1,0,train", "OCC,3,1,test", "CC,5,1,train", "CC |&1:0|,5,1,train"]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    words = ["-o", tmp_path / "c", "--labels", "x,active", "--split", "fold", "--workers", 0]
    lines = molvae("prepare", tmp_path / "a.csv", *words).out.splitlines()
    assert lines[0] == "4 in = 2 kept + 2 duplicates + 0 rejected"
    assert "averaged    x of 2 molecules (sd 1); replicates.csv" in lines
    conflicts = "active of 1 molecules (label left out), fold of 1 molecules (first kept)"
    assert f"conflicts   {conflicts}; contradictions.csv" in lines
    assert "stereo      1 with enhanced stereo, read as the isomer drawn" in lines


def test_of_cxsmiles_on_the_command_line(molvae, tiny_checkpoint, tmp_path):
    out = tmp_path / "z.csv"
    done = molvae("encode", tiny_checkpoint, "CCO |$a;b,c;$| two words", "CC(C)O", "-o", out)
    assert done.code == 0
    assert [(row["identifier"], row["smiles"]) for row in rows_of(out)] == [
        ("two words", "CCO"),
        ("2", "CC(C)O"),
    ]
