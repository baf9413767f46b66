"""`molvae impute`: a filled table, with metrics, a ranking and a plate."""

from __future__ import annotations

import csv
import json

import pytest

from molvae.latent.panel import AssayPanel
from tests.conftest import little_smiles


@pytest.fixture(scope="module")
def assays(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("impute") / "assays.csv"
    rows = [["smiles", "name", "length", "short"]]
    molecules = dict.fromkeys(item.smiles for item in tiny_model.prepare(little_smiles()[::6]))
    for number, smiles in enumerate(molecules):
        row = [smiles, f"m{number}", len(smiles) + number % 3, int(len(smiles) < 14)]
        rows.append([*row[:2], *("" if number % 3 == gap else cell for gap, cell in enumerate(row[2:]))])
    rows.append(["C1CC", "broken", 5, ""])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_filled_table_a_ranking_and_a_plate(assays, molvae, tiny_checkpoint, tmp_path):
    place = tmp_path / "filled"
    words = ("impute", assays, "--checkpoint", tiny_checkpoint, "-o", place, "--device", "cpu")
    done = molvae(*words, "--rank", "length", "--lowest", "--top", "5", "--next", "4", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    given, filled, figures, ranked, following = (
        list(csv.DictReader(path.open()))
        for path in (assays, *(place / f"{n}.csv" for n in ("imputed", "assays", "ranking", "next")))
    )
    assert [row["smiles"] for row in filled] == [row["smiles"] for row in given]
    for before, after in zip(given[:-1], filled[:-1], strict=True):
        assert after["id"] == before["name"]
        for assay in ("length", "short"):
            assert bool(after[f"{assay}_sd"]) != bool(before[assay])
            if before[assay]:
                assert float(after[assay]) == float(before[assay])
    assert filled[-1]["length"] == ""
    assert [row["name"] for row in figures] == [row["name"] for row in told["assays"]] == ["length", "short"]
    assert float(figures[0]["r2"]) > 0.3
    empty = {row["smiles"] for row in given if not row["length"]}
    assert len(ranked) == 5
    assert {row["smiles"] for row in (*ranked, *following)} <= empty
    predicted = [float(row["predicted"]) for row in ranked]
    assert predicted == sorted(predicted)
    assert len(following) == 4
    assert AssayPanel.load(place / "panel", device="cpu").names_ == ("length", "short")


def test_wrong_names_are_told(assays, molvae, tiny_checkpoint, tmp_path):
    words = ("impute", assays, "--checkpoint", tiny_checkpoint, "-o", tmp_path / "x")
    done = molvae(*words, "--rank", "lenght")
    assert (done.code, "did you mean 'length'" in done.err) == (2, True)
    assert not (tmp_path / "x").exists()
    done = molvae("impute", tmp_path / "none.csv", "-o", tmp_path / "x")
    assert done.code == 3
