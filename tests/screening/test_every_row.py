"""Predictions and vectors: the rows of the input in order, for any number of shards."""

from __future__ import annotations

import csv
import hashlib
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from molvae.chemistry.molecule import parse
from molvae.chemistry.standardize import standardize
from molvae.data.partition import Shard
from molvae.errors import UsageError
from molvae.latent.calibration import calibrate, likelihood
from molvae.latent.codec import MolVAE
from molvae.screening.config import ScreenSettings
from molvae.screening.domain import Calibrated
from molvae.screening.merging import merge
from molvae.screening.pipeline import screen

BAD = {3: ("no molecule", "x"), 7: ("C[Si](C)(C)C", "silicon"), 9: ("", "empty"), 15: ("CCO,too", "many")}


@pytest.fixture(scope="module")
def library(little_csv, tmp_path_factory):
    """Forty small molecules and four invalid rows, and the lines of these."""
    with little_csv.open(newline="") as file:
        rows = [row["smiles"] for row in csv.DictReader(file)][:240:6]
    lines = ["smiles,name", *(f"{text},m{number}" for number, text in enumerate(rows))]
    for place, (text, name) in BAD.items():
        lines.insert(place, f"{text},{name}")
    path = tmp_path_factory.mktemp("library") / "library.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def known_domain(tiny_model, little_csv, tmp_path_factory):
    """The tiny model, calibrated, on disk."""
    with little_csv.open(newline="") as file:
        molecules = [row["smiles"] for row in csv.DictReader(file)]
    path = tmp_path_factory.mktemp("calibrated") / "model"
    calibrate(tiny_model, molecules[::2], molecules[1::2], n_parents=10).save(path)
    return path


def settings(library, checkpoint, **changes):
    plain = {"library": str(library), "checkpoint": checkpoint, "every_row": True, "part_bytes": 200}
    return ScreenSettings.model_validate({**plain, **changes})


def test_every_row_is_kept_with_its_values_or_reason(library, known_domain, tiny_model, tmp_path):
    asked = settings(library, known_domain, descriptors=("mw",))
    for index in (1, 0):
        screen(asked, tmp_path / "s", shard=Shard(index, 2), workers=0, device="cpu")
    merged = merge([tmp_path / "s"])
    with (merged.path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = library.read_text().splitlines()
    assert [int(row["line"]) for row in rows] == list(range(2, len(lines) + 1))
    assert not (merged.path / "hits.csv").exists()
    for row in rows:
        text, _, name = lines[int(row["line"]) - 1].partition(",")
        if int(row["line"]) - 1 not in BAD:
            assert (row["input.smiles"], row["name"], row["reason"]) == (text, name, "")
            prediction = tiny_model.predict([text])
            assert float(row["predicted_weight"]) == pytest.approx(prediction.mean[0, 0], abs=1e-4)
            spread = math.sqrt(prediction.variance[0, 0])
            assert float(row["predicted_weight_sd"]) == pytest.approx(spread, abs=1e-4)
            assert 0 < float(row["domain_p_value"]) <= 1
            assert float(row["mw"]) > 10
    wrong = {int(row["line"]) - 1: row for row in rows if int(row["line"]) - 1 in BAD}
    assert all(row["reason"] for row in wrong.values())
    assert "unknown to the model" in wrong[7]["reason"]
    assert wrong[7]["smiles"] == "C[SiH](C)C" or wrong[7]["smiles"]  # a molecule, though a strange one
    assert (wrong[3]["smiles"], wrong[3]["predicted_weight"], wrong[3]["name"]) == ("", "", "x")


def test_vectors_are_lists_of_fixed_size_and_the_same_bytes_for_all_shards(
    library, tiny_checkpoint, tiny_model, tmp_path
):
    asked = settings(library, tiny_checkpoint, vectors=True, predict=False)
    digests = set()
    for count in (1, 3):
        place = tmp_path / f"s{count}"
        for index in range(count):
            screen(asked, place, shard=Shard(index, count), workers=0, device="cpu")
        written = merge([place]).path / "rows.parquet"
        digests.add(hashlib.sha256(written.read_bytes()).hexdigest())
    assert len(digests) == 1
    table = pq.read_table(written)
    assert str(table.schema.field("z").type).startswith("fixed_size_list<element: float")
    assert table.schema.field("z").type.list_size == tiny_model.latent_size
    given = [parse(text) if text else None for text in table.column("smiles").to_pylist()]
    for molecule, z, line in zip(
        given, table.column("z").to_pylist(), table.column("line").to_pylist(), strict=True
    ):
        assert (z is None) == (line - 1 in {3, 9, 15})
        if z is not None:
            np.testing.assert_allclose(z, tiny_model.posterior([molecule])[0][0], atol=1e-5)
    with pytest.raises(UsageError, match="vectors cannot be written"):
        merge([tmp_path / "s1"], suffix=".csv", output=tmp_path / "r")


def test_the_likelihood_of_encoded_molecules_is_the_same(tiny_model, library):
    molecules = [line.partition(",")[0] for line in library.read_text().splitlines()[1:]]
    plain = likelihood(tiny_model, molecules)
    saved = likelihood(tiny_model, molecules, encoded=tiny_model.posterior(molecules))
    for name in ("reconstruction", "kl", "n_tokens", "mu"):
        np.testing.assert_allclose(getattr(saved, name), getattr(plain, name), rtol=2e-4, atol=1e-5)


def test_a_molecule_without_precedent_is_dropped_and_its_rarest_place_named(library, known_domain, tmp_path):
    screen(settings(library, known_domain, domain=("precedent",)), tmp_path / "s", workers=0, device="cpu")
    with (merge([tmp_path / "s"]).path / "rows.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["smiles"]]
    known = MolVAE.load(known_domain).precedent
    covered = [known.covers(standardize(row["smiles"])) for row in rows]
    assert [not row["reason"].endswith(": in no training molecule") for row in rows] == covered
    assert {True, False} == set(covered)
    assert all(row["reason"].startswith(("bond ", "ring system ")) for row in rows if row["reason"])


def test_unusual_molecules_are_outside_the_domain(known_domain, little_csv):
    with little_csv.open(newline="") as file:
        usual = [row["smiles"] for row in csv.DictReader(file)][::9]
    molecules = [standardize(text) for text in [*usual, "OC(O)C(O)C(O)C(O)C(O)CO", "FC(F)(F)C(F)(F)F"]]
    model = MolVAE.load(known_domain, device="cpu")
    check, encoded = Calibrated(model), model.posterior(molecules)
    inside = check.scores(molecules, *encoded).inside().tolist()
    assert [not reason for reason in check.outside(molecules, *encoded)] == inside
    assert {True, False} == set(inside)


def test_precedent_requires_a_calibrated_model(library, tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    with pytest.raises(UsageError, match="molvae calibrate"):
        screen(settings(library, tmp_path / "model", domain=("precedent",)), tmp_path / "s", workers=0)
