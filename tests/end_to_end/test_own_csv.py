"""A messy table through the whole workflow, from prepare to optimize; every row is accounted for."""

from __future__ import annotations

import csv
import json
import random
from itertools import product

import pytest

from molvae.cli.main import run

HEADS = ("C", "CC", "CCC", "N", "O", "F", "Cl", "CO", "N#C")
CORES = ("c1ccc({})cc1", "C1CCC({})CC1", "c1ccnc({})c1", "C(=O)N{}", "c1ccc({})s1")
TAILS = ("C", "CC", "C(C)C", "CO", "CCO", "CCN", "CCCl")


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """Eight kinds of rows, semicolons, a byte-order mark, Windows line ends, an unusual header."""
    good = [head + core.format(tail) for head, core, tail in product(HEADS, CORES, TAILS)]
    rows = [(smiles, f"m{i}", f"{i / 10}") for i, smiles in enumerate(good)]
    rows += [(f"{smiles}.[Na+].[Cl-]", f"salt{i}", "1.0") for i, smiles in enumerate(good[:10])]
    rows += [(smiles, f"again{i}", "2.0") for i, smiles in enumerate(good[10:25])]
    rows += [
        (text, "bad", "3")
        for text in ("C1CC", "not a molecule", "c1cc", "C(C)(C)(C)(C)C", "Xx", "C C", "é", "")
    ]
    rows += [(good[0], "=cmd|' /C calc'!A0", "n.d."), ("C" * 2000, "long", ""), ("CCO\x00", "nul", "1")]
    random.Random(0).shuffle(rows)
    path = tmp_path_factory.mktemp("own") / "compounds.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(["Batch", "Structure (SMILES)", "Compound Name", "pIC50 [uM]", "remark"])
        for number, (smiles, name, value) in enumerate(rows):
            writer.writerow([number, smiles, name, value, 'fine; "really"' if number % 7 == 0 else ""])
        file.write("too;few\r\n")
    return path, len(rows) + 1


def call(capsys, *argv):
    capsys.readouterr()
    code = run([str(part) for part in argv])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured


def test_the_whole_way(messy, tmp_path, capsys):
    path, n_rows = messy
    corpus, directory = tmp_path / "corpus", tmp_path / "run"
    columns = ["--smiles-column", "Structure (SMILES)", "--id-column", "Compound Name"]
    argv = [
        "prepare",
        path,
        "-o",
        corpus,
        *columns,
        "--labels",
        "pIC50 [uM]",
        "--descriptors",
        "logp",
        "--workers",
        0,
    ]
    told = json.loads(call(capsys, *argv, "--json").out)
    assert told["rows"] == n_rows == told["kept"] + told["duplicates"] + told["rejected"]
    with (corpus / "rejected.csv").open(newline="", encoding="utf-8") as file:
        rejected = list(csv.reader(file))[1:]
    assert len(rejected) == told["rejected"] >= 9
    assert all(any(row) for row in rejected)
    assert told["duplicates"] >= 25, "salts and repeats are the molecules they hold"
    assert told["unreadable"] == {"pIC50 [uM]": 1} or told["unreadable"] == {}

    small = ["--latent-size", 12, "--batch-size", 32, "--learning-rate", 0.01, "--threads", 1]
    small += [
        "--set",
        "model.encoder_hidden=32",
        "--set",
        "model.decoder_hidden=64",
        "--set",
        "n_validation=16",
    ]
    small += ["--set", "beta_warmup_steps=50", "--set", "kl_target=12"]
    call(capsys, "train", corpus, "-o", directory, "--epochs", 8, *small, "--json")

    rows = list(csv.DictReader(call(capsys, "sample", directory, "-n", 30).out.splitlines()))
    assert len(rows) == 30
    assert all(bool(row["smiles"]) != bool(row["reason"]) for row in rows)

    encoded = call(capsys, "encode", directory, path, *columns, "-o", tmp_path / "z.csv", "--json")
    assert json.loads(encoded.out)["rows"] == n_rows

    quick = ["--set", "n_initial=8", "--effort", "0.06"]
    search = ["optimize", directory, "--maximize", "qed", "--start", path, *columns, "--budget", 14, "-q", 3]
    found = json.loads(call(capsys, *search, "-o", tmp_path / "found", *quick, "--json").out)
    assert found["calls"] == 14
    assert found["best"][0]["qed"] > 0
