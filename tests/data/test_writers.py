from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.data.readers import open_table
from molvae.data.records import Column
from molvae.data.writers import SUFFIXES, SafeTable, neutralize, open_writer, safe_cell, suffix_of
from molvae.errors import StorageError, UsageError

COLUMNS = [
    Column("identifier"),
    Column("smiles", "smiles"),
    Column("qed", "number"),
    Column("call", "integer"),
    Column("reason"),
]
ROWS = [
    ["a", "CCO", np.float32(0.1), 1, ""],
    ["=cmd()", "c1ccccc1", -2.5, np.int64(2), "-x"],
    ["-7", None, float("nan"), None, "no molecule"],
]


def write(path, rows=ROWS):
    with open_writer(path, COLUMNS) as writer:
        for row in rows:
            writer.write(row)
    return writer


def test_csv_keeps_rows_and_neutralizes_foreign_text(tmp_path):
    write(tmp_path / "a.csv")
    rows = list(csv.reader((tmp_path / "a.csv").open()))
    assert rows[1] == ["a", "CCO", "0.1", "1", ""]
    assert rows[2] == ["'=cmd()", "c1ccccc1", "-2.5", "2", "'-x"]
    assert rows[3] == ["-7", "", "", "", "no molecule"]


def test_compressed_csv_has_the_same_content_and_the_same_bytes_twice(tmp_path):
    for name in ("a.csv", "b.csv.gz", "c.csv.gz"):
        write(tmp_path / name)
    assert gzip.decompress((tmp_path / "b.csv.gz").read_bytes()) == (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "b.csv.gz").read_bytes() == (tmp_path / "c.csv.gz").read_bytes()


def test_parquet_has_types_and_nulls(tmp_path):
    write(tmp_path / "a.parquet", ROWS * 5000)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 15_000
    assert [str(field.type) for field in table.schema] == ["string", "string", "double", "int64", "string"]
    assert table.column("smiles").null_count == table.column("qed").null_count == 5000
    assert table.column("identifier")[1].as_py() == "=cmd()", "no spreadsheet reads Parquet"


def test_json_lines(tmp_path):
    write(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows[2] == {"identifier": "-7", "smiles": None, "qed": None, "call": None, "reason": "no molecule"}
    assert rows[1]["call"] == 2


@pytest.mark.parametrize("suffix", [".smi", ".sdf"])
def test_molecule_formats_hold_molecules_only_and_count_the_rest(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    assert write(path).skipped == 1
    rows = list(open_table(path).rows())
    assert [row.text for row in rows] == ["CCO", "c1ccccc1"]
    assert [row.identifier for row in rows] == ["a", "=cmd()"]


def test_what_is_written_is_read_back(tmp_path):
    for suffix in (".csv", ".csv.gz", ".parquet"):
        path = tmp_path / f"a{suffix}"
        write(path)
        rows = list(open_table(path).rows())
        assert len(rows) == 3
        assert rows[0].fields["qed"].startswith("0.1")


def test_a_file_is_complete_or_absent(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    class BrokenError(Exception):
        pass

    def broken():
        with open_writer(path, COLUMNS) as writer:
            writer.write(ROWS[0])
            raise BrokenError

    with pytest.raises(BrokenError):
        broken()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_refuses_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), open_writer(tmp_path / "file" / "a.csv", COLUMNS):
        pass


@pytest.mark.parametrize(("name", "near"), [("a.cvs", ".csv"), ("a.parque", ".parquet"), ("a", None)])
def test_unknown_suffixes_are_told_with_the_known_ones(name, near):
    with pytest.raises(UsageError) as caught:
        suffix_of(Path(name))
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)
    assert near is None or f"did you mean '{near}'?" in str(caught.value)


def test_tables_without_molecules_are_no_sdf(tmp_path):
    with pytest.raises(UsageError, match="no molecules"), open_writer(tmp_path / "a.sdf", [Column("x")]):
        pass


@given(st.text(max_size=20))
def test_neutralized_text_is_no_formula_and_nothing_else_is_touched(text):
    safe = neutralize(text)
    if safe != text:
        assert safe.replace("'", "") == text.replace("'", "")
    elif text.startswith(("=", "+", "-", "@", "\t", "\r")):
        float(text)


@pytest.mark.parametrize("start", [*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", "a;", "a; ", "a\t", "a\n", 'a;"', "x;b;"])
def test_a_formula_is_neutralized_wherever_a_spreadsheet_begins_a_cell(start, before):
    safe = neutralize(f"{before}{start}HYPERLINK(1)")
    assert safe == f"{before}'{start}HYPERLINK(1)"
    assert neutralize(safe) == safe


@pytest.mark.parametrize("name", ["$$$$", "$$$$ more", "> <x>", "M  END", "a\n$$$$\nb"])
def test_a_molecule_of_any_name_is_one_record(tmp_path, name):
    path = tmp_path / "a.sdf"
    with open_writer(path, [Column("identifier"), Column("smiles", "smiles")]) as writer:
        for identifier, smiles in ((name, "CCO"), ("next", "CCN")):
            writer.write([identifier, smiles])
    rows = list(open_table(path).rows())
    assert [(row.identifier, row.text) for row in rows] == [(" ".join(name.split()), "CCO"), ("next", "CCN")]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\u00a0=", "\uff1d"])
def test_formulas_in_safe_cells_are_neutralized(start):
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")
    assert re.search(r"^CCO;\W*(x0[9d])?'", safe_cell(f"CCO;{start}cmd|' /C calc'!A0"))


@pytest.mark.parametrize("text", ["CCO", "[Na+]", "[O-]C", "-1.5", "+2e-3", "", "C=C", "n/a"])
def test_what_is_harmless_stays_as_it_is(text):
    assert safe_cell(text) == text


def test_long_and_binary_text_is_shortened_and_spelled_out():
    assert safe_cell("C" * 5000).endswith("(5000 characters)")
    assert safe_cell("a\x00b\n") == r"a\x00b\x0a"


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_makes_one_row_of_harmless_cells(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    with SafeTable(path, ["cell"] * len(texts)) as table:
        table.write(*texts)
    with path.open(encoding="utf-8", newline="") as file:
        _, row = list(csv.reader(file))
    assert row == [safe_cell(text) for text in texts]
    assert not any(cell.startswith(("=", "@")) for cell in row)
