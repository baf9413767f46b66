"""Tables written by other programs: what is read, and which assumptions are reported."""

from __future__ import annotations

import gzip
import io
import sys

import pytest

from molvae.chemistry.molecule import is_valid, parse
from molvae.data.partition import Library, Shard
from molvae.data.readers import open_table
from molvae.data.records import BadRow
from molvae.errors import InputError
from tests.data.conftest import SD_BLOCK


def read(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = open_table(path, **options)
    return table, list(table.rows())


def names(rows):
    return [(row.text, row.identifier) for row in rows]


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "text", "note"),
        [
            ("cp1252", "Nom;SMILES;pIC50 (µM)\ncaféine;CCO;5\nthé “vert” €;CC;6\n", "Windows-1252"),
            ("cp1252", "name,smiles,mp (°C)\nx,CCO,5\ny,CC,6\n", "Windows-1252"),
            ("latin-1", "Name;SMILES;Löslichkeit\nSäure;CC(=O)O;5,1\nÄthanol;CCO;3\n", "Windows-1252"),
            ("cp932", "化合物名,SMILES,活性\nエタン,CCO,1\nベンゼン,c1ccccc1,2\n", "Shift JIS"),
            ("utf-16", "名称,SMILES,x\n乙醇,CCO,1\n苯,CC,2\n", "UTF-16"),
            ("utf-16-le", "Nom\tSMILES\tActivité\ncafé\tCCO\t5,1\nthé\tCC\t6\n", "UTF-16"),
            ("utf-8", "имя,SMILES,µM\nэтил,CCO,1\nЖЖ,CC,2\n", ""),
            ("utf-8-sig", "Nom;SMILES;pIC50 (µM)\ncaféine;CCO;5\nthé;CC;6\n", ""),
        ],
    )
    def test_names_survive_and_what_is_not_utf8_is_said(self, tmp_path, encoding, text, note):
        header, *lines = [line.replace("\t", ";").replace(",", ";").split(";") for line in text.splitlines()]
        for name, pack in (("a.csv", bytes), ("a.csv.gz", gzip.compress)):
            table, rows = read(tmp_path / name, pack(text.encode(encoding)), id_column="1")
            assert list(table.columns) == header
            assert [row.identifier for row in rows] == [cells[0] for cells in lines]
            assert note in table.note
            assert ("encoded" in table.note or "UTF-8" in table.note) == bool(note)

    def test_an_accent_deep_in_a_long_file_is_read_too(self, tmp_path):
        text = "smiles,name\n" + "CCO,plain\n" * 150_000 + "CC,caféine\n"
        _, rows = read(tmp_path / "a.csv", text.encode("cp1252"))
        assert rows[-1].identifier == "caféine"

    def test_one_pasted_row_does_not_change_how_the_others_are_read(self, tmp_path):
        content = "smiles,name\nCCO,β-form\n".encode() + "CC,5 µM\n".encode("cp1252")
        _, rows = read(tmp_path / "a.csv", content)
        assert [row.identifier for row in rows] == ["β-form", "5 µM"]

    @pytest.mark.parametrize("encoding", ["cp1252", "cp932", "utf-16", "utf-16-le"])
    def test_parts_of_a_library_are_read_as_the_whole(self, tmp_path, encoding):
        name = "エタン" if encoding == "cp932" else "caféine"
        path = tmp_path / "a.csv"
        _, rows = read(path, ("smiles,name\n" + f"CCO,{name}\n" * 30).encode(encoding))
        library = Library(str(path), part_bytes=40, part_rows=7)
        parts = [row for part in library.parts(Shard()) for row in library.reader.rows(part)]
        assert names(parts) == names(rows) == [("CCO", name)] * 30

    def test_sd_files_too(self, tmp_path):
        block = SD_BLOCK.format(title="caféine", fields="> <pIC50 (µM)>\n5,1 ± 2\n\n").encode("cp1252")
        table, rows = read(tmp_path / "a.sdf", block * 2)
        assert table.columns == ("pIC50 (µM)",)
        assert (rows[0].identifier, rows[0].fields["pIC50 (µM)"]) == ("caféine", "5,1 ± 2")
        assert "Windows-1252" in table.note


LATE = ">  25 <late one> (x)\n{}.5\n\n"


