"""Parts contain every row once, for any line ends, size of parts and number of shards."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from molvae.data.partition import Library, Shard
from molvae.data.readers import open_table
from molvae.errors import UsageError

LINES = st.lists(
    st.tuples(
        st.sampled_from(["CCO,a", "C,\xe9", "c1ccccc1,\u2028x", "", "  ", "C", "C,a,b", "\x00C,a", "N,'"]),
        st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\r\n"]),
    ),
    max_size=12,
)


def whole(path, column=None):
    return [(row.line, row.text) for row in open_table(path, smiles_column=column).raw_rows]


def of_parts(path, *, n_shards=1, part_bytes=7, part_rows=3, column=None):
    """(line, text) of every row, by part; lines counted over parts as a merge does."""
    parts = {}
    for index in range(n_shards):
        library = Library(str(path), smiles_column=column, part_bytes=part_bytes, part_rows=part_rows)
        for part in library.parts(Shard(index, n_shards)):
            rows = library.reader.rows(part)
            assert part.number not in parts
            parts[part.number] = ([(row.line, row.text) for row in rows], rows.n_lines)
        assert library.n_parts is not None
    assert sorted(parts) == list(range(library.n_parts))
    rows, before = [], 0
    for number in range(library.n_parts):
        rows += [(line + before, text) for line, text in parts[number][0]]
        before += parts[number][1]
    return rows, library.reader.kind


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["", "\ufeff"]), st.booleans(), st.integers(1, 40), st.integers(1, 5))
@example([("CCO,a", "\r\n")] * 5, "\ufeff", True, 1, 3)
def test_blocks_of_bytes_lose_and_double_nothing(tmp_path, lines, mark, header, part_bytes, n_shards):
    path = tmp_path / "some.csv"
    text = "".join(line + end for line, end in lines)
    path.write_bytes((mark + ("smiles,name\r\n" if header else "CC,first\n") + text).encode())
    rows, kind = of_parts(path, n_shards=n_shards, part_bytes=part_bytes, column="1")
    assert kind == "bytes"
    assert rows == whole(path, "1")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("words.smi", b'CCO "a b"\nC\n\n' + b"CC x\n" * 9, "bytes"),
        ("long.smi", b"CCO a\n" + b"C" * 3000 + b"\nCC b", "bytes"),
        ("quoted.csv", b'smiles,name\nCCO,"a\nb"\n' + b"CC,x\n" * 9, "stream"),
        ("utf16.csv", ("smiles,name\n" + "CC,x\n" * 9).encode("utf-16"), "stream"),
        ("packed.smi.gz", gzip.compress(b"CCO a\n" * 10, mtime=0), "stream"),
        ("broken.smi.gz", gzip.compress(b"CCO a\n" * 9999, compresslevel=0, mtime=0)[:30_000], "stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_read_is_cut_into_the_same_rows(tmp_path, name, content, kind):
    path = tmp_path / name
    path.write_bytes(content)
    for n_shards in (1, 4):
        rows, found = of_parts(path, n_shards=n_shards)
        assert (rows, found) == (whole(path), kind)


def test_parquet_is_cut_inside_its_row_groups(tmp_path):
    path = tmp_path / "grouped.parquet"
    table = pa.table({"smiles": ["C" * (n + 1) for n in range(20)], "n": list(range(20))})
    pq.write_table(table, path, row_group_size=7)
    for n_shards in (1, 3):
        rows, kind = of_parts(path, n_shards=n_shards)
        assert (kind, rows) == ("groups", [(n + 1, "C" * (n + 1)) for n in range(20)])


def test_shards_say_what_they_are():
    for count in (1, 2, 7):
        numbers = [n for index in range(count) for n in Shard(index, count).range(10)]
        assert numbers == list(range(10))
    for text in ("7/7", "1", "0/0", "-1/3", "a/b"):
        with pytest.raises(UsageError, match="i/N"):
            Shard.read(text)
