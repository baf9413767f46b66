"""What is reported about rows is safe to open in a spreadsheet."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.data.reports import SafeTable, safe_cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " ="])
def test_formulas_are_neutralized(start):
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")


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
