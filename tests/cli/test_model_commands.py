from __future__ import annotations

import csv
import gzip
import io
import json

import numpy as np
import pytest

from molvae.latent.codec import MolVAE


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text(
        "smiles,name\nCCc1ccc(C)cc1,good\nC C,gap\n=1+1,=cmd()\n,empty\nOc1ccccc1.[Na+].[Cl-],salt\n"
    )
    return path


def test_prepare_says_the_balance_and_writes_the_corpus(molvae, tmp_path, little_csv):
    done = molvae(
        "prepare", little_csv, "-o", tmp_path / "c", "--labels", "weight", "--workers", 0, "--seed", 3
    )
    assert done.code == 0
    assert "660 in = 642 kept + 18 duplicates + 0 rejected" in done.out
    assert "SMILES from column 'smiles'" in done.err
    told = json.loads(molvae("info", tmp_path / "c", "--json").out)
    assert (told["kind"], told["molecules"]) == ("corpus", 642)
    again = molvae(
        "prepare", "--config", tmp_path / "c" / "settings.toml", "-o", tmp_path / "d", "-q", "--json"
    )
    assert (json.loads(again.out)["kept"], again.err) == (642, "")


def test_prepare_says_how_many_molecules_are_not_as_they_were_written(molvae, tmp_path):
    table = tmp_path / "salts.csv"
    table.write_text("smiles,y\nCC[O-].[Na+],1\nCCC,2\nCCCC,2\n", encoding="utf-8")
    alone = molvae("prepare", table, "-o", tmp_path / "c", "--workers", 0)
    assert "changed     1 by standardization (main fragment 1, charges 1)\n" in alone.out
    labelled = molvae("prepare", table, "-o", tmp_path / "d", "--labels", "y", "--workers", 0)
    assert (
        "1 by standardization (main fragment 1, charges 1); their labels are those of the original form"
        in labelled.out
    )


def test_lists_on_the_command_line_are_comma_separated_and_repeatable(molvae, tmp_path, little_csv):
    out = tmp_path / "c"
    assert (
        molvae(
            "prepare",
            little_csv,
            "-o",
            out,
            "--descriptors",
            "mw, hba",
            "--descriptors",
            "hbd",
            "--workers",
            0,
        ).code
        == 0
    )
    assert set(json.loads(molvae("info", out, "--json").out)["values_known"]) == {"mw", "hba", "hbd"}


def test_train_resumes_stops_and_draws(molvae, tmp_path, little_corpus):
    small = ["--batch-size", 64, "--latent-size", 8, "--threads", 1, "--set", "model.encoder_hidden=8"]
    small += ["--set", "model.decoder_hidden=8", "--set", "n_validation=8", "--set", "model.embedding_size=8"]
    run = tmp_path / "run"
    done = molvae("train", little_corpus, "-o", run, "--epochs", 2, *small, "--max-minutes", 1e-9)
    assert done.code == 75
    assert "the same command resumes" in done.err.lower()
    done = molvae("train", little_corpus, "-o", run, "--resume", "--json")
    told = json.loads(done.out)
    assert (done.code, told["epochs"]) == (0, 2)
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "resuming" in done.err
    done = molvae("train", little_corpus, "-o", run, "--epochs", 5, *small)
    assert done.code == 2, "other settings in the same directory are refused"
    done = molvae("train", little_corpus, "-o", tmp_path / "other", "--resume")
    assert (done.code, "no run to resume" in done.err) == (3, True)
    status = json.loads(molvae("status", run, "--picture", tmp_path / "now.svg", "--json").out)
    assert (status["epochs_done"], status["epochs_wanted"]) == (2, 2)
    assert (tmp_path / "now.svg").read_text().lstrip().startswith("<?xml")
    assert json.loads(molvae("info", run, "--json").out)["latent_size"] == 8


def test_sample_is_the_same_as_in_python(molvae, tiny_checkpoint, tiny_model):
    done = molvae("sample", tiny_checkpoint, "-n", 20, "--seed", 5, "--describe", "qed,mw", "--predict")
    rows = rows_of(done.out)
    expected = tiny_model.sample(20, seed=5)
    assert [row["smiles"] for row in rows] == [getattr(item, "smiles", "") for item in expected]
    assert [row["reason"] for row in rows] == [getattr(item, "reason", "") for item in expected]
    assert all(bool(row["qed"]) == bool(row["smiles"]) == bool(row["predicted_logp_sd"]) for row in rows)
    assert "20 draws" in done.err


def test_sample_unique_gives_as_many_as_asked_for(molvae, tiny_checkpoint, tmp_path):
    done = molvae(
        "sample", tiny_checkpoint.parent, "-n", 60, "--unique", "-o", tmp_path / "new.smi", "--json"
    )
    lines = (tmp_path / "new.smi").read_text().split("\n")
    assert len({line.split("\t")[0] for line in lines if line}) == 60
    assert json.loads(done.out)["output"] == str(tmp_path / "new.smi")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".jsonl"])
