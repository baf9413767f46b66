"""Failures at the command line: kills, full disks, existing files in the way."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from molvae.errors import StorageError
from molvae.latent.codec import MolVAE


def test_a_model_that_was_being_replaced_when_its_writer_died_is_found(molvae, tiny_checkpoint, tmp_path):
    run = tmp_path / "run"
    (run / "states").mkdir(parents=True)
    shutil.copytree(tiny_checkpoint, run / ".model.previous")
    found = molvae("info", run, "--json")
    assert found.code == 0, found.err
    shutil.move(run / "model", run / ".model.previous")
    drawn = molvae("sample", run, "-n", "3", "--device", "cpu", "-q")
    assert drawn.code == 0, drawn.err
    assert (run / "model" / "MANIFEST.json").is_file()


DECOYS = sorted(sys.stdlib_module_names | {"numpy", "loky", "molvae", "rdkit", "torch", "pydantic"})


def started(place, code, *words):
    """Run `code` in a directory whose modules must not be imported."""
    code = f"import sys; sys.path[0] = {str(Path(__file__).parents[2])!r}; {code}"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


MAIN = "from molvae.cli.main import main; main()"


@pytest.mark.parametrize("line", ["prepare mine.csv -o corpus --workers 2", "oracle check own.py:score"])
def test_what_lies_in_the_current_directory_is_not_imported(tmp_path, line):
    for name in DECOYS:
        (tmp_path / f"{name}.py").write_text(f"open('executed', 'a').write('{name} ')\n")
    (tmp_path / "mine.csv").write_text("smiles\nCCO\nCCN\nc1ccccc1\n" + "CCCO\n" * 900)
    (tmp_path / "own.py").write_text(
        "import random\ndef score(smiles):\n    return [random.Random(s).random() for s in smiles]\n"
    )
    done = started(tmp_path, MAIN, *line.split())
    assert not (tmp_path / "executed").exists(), (tmp_path / "executed").read_text()
    assert done.returncode == 0, done.stderr


def test_python_m_molvae_does_not_import_what_lies_here(tmp_path):
    (tmp_path / "random.py").write_text("open('executed', 'a').write('random ')\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "molvae", "oracles", "qed", "CCO"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert not (tmp_path / "executed").exists()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [["oracles", "qed", "CCO"], ["--help"], ["--version"], ["oracles", "--json"]]
)
@pytest.mark.parametrize(
    ("stdout", "said"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left")]
)
def test_an_output_that_takes_nothing_is_an_error_of_the_disk(tmp_path, words, stdout, said):
    shell = f'exec "$0" -P -c "$1" "${{@:2}}" {stdout}'
    code = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); {MAIN}"
    command = ["bash", "-c", shell, sys.executable, code, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert said in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_encoding_that_lacks_a_character_stops_nothing(tmp_path):
    (tmp_path / "mine.csv").write_text("smiles,name\nCCO,é→\n", encoding="utf-8")
    code = f"sys.stdout.reconfigure(encoding='ascii'); {MAIN}"
    done = started(tmp_path, code, "oracles", "qed", "mine.csv")
    assert "\\xe9\\u2192" in done.stdout, done.stderr


def test_a_full_disk_while_a_model_is_saved_keeps_the_old_one(tiny_checkpoint, tmp_path):
    model = MolVAE.load(tiny_checkpoint, device="cpu")
    model.save(tmp_path / "model")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(StorageError, match="model"):
            model.save(tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    MolVAE.load(tmp_path / "model", device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "corpus", "-o", "run", "--set", "threads=" + "1" + "0" * 20],
        ["train", "corpus", "-o", "run", "--set", "epochs=" + "9" * 5000],
        ["train", "corpus", "-o", "run", "--set", "epochs=" + "[" * 5000],
        ["sample", "model", "-n", "3", "--temperature", "1e999"],
        ["interpolate", "model", "CCO", "CCN", "--steps", "1" + "0" * 20],
        ["sample", "model", "-n", "3", "--threads", "1" + "0" * 20],
        ["screen", "mine.csv", "--checkpoint", "model", "-o", "s", "--workers", "2147483648"],
        ["prepare", "mine.csv", "-o", "corpus", "--workers", "1" + "0" * 20],
        ["prepare", "\udcff.csv", "-o", "corpus"],
    ],
    ids=lambda words: f"{words[0]} {words[-1][:15]!a}",
)
def test_absurd_settings_are_mistakes_of_the_user(
    molvae, tiny_checkpoint, little_corpus, monkeypatch, tmp_path, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(tiny_checkpoint)
    (tmp_path / "corpus").symlink_to(little_corpus)
    (tmp_path / "mine.csv").write_text("smiles\nCCO\n")
    done = molvae(*words)
    assert done.code == 2, done.err
    assert "bug" not in done.err
