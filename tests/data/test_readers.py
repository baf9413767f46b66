"""All formats give the same rows; broken files give a reason."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chemistry.molecule import parse
from molvae.data import partition
from molvae.data.delimited import MAX_RECORD, cut_rows
from molvae.data.readers import open_table
from molvae.data.records import BadRow, Row
from molvae.errors import InputError, UsageError
from tests.data.conftest import SD_BLOCK

CSV = "name,smiles,x\nethanol,CCO,1\nbenzene,c1ccccc1,\n"
BLOCK = SD_BLOCK.replace("{fields}", "> <x>\n1.5\n")


def read(path, **options):
    table = open_table(path, **options)
    return table, list(table.rows())


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_decimal_commas_of_a_european_spreadsheet_are_numbers(tmp_path):
    text = (
        "\ufeffName;SMILES;pIC50;note\r\n1,2-diol;OCCO;5,1;1,2-diol\r\nx,y;CCO;-,5;1.234,5\r\n3,5;CC;7;\r\n"
    )
    table, rows = read(write(tmp_path / "excel.csv", text))
    assert table.note.endswith("numbers have a decimal comma")
    assert [row.fields["pIC50"] for row in rows] == ["5.1", "-.5", "7"]
    assert [row.identifier for row in rows] == ["1,2-diol", "x,y", "3,5"], "a name is no number"
    assert [row.fields["note"] for row in rows] == ["1,2-diol", "1.234,5", ""]
    _, rows = read(write(tmp_path / "quoted.csv", 'smiles,x\nCCO,"5,1"\n'))
    assert rows[0].fields["x"] == "5,1", (
        "thousands, perhaps: left as it is, and reported where a number is meant"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<!DOCTYPE html>\n<html></html>", "a web page"),
        ('\ufeff[{"smiles": "CCO"}]', "JSON"),
        ('{"smiles": "CCO"}\n', "JSON"),
        ("@<TRIPOS>MOLECULE\n", "a MOL2 file"),
    ],
)
def test_text_that_is_something_else_is_called_by_its_name(content, told, tmp_path):
    for name in ("a.csv", "a.smi", "a.txt"):
        with pytest.raises(InputError, match=f"is {told}, which is not read here"):
            read(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.CSV", CSV),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("packed-without-saying-so.csv", gzip.compress(CSV.encode(), mtime=0)),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.txt", CSV),
        ("semicolons.csv", CSV.replace(",", ";")),
        ("bom.csv", "\ufeff" + CSV),
        ("utf16.csv", CSV.encode("utf-16")),
        ("crlf.csv", CSV.replace("\n", "\r\n")),
        ("old-mac.csv", CSV.replace("\n", "\r")),
        ("no-last-newline.csv", CSV.rstrip("\n")),
        ("blank-lines.csv", CSV.replace("\n", "\n\n")),
        ("quoted.csv", 'name,smiles,x\n"ethanol","CCO\n",1\n"benzene"," c1ccccc1 ",""\n'),
        ("trailing.csv", "name,smiles,x\nethanol,CCO,1,,\nbenzene,c1ccccc1,,\n"),
        ("no-suffix", CSV),
    ],
)
def test_every_spelling_of_a_table_gives_the_same_rows(tmp_path, name, content):
    table, rows = read(write(tmp_path / name, content))
    assert (table.columns, table.smiles_column, table.id_column) == (
        ("name", "smiles", "x"),
        "smiles",
        "name",
    )
    assert [(row.text, row.identifier, row.fields["x"]) for row in rows] == [
        ("CCO", "ethanol", "1"),
        ("c1ccccc1", "benzene", ""),
    ]
    assert "'smiles'" in table.note


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("CCO ethanol\nC\n", [("CCO", "ethanol"), ("C", "")]),
        ("CCO\tethyl alcohol\nC\tmethane\n", [("CCO", "ethyl alcohol"), ("C", "methane")]),
        ("SMILES Name\nCCO ethyl alcohol\n", [("CCO", "ethyl alcohol")]),
        ("smiles\nCCO\n", [("CCO", "")]),
        ('CCO\n{"smiles": 1}\n', [("CCO", ""), ('{"smiles":', "1}")]),
        ("not-a-smiles\nCCO\n", [("not-a-smiles", ""), ("CCO", "")]),
        ("CC |x,y| name\n", [("CC |x,y|", "name")]),
        ("CCO\tethanol\nC\nCC methyl methane\n", [("CCO", "ethanol"), ("C", ""), ("CC", "methyl methane")]),
    ],
)
def test_smiles_files(tmp_path, content, expected):
    _, rows = read(write(tmp_path / "a.smi", content))
    assert [(row.text, row.identifier) for row in rows] == expected


def test_a_comma_in_a_name_does_not_make_a_table(tmp_path):
    _, rows = read(write(tmp_path / "a.txt", "CCO ethanol, pure\nC methane\n"))
    assert [(row.text, row.identifier) for row in rows] == [("CCO", "ethanol, pure"), ("C", "methane")]


def test_lines_are_counted_as_an_editor_does(tmp_path):
    _, rows = read(write(tmp_path / "a.csv", 'smiles,x\n\nC,1\n"C\nC",2\nCC,3\n'))
    assert [row.line for row in rows] == [3, 4, 6]


def test_bytes_of_parquet_are_text_or_are_named(tmp_path):
    cells = [b"CCO", Chem.MolFromSmiles("CCO").ToBinary(), b"\x89PNG\xff"]
    pq.write_table(pa.table({"smiles": cells, "y": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet")
    texts = [row.text for row in open_table(tmp_path / "a.parquet").raw_rows]
    assert texts[0] == "CCO"
    assert [parse(text).reason for text in texts[1:]] == [
        "a pickled RDKit molecule, not text: write SMILES into the table",
        "non-ASCII character (u+0089) at character 1",
    ]


def test_parquet(tmp_path):
    columns = {"Canonical_SMILES": ["CCO", None, "C"], "id": [1, 2, 3], "x": [0.5, None, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table, rows = read(tmp_path / "a.parquet")
    assert table.smiles_column == "Canonical_SMILES"
    assert [(row.line, row.text, row.identifier, row.fields["x"]) for row in rows] == [
        (1, "CCO", "1", "0.5"),
        (2, "", "2", ""),
        (3, "C", "3", "2.0"),
    ]


def test_sd_files_with_a_broken_record(tmp_path):
    broken = BLOCK.format(title="broken").replace("M  END", "")
    nonsense = BLOCK.format(title="nonsense").replace("  2  1  0", "  x  y  0")
    text = BLOCK.format(title="one") + broken + nonsense + BLOCK.format(title="two")
    for name, content in (("a.sdf", text), ("a.sdf.gz", gzip.compress(text.encode())), ("unknown", text)):
        table, rows = read(write(tmp_path / name, content))
        assert table.columns == ("x",)
        assert [type(row) for row in rows] == [Row, BadRow, BadRow, Row]
        assert [row.line for row in rows] == [1, 13, 25, 37]
        assert (rows[0].text, rows[0].identifier, rows[0].fields) == ("CO", "one", {"x": "1.5"})
        assert "M  END" in rows[1].reason
    _, rows = read(tmp_path / "a.sdf", id_column="x")
    assert (rows[0].text, rows[0].identifier) == ("CO", "1.5")
    _, rows = read(tmp_path / "a.sdf", smiles_column="x")
    assert (rows[0].text, rows[0].identifier) == ("1.5", "one")
    with pytest.raises(UsageError, match="no column 'y'"):
        read(tmp_path / "a.sdf", smiles_column="y")


def test_an_endless_record_does_not_fill_the_memory(tmp_path):
    text = "title\n" + "x\n" * (MAX_RECORD + 10) + "$$$$\n" + BLOCK.format(title="good")
    _, rows = read(write(tmp_path / "a.sdf", text))
    assert [type(row) for row in rows] == [BadRow, Row]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("CC,1,2", "3 cells, 2 were expected"),
        ("CC", "1 cells, 2 were expected"),
        ("C\x00C,1", "NUL"),
        ('"CC,1', "never closed"),
        ('"CC"x,1', "quotation marks"),
        ("C" * 250_001 + ",1", "250,000 characters"),
    ],
)
def test_a_bad_row_costs_only_itself(tmp_path, row, reason):
    _, rows = read(write(tmp_path / "a.csv", f"smiles,x\nC,1\n{row}\nCCC,3\nCCCC,4\n"))
    assert [type(r) for r in rows] == [Row, BadRow, Row, Row]
    assert reason in rows[1].reason
    assert rows[1].line == 3
    assert len(rows[1].text) < 300


def test_a_truncated_gzip_file_gives_what_came_before_and_a_bad_row(tmp_path):
    text = "smiles\n" + "".join(f"{'C' * (n % 50 + 1)}\n" for n in range(20_000))
    packed = gzip.compress(text.encode())
    _, rows = read(write(tmp_path / "a.csv.gz", packed[: len(packed) * 3 // 4]))
    assert len(rows) > 100
    assert isinstance(rows[-1], BadRow)
    assert "breaks off" in rows[-1].reason
    assert not any(isinstance(row, BadRow) for row in rows[:-1])


def test_lines_after_an_open_quotation_mark_are_read_even_where_the_file_breaks_off():
    damage = BadRow(4, "", "the file breaks off here")
    opened, *rest = cut_rows(iter([(1, '"CC,2'), (2, "CCC,3"), (3, "CCCC,4"), damage]), ",")
    assert opened == BadRow(1, '"CC,2', "a quotation mark is opened and never closed")
    assert rest == [(2, ["CCC", "3"]), (3, ["CCCC", "4"]), damage]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.smi", b" \n\n", "is empty"),
        ("empty.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("cut.csv.gz", gzip.compress(b"smiles\nC\n", mtime=0)[:8], "unpacked"),
        ("noise.csv.gz", b"\x1f\x8b" + bytes(range(200)), "unpacked"),
        ("a.parquet", b"PAR1 and nothing", "Parquet"),
        ("a.unknown", b"PAR1 and nothing", "Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_one_sentence(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / name, content))


def test_missing_files_and_directories(tmp_path):
    write(tmp_path / "molecules.csv", CSV)
    with pytest.raises(InputError, match=r"did you mean 'molecules\.csv'"):
        open_table(tmp_path / "molecule.csv")
    with pytest.raises(InputError, match="directory"):
        open_table(tmp_path)


def test_stdin(monkeypatch):
    for content in (CSV.encode(), gzip.compress(CSV.encode()), b"CCO ethanol\nc1ccccc1 benzene\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        _, rows = read("-")
        assert [row.identifier for row in rows] == ["ethanol", "benzene"]


class TestColumns:
    def test_a_header_without_a_known_name_is_found_by_content(self, tmp_path):
        table, rows = read(write(tmp_path / "a.csv", "label,thing\na,CCO\nb,c1ccccc1\nc,broken\n"))
        assert table.smiles_column == "thing"
        assert "%" in table.note
        assert len(rows) == 3

    def test_no_header(self, tmp_path):
        table, rows = read(write(tmp_path / "a.csv", "CCO,ethanol\nCC,ethane\n"))
        assert (table.smiles_column, table.id_column) == ("column1", "column2")
        assert "no header" in table.note
        assert len(rows) == 2

    def test_by_number(self, tmp_path):
        table, _ = read(write(tmp_path / "a.csv", CSV), smiles_column="2", id_column="x")
        assert (table.smiles_column, table.id_column) == ("smiles", "x")

    def test_an_unknown_column_lists_all_and_the_nearest(self, tmp_path):
        with pytest.raises(UsageError, match=r"did you mean 'smiles'") as error:
            read(write(tmp_path / "a.csv", CSV), smiles_column="smile")
        assert "name, smiles, x" in str(error.value)

    def test_no_smiles_at_all(self, tmp_path):
        with pytest.raises(InputError, match="--smiles-column"):
            read(write(tmp_path / "a.csv", "a,b\n1,2\n3,4\n"))

    def test_repeated_and_nameless_columns_stay_apart(self, tmp_path):
        table, rows = read(write(tmp_path / "a.csv", "smiles,x,x,\nC,1,2,3\n"))
        assert table.columns == ("smiles", "x", "x.2", "column4")
        assert rows[0].fields == {"smiles": "C", "x": "1", "x.2": "2", "column4": "3"}


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("any") / "a.csv", content)
    try:
        rows = list(open_table(path).rows())
    except (InputError, UsageError):
        return
    assert all(isinstance(row, Row | BadRow) for row in rows)


ROWS = {
    "dictionary": lambda: pa.DictionaryArray.from_arrays(pa.array([0] * 4096), pa.array(["C" * 900_000])),
    "one cell": lambda: pa.array(["C" * 1_500_000]),
    "list": lambda: pa.ListArray.from_arrays(pa.array([0, 50_000_000], pa.int32()), pa.nulls(50_000_000)),
    "texts in a struct": lambda: pa.StructArray.from_arrays([ROWS["dictionary"]()], ["a"]),
}
READABLE = {"dictionary", "texts in a struct"}


@pytest.mark.parametrize("rows", ROWS)
def test_a_small_parquet_file_cannot_fill_the_memory(tmp_path, rows):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"smiles": ROWS[rows]()}), path, compression="zstd")
    assert path.stat().st_size < 4000
    code = (
        "import itertools, resource, sys; from molvae.data.readers import open_table\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "list(itertools.islice(open_table(sys.argv[1]).rows(), 200))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "MemoryError" not in done.stderr
    assert done.returncode == (0 if rows in READABLE else 1)
    assert rows in READABLE or "InputError" in done.stderr


def test_rows_and_records_of_absurd_size_are_refused_unread(tmp_path):
    wide = tmp_path / "wide.csv"
    wide.write_text("smiles,a\nCCO,1\nCCN" + "," * 30_000 + "\n")
    rows = list(open_table(wide).rows())
    assert [type(row).__name__ for row in rows] == ["Row", "BadRow"]
    assert "20,000 cells" in rows[1].reason
    long = tmp_path / "long.sdf"
    long.write_text("title\n" + ("C" * 90_000 + "\n") * 4 + "M  END\n$$$$\n" + BLOCK.format(title="good"))
    rows = list(open_table(long).rows())
    assert "250,000 characters" in rows[0].reason
    assert rows[1].identifier == "good"


def test_parts_of_a_stream_are_smaller_where_rows_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr(partition, "_PART_CHARACTERS", 2000)
    path = tmp_path / "long.csv.gz"
    path.write_bytes(gzip.compress(b"smiles,note\n" + (b"C," + b"x" * 500 + b"\n") * 20))
    library = partition.Library(str(path), part_bytes=1, part_rows=8)
    parts = list(library.parts(partition.Shard()))
    assert [(part.start, part.stop) for part in parts] == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 20)]
    assert library.n_parts == 5