def test_encode_keeps_every_row_and_decode_reads_it_back(
    molvae, tiny_checkpoint, tiny_model, mixed, tmp_path, suffix
):
    table = tmp_path / f"z{suffix}"
    done = molvae("encode", tiny_checkpoint, mixed, "CCO", "-o", table, "--predict")
    assert (done.code, done.out) == (0, "")
    assert "rows, " in done.err
    if suffix == ".jsonl":
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        vector = [rows[0][f"z{i}"] for i in range(tiny_model.latent_size)]
        assert np.allclose(vector, tiny_model.encode(["CCc1ccc(C)cc1"])[0], atol=1e-5)
        return
    back = rows_of(molvae("decode", tiny_checkpoint, table).out)
    assert len(back) == 5 + (suffix != "")
    assert [bool(row["smiles"]) for row in back][:4] == [True, False, False, False]
    assert all(row["reason"] for row in back if not row["smiles"])
    if suffix == ".csv":
        rows = rows_of(table.read_text())
        assert rows[1]["reason"]
        assert (rows[2]["input"], rows[2]["identifier"]) == ("'=1+1", "'=cmd()"), (
            "no formulas for spreadsheets"
        )
        assert rows[4]["smiles"] == "Oc1ccccc1", "salts are stripped as in training"


def test_encode_takes_smiles_as_they_are(molvae, tiny_checkpoint, tiny_model):
    done = molvae("encode", tiny_checkpoint, "CCO", "C/C=C/C", "no molecule")
    rows = rows_of(done.out)
    assert [row["input"] for row in rows] == ["CCO", "C/C=C/C", "no molecule"]
    assert [bool(row["z0"]) for row in rows] == [True, True, False]
    sampled = rows_of(molvae("encode", tiny_checkpoint, "CCO", "--seed", 0).out)
    assert float(sampled[0]["z0"]) != float(rows[0]["z0"]), "seed 0 is a seed"
    assert float(sampled[0]["z0"]) == pytest.approx(tiny_model.encode(["CCO"], seed=0)[0, 0], abs=1e-5)
    alone = rows_of(molvae("encode", tiny_checkpoint, "CCO", "--inference-steps", 0).out)
    assert float(alone[0]["z0"]) == pytest.approx(tiny_model.posterior(["CCO"])[0][0, 0], abs=1e-5)
    assert float(alone[0]["z0"]) != float(rows[0]["z0"])


def test_decode_of_a_molecule_is_its_reconstruction(molvae, tiny_checkpoint, tiny_model):
    rows = rows_of(molvae("decode", tiny_checkpoint, "CCc1ccc(C)cc1", "nonsense", "--describe", "mw").out)
    assert rows[0]["smiles"] == getattr(tiny_model.reconstruct(["CCc1ccc(C)cc1"])[0], "smiles", "")
    assert (rows[1]["smiles"], rows[1]["mw"]) == ("", "")
    assert rows[1]["reason"]
    assert [row["identifier"] for row in rows] == ["1", "2"]


def test_decode_refuses_vectors_of_another_model(molvae, tiny_checkpoint, tmp_path):
    table = tmp_path / "z.csv"
    table.write_text("identifier,z0,z1\na,0.5,0.5\n")
    done = molvae("decode", tiny_checkpoint, table)
    assert done.code == 3
    assert "has 2 columns z0, z1" in done.err


def test_sdf_names_and_properties(molvae, tiny_checkpoint, tmp_path):
    target = tmp_path / "out.sdf"
    done = molvae("sample", tiny_checkpoint, "-n", 10, "-o", target, "--describe", "mw")
    text = target.read_text()
    valid = text.count("$$$$")
    assert ">  <mw>" in text
    assert "s000" in text.splitlines()[0]
    assert valid == 10 or f"{10 - valid} rows without a valid molecule" in done.err


def test_a_damaged_checkpoint_is_refused(molvae, tiny_checkpoint, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny_checkpoint.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    weights = copy / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(bytes(data))
    done = molvae("sample", copy, "-n", 1)
    assert (done.code, done.out) == (5, "")
    assert "weights.safetensors is damaged" in done.err


def test_fetch_lists_and_uses_a_mirror(molvae, tmp_path, monkeypatch):
    listed = molvae("fetch")
    assert all(name in listed.out for name in ("zinc250k", "moses", "qm9", "starter"))
    mirror = tmp_path / "mirror" / "qm9"
    mirror.mkdir(parents=True)
    (mirror / "qm9.csv.gz").write_bytes(gzip.compress(b"smiles\nC\n"))
    monkeypatch.setenv("MOLVAE_DATA", str(mirror.parent))
    done = molvae("fetch", "qm9", "-o", tmp_path / "data")
    assert done.code == 3, "a file that is not the published one is refused"
    assert "sha256" in done.err


def test_the_shown_seed_is_the_one_of_python(molvae, tiny_checkpoint):
    first = molvae("sample", tiny_checkpoint, "-n", 5).out
    assert first == molvae("sample", tiny_checkpoint, "-n", 5, "--seed", 0).out
    assert [row["smiles"] for row in rows_of(first)] == [
        getattr(item, "smiles", "") for item in MolVAE.load(tiny_checkpoint).sample(5)
    ]


def test_domain_names_the_rarest_place_and_sample_counts_precedent(molvae, tmp_path):
    rows = rows_of(molvae("domain", "zinc250k", "CC(=O)Nc1ccc(O)cc1", "CCOOC(=O)Cl", "no molecule").out)
    assert int(rows[0]["seen"]) > 100
    assert (rows[1]["seen"], rows[1]["weakest"]) == ("0", "bond O-O at atoms 2, 3")
    assert (rows[2]["seen"], rows[2]["weakest"]) == ("", "")
    drawn = json.loads(molvae("sample", "zinc250k", "-n", 40, "--json", "-o", tmp_path / "s.csv").out)
    assert 20 <= drawn["with_precedent"] <= drawn["different_valid_molecules"]