class TestSdFields:
    TEXT = "".join(
        SD_BLOCK.format(title=n, fields=f"> <a>\n{n}\n\n{LATE.format(n) if n > 120 else ''}")
        for n in range(130)
    )

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
    def test_those_of_late_records_are_columns(self, tmp_path, pack):
        path = tmp_path / "a.sdf"
        table, rows = read(path, pack(self.TEXT.encode()))
        assert table.columns == ("a", "late one")
        assert rows[-1].fields == {"a": "129", "late one": "129.5"}
        library = Library(str(path), part_bytes=1 << 20, part_rows=50)
        assert library.columns == ("a", "late one")

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
    def test_of_stdin_too(self, monkeypatch, pack):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(self.TEXT.encode()))))
        table = open_table("-", id_column="late one")
        rows = list(table.rows())
        assert table.columns == ("a", "late one")
        assert [len(rows), rows[-1].identifier] == [130, "129.5"]

    def test_a_stream_that_breaks_off_keeps_what_came(self, tmp_path, monkeypatch):
        packed = gzip.compress(self.TEXT.encode(), compresslevel=0)
        broken = packed[: len(packed) // 2]
        _, rows = read(tmp_path / "a.sdf.gz", broken)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(broken)))
        piped = list(open_table("-").rows())
        for found in (rows, piped):
            assert isinstance(found[-1], BadRow)
            assert "breaks off" in found[-1].reason
            assert len(found) > 30


class TestHeader:
    @pytest.mark.parametrize(
        ("text", "columns"),
        [
            ("C,-40.47\nCC,-33.1\nCCO,78.4\n", ("column1", None)),
            ("C,methane\nCC,ethane\nCCO,ethanol\n", ("column1", "column2")),
            ("methane;C\nethane;CC\n", ("column2", "column1")),
            ("MOL1,CCO,5.2\nMOL2,CC,5.1\n", ("column2", "column1")),
            ("c1ccccc,benzene,5.0\nCCO,ethanol,3.1\nCC,ethane,3\n", ("column1", "column2")),
            ("1,CCO\n2,CC\n", ("column2", "column1")),
            ("A-1,CCO,5.2\nA-2,CC,\nA-3,CCC,n.d.\n", ("column2", "column1")),
            ("C,-40.47\nCC,\n", ("column1", None)),
            ("O\t1.5\nN\t2.5\n", ("column1", None)),
        ],
    )
    def test_a_row_that_holds_a_molecule_or_a_number_is_none(self, tmp_path, text, columns):
        for name in ("a.csv", "a.txt"):
            table, rows = read(tmp_path / name, text)
            assert len(rows) == text.count("\n")
            assert (table.smiles_column, table.id_column) == columns
            assert "no header" in table.note

    @pytest.mark.parametrize(
        "text",
        [
            "C,N,structure\n1,2,CCO\n3,4,CC\n",
            "cmpd,Parent SMILES,24,48\nx,CCO,1,2\n",
            "F,what\nhigh,CCO\nlow,CC\n",
            "Compound ID,drawn,24,48\nx,CCO,1,2\n",
        ],
    )
    def test_odd_names_of_columns_are_still_a_header(self, tmp_path, text):
        table, _ = read(tmp_path / "a.csv", text)
        assert list(table.columns) == text.split("\n")[0].split(",")
        assert "no header" not in table.note

    def test_columns_given_by_number_are_no_header(self, tmp_path):
        _, rows = read(tmp_path / "a.csv", "1,CCO,2\n2,CC,3\n", smiles_column="2", id_column="1")
        assert len(rows) == 2
        assert names(rows) == [("CCO", "1"), ("CC", "2")]


class TestColumnOfMolecules:
    @pytest.mark.parametrize(
        ("text", "smiles", "identifier"),
        [
            ("mol,Ligand SMILES,pKi\nMOL0001,CCO,5\nMOL0002,CC,6\n", "Ligand SMILES", "mol"),
            ("structure,compound\n12.mol,CCO\n13.mol,CCN\n", "compound", None),
            ("SMILES,drawn\n,CCO\n-,CCN\n", "drawn", None),
            ("mol,thing,x\nA1,CCO,a\nA2,CC,b\nA3,broken,c\n", "thing", "mol"),
            ("product,canonical_smiles,Name\nCC,CCO,a\nCC,CCN,b\n", "canonical_smiles", "Name"),
            ("rxn_smiles,smiles\nCC,CCO\nCC,CCN\n", "smiles", None),
            ("smiles,note\nbroken(,CCO\nCCO,x\nCCX,y\n", "smiles", None),
        ],
    )
    def test_content_decides_and_then_the_name(self, tmp_path, text, smiles, identifier):
        table, _ = read(tmp_path / "a.csv", text)
        assert (table.smiles_column, table.id_column) == (smiles, identifier)

    def test_the_note_says_why(self, tmp_path):
        table, _ = read(tmp_path / "a.csv", "mol,Ligand SMILES\nMOL1,CCO\n")
        assert "'mol' holds no molecules" in table.note
        with pytest.raises(InputError, match="no column looks like SMILES"):
            read(tmp_path / "b.csv", "a,b\nx,y\nu,v\n")


