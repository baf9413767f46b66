from __future__ import annotations

import csv
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import canonical, parse

ROOT = Path(__file__).resolve().parents[2]
PACKED = (ROOT / "datasets" / "starter.csv.gz").read_bytes()
ROWS = list(csv.DictReader(gzip.decompress(PACKED).decode().splitlines()))
README = (ROOT / "datasets" / "README.md").read_text()
SAMPLE = ROWS[::67]


@pytest.fixture(scope="module")
def script():
    folder = str(ROOT / "scripts" / "datasets")
    sys.path.insert(0, folder)
    try:
        import enumerate_starter

        yield enumerate_starter
    finally:
        sys.path.remove(folder)


def test_the_readme_knows_the_file():
    assert f"rows: {len(ROWS)}" in README
    assert hashlib.sha256(PACKED).hexdigest() in README
    assert hashlib.sha256(gzip.decompress(PACKED)).hexdigest() in README


def test_the_file_bears_no_date():
    assert PACKED[4:8] == b"\0\0\0\0"


def test_rows_are_unique_canonical_and_many():
    assert 9_500 <= len(ROWS) <= 10_500
    assert len({row["smiles"] for row in ROWS}) == len(ROWS)
    assert len({row["identifier"] for row in ROWS}) == len(ROWS)
    assert all(canonical(row["smiles"]) == row["smiles"] for row in SAMPLE)


def test_molecules_are_drug_like():
    values = describe_smiles([row["smiles"] for row in SAMPLE], ["mw", "logp", "qed"])
    assert (values[:, 0] >= 180).all()
    assert (values[:, 0] <= 500).all()
    assert (values[:, 1] >= -1).all()
    assert (values[:, 1] <= 5.5).all()
    assert np.ptp(values[:, 2]) > 0.4
    assert not any(filter_reasons(parse(row["smiles"]), ["pains"]) for row in SAMPLE)


def test_every_identifier_is_a_recipe_of_its_molecule(script):
    routes = {route.name: route for route in script.ROUTES}
    assert {row["reaction"] for row in ROWS} == set(routes)
    for row in SAMPLE:
        name, *places = row["identifier"].split("-")
        assert name == row["reaction"]
        made = script.make(routes[name], [int(place) - 1 for place in places])
        assert made is not None
        assert made.smiles == row["smiles"]


def test_a_small_set_is_the_same_every_time_and_spread_over_routes(script, monkeypatch):
    monkeypatch.setattr(script, "ROUTES", script.ROUTES[3:24:5])
    first = script.enumerate_starter(wanted=15, most=4)
    again = script.enumerate_starter(wanted=15, most=4)
    assert script.table(first) == script.table(again)
    assert len(first) == 15
    assert len({entry.route for entry in first}) == len(script.ROUTES) == 5


def test_shares_are_even_where_they_can_be(script):
    assert script.shares([10, 2, 10], 12) == [5, 2, 5]
    assert script.shares([1, 1], 5) == [1, 1]


def test_every_building_block_is_a_molecule(script):
    from routes import BLOCKS

    assert sum(len(blocks) for blocks in BLOCKS.values()) > 150
    assert all(script._block(smiles).GetNumAtoms() for blocks in BLOCKS.values() for smiles in blocks)