ENHANCED = "C[C@H](O)F |&1:1,r|"


class TestCxsmiles:
    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("a.smi", "CCO |(1,2,;3,4,;5,6,),$a;;b c$| two words\nCC ethane\n", ["two words", "ethane"]),
            ("a.cxsmiles", "CCO |c:1|\tone\nCC\ttwo\n", ["one", "two"]),
            ("a.cxsmiles", "smiles\tid\tMW\nCCO |&1:0|\tone\t46\nCC\ttwo\t30\n", ["one", "two"]),
            ("a.csv", "smiles,name,x\nCCO |&1:0,o2:1|,one,1\nCC,two,2\n", ["one", "two"]),
            ("a.csv", 'smiles,name,x\n"CCO |&1:0,o2:1|","one",1\nCC |$a,b;c$|,"two",2\n', ["one", "two"]),
            ("a.csv", "smiles\nCCO |c:1,2| one\nCC |a:0| two\n", ["one", "two"]),
            ("a.csv", "name;smiles;x\none;CCO |$a;b;c$|;1,5\ntwo;CC;2,5\n", ["one", "two"]),
            ("a.txt", "CCO |(1,2,;3,4,;5,6,)| one\nCC two\n", ["one", "two"]),
        ],
    )
    def test_the_extension_is_ignored_and_the_name_is_the_name(self, tmp_path, name, text, expected):
        _, rows = read(tmp_path / name, text)
        assert [row.identifier for row in rows] == expected
        assert [parse(row.text).smiles for row in rows] == ["CCO", "CC"]

    def test_of_stdin(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"CCO |c:1,2| one\nCC |r| two\n")))
        assert names(open_table("-").rows()) == [("CCO |c:1,2|", "one"), ("CC |r|", "two")]

    @pytest.mark.parametrize("name", ["a.smi", "a.csv", "a.cxsmiles"])
    def test_enhanced_stereo_is_said(self, tmp_path, name):
        text = f"smiles\n{ENHANCED}\n" if name == "a.csv" else f"{ENHANCED} name\n"
        table, rows = read(tmp_path / name, text)
        assert "enhanced stereo" in table.note
        assert parse(rows[0].text).smiles == "C[C@H](O)F"
        table, _ = read(tmp_path / name, text.replace("&1:1,", ""))
        assert "enhanced stereo" not in table.note

    def test_bars_in_plain_text_are_no_extension(self, tmp_path):
        _, rows = read(tmp_path / "a.csv", "smiles,note,x\nCCO,a |b,c| d\nCC,a | b,2\n")
        assert [row.fields["x"] for row in rows] == ["c| d", "2"]

    @pytest.mark.parametrize("text", ["*CC* |Sg:n:1,2::ht|", "CC |^1:0|", "CO |m:0:1.2|", "C1CC1 |LN:0:1.3|"])
    def test_what_makes_another_structure_is_refused(self, text):
        molecule = parse(text)
        assert not is_valid(molecule)
        assert "CXSMILES extension" in molecule.reason


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "CCO;5,1;7,3;1,2\nCC;6,2;7;3\n", ["5.1", "7.3", "1.2"]),
        ("a.txt", "SMILES;x;y;z\nCCO;5,1;> 7,3;1,2\n", ["5.1", "> 7.3", "1.2"]),
        ("a.tsv", "SMILES\tx\ty\tz\nCCO\t5,1\t7\tn.d.\nCC\t4,1\t7\t-,5\n", ["5.1", "7", "n.d."]),
        ("a.csv", "SMILES;x;site;z\nCCO;5,1;1,2;7\nCC;4;2,3-diol;1\nCCC;4;ortho;1\nCO;;3,4;5\n", None),
    ],
)
def test_decimal_commas_are_read_where_a_column_holds_numbers(tmp_path, name, text, expected):
    table, rows = read(tmp_path / name, text)
    assert "numbers have a decimal comma" in table.note
    if expected is None:
        assert rows[-1].fields["site"] == "3,4", "a column of text is left as it is"
    else:
        assert list(rows[0].fields.values())[1:] == expected
