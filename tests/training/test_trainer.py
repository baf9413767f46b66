"""An interrupted run continues with the same result; mismatched settings are rejected."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from molvae.config import to_toml
from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.errors import CheckpointError, ConfigError, InputError, LockedError, StoppedEarly
from molvae.latent.codec import MolVAE
from molvae.persistence.files import directory_lock
from molvae.progress import read_events
from molvae.training import trainer
from molvae.training.config import PriorSettings, TrainSettings
from molvae.training.prior_fitting import fit_prior
from molvae.training.states import claim, saved_states
from molvae.training.trainer import train

SETTINGS = TrainSettings.model_validate(
    {
        "model": {
            "latent_size": 8,
            "embedding_size": 8,
            "encoder_hidden": 16,
            "decoder_hidden": 24,
            "head_hidden": 8,
            "token_dropout": 0.2,
            "noise_levels": True,
        },
        "prior": {"name": "flow", "flow": {"steps": 5}},
        "epochs": 2,
        "batch_size": 48,
        "beta_warmup_steps": 4,
        "checkpoint_every": 4,
        "n_validation": 12,
        "threads": 1,
        "device": "cpu",
    }
)
CHILD = """
import sys
from pathlib import Path
from molvae.config import load_settings
from molvae.training.config import TrainSettings
from molvae.training.trainer import train
corpus, run, settings = map(Path, sys.argv[1:])
print("begin", flush=True)
train(corpus, run, load_settings(TrainSettings, settings))
"""


def _figures(run):
    events = read_events(run / "metrics.jsonl")
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


def _bytes(run):
    files = [run / "model" / "weights.safetensors", run / "model" / "prior.safetensors"]
    files += sorted(saved_states(run / "states")[-1].glob("*.safetensors"))
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.fixture(scope="module")
def uninterrupted(little_corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    train(little_corpus, run, SETTINGS)
    return run


def test_the_run_directory_holds_what_a_reader_looks_for(uninterrupted):
    assert (uninterrupted / "settings.toml").read_text() == to_toml(SETTINGS)
    events = _figures(uninterrupted)
    assert [event["epoch"] for event in events] == [1, 2]
    expected = {
        "reconstruction",
        "free",
        "kl",
        "exact_reconstruction",
        "active_units",
        "normal_validity",
        "mae_qed",
    }
    assert expected <= events[0]["valid"].keys()
    assert len(saved_states(uninterrupted / "states")) == 2
    assert MolVAE.load(uninterrupted / "model", device="cpu").property_names == ("weight", "qed", "logp")


@pytest.mark.parametrize("steps", [1, 5, 13, 20])
def test_a_stopped_run_resumes_bit_for_bit(little_corpus, tmp_path, uninterrupted, steps):
    asked = iter(range(1, steps + 1))
    with pytest.raises(StoppedEarly, match=f"after step {steps}"):
        train(little_corpus, tmp_path / "run", SETTINGS, should_stop=lambda: next(asked) == steps)
    train(little_corpus, tmp_path / "run", SETTINGS)
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted)
    assert _figures(tmp_path / "run") == _figures(uninterrupted)


def test_a_run_stopped_while_its_prior_is_fitted_resumes_bit_for_bit(little_corpus, tmp_path, uninterrupted):
    last = _figures(uninterrupted)[-1]["step"] + 3
    asked = iter(range(1, last + 1))
    with pytest.raises(StoppedEarly, match="after step 3 of the prior's fit"):
        train(little_corpus, tmp_path / "run", SETTINGS, should_stop=lambda: next(asked) == last)
    assert MolVAE.load(tmp_path / "run" / "model", device="cpu").prior.name == "normal"
    train(little_corpus, tmp_path / "run", SETTINGS)
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted)
    assert not (tmp_path / "run" / "prior-states").exists()


def test_parts_of_a_pass_are_epochs_and_leave_no_molecule_out(little_corpus, tmp_path, monkeypatch):
    read = []

    def collate(corpus, rows, **given):
        read.append(rows)
        return real(corpus, rows, **given)

    real = trainer.collate
    monkeypatch.setattr(trainer, "collate", collate)
    n = len(Corpus.open(little_corpus).rows("train"))
    parts = {"epoch_size": n // 2, "batch_size": 8, "prior": {}, "epochs": 4}
    train(little_corpus, tmp_path / "run", TrainSettings(**(SETTINGS.model_dump() | parts)))
    passes = read[: len(read) // 2], read[len(read) // 2 :]
    orders = [[int(row) for batch in batches for row in batch] for batches in passes]
    for rows in orders:
        assert len(set(rows)) == len(rows) > n - 2 * 8
    assert orders[0] != orders[1]
    assert [event["epoch"] for event in _figures(tmp_path / "run")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "still",
    [
        pytest.param({"learning_rate": 1e-12}, id="no step"),
        pytest.param({"property_weight": 0.0, "frozen": ["encoder", "decoder"]}, id="nothing to learn"),
    ],
)
def test_training_starts_from_a_checkpoint(little_corpus, tmp_path, uninterrupted, still):
    start = uninterrupted / "model"
    still = {"initial": start, "epochs": 1, **still}
    train(little_corpus, tmp_path / "run", TrainSettings(**(SETTINGS.model_dump() | still)))
    before, after = (MolVAE.load(path, device="cpu") for path in (start, tmp_path / "run" / "model"))
    assert after.settings.model == before.settings.model
    assert after.settings.facts["initial"] == "model"
    for name, weight in before.network.state_dict().items():
        torch.testing.assert_close(after.network.state_dict()[name], weight, rtol=0, atol=1e-6)


def test_gradients_are_cut_to_a_norm(little_corpus, tmp_path, uninterrupted, monkeypatch):
    monkeypatch.setattr(trainer, "_LARGEST_GRADIENT", 1e-14)  # far below the epsilon of Adam: no step
    monkeypatch.setattr(trainer, "_WEIGHT_DECAY", 0.0)
    given = {"initial": uninterrupted / "model", "epochs": 1}
    train(little_corpus, tmp_path / "run", TrainSettings(**(SETTINGS.model_dump() | given)))
    old = load_file(uninterrupted / "model" / "weights.safetensors")
    new = load_file(saved_states(tmp_path / "run" / "states")[-1] / "weights.safetensors")
    for name, weight in old.items():
        torch.testing.assert_close(new[name], weight, rtol=0, atol=1e-6)


def test_a_run_of_an_earlier_version_resumes_unless_its_retired_settings_differ(
    little_corpus, tmp_path, uninterrupted
):
    shutil.copytree(uninterrupted, tmp_path / "run")
    written, corpus = tmp_path / "run" / "settings.toml", Corpus.open(little_corpus)
    written.write_text("warmup_steps = 300\n" + written.read_text())
    claim(tmp_path / "run", SETTINGS, corpus)
    written.write_text(written.read_text().replace("300", "20"))
    with pytest.raises(ConfigError, match="warmup_steps was 20, now 300"):
        claim(tmp_path / "run", SETTINGS, corpus)


def test_a_frozen_decoder_keeps_the_latent_space_and_its_prior(little_corpus, tmp_path, uninterrupted):
    corpus = Corpus.open(little_corpus)
    fitted = fit_prior(
        MolVAE.load(uninterrupted / "model", device="cpu"),
        corpus,
        PriorSettings(name="gan", gan={"steps": 20}),
    )
    fitted.save(tmp_path / "start")
    changes = {"initial": tmp_path / "start", "frozen": ["decoder"], "prior": {}, "epochs": 1}
    given = SETTINGS.model_dump() | changes
    given["model"] = {"encoder_hidden": 24, "head_hidden": 4, "head_input": "both"}
    train(little_corpus, tmp_path / "run", TrainSettings(**given))
    after = MolVAE.load(tmp_path / "run" / "model", device="cpu")
    before = fitted.settings.model
    assert after.settings.model.encoder_hidden == 24 > before.encoder_hidden
    assert after.settings.model.head_hidden == before.head_hidden > 4  # as large as it was
    old, new = fitted.network.state_dict(), after.network.state_dict()
    for name, weight in old.items():
        if name.startswith("decoder."):
            torch.testing.assert_close(new[name], weight, rtol=0, atol=0)
    assert not torch.equal(new["head.layers.0.weight"], old["head.layers.0.weight"])
    assert after.settings.facts["prior"] == fitted.settings.facts["prior"]
    assert after.sample(5, seed=1) == fitted.sample(5, seed=1)


def test_properties_teach_the_head(little_corpus, tmp_path, uninterrupted, monkeypatch):
    monkeypatch.setattr(trainer, "_WEIGHT_DECAY", 0.0)  # which moves weights that learn nothing
    given = {"initial": uninterrupted / "model", "frozen": ["encoder", "decoder"]}
    train(little_corpus, tmp_path / "run", TrainSettings(**(SETTINGS.model_dump() | given | {"epochs": 1})))
    old = load_file(uninterrupted / "model" / "weights.safetensors")
    new = load_file(saved_states(tmp_path / "run" / "states")[-1] / "weights.safetensors")
    moved = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert moved == {"head"}


def test_freezing_what_cannot_be_frozen_is_an_error(little_corpus, tmp_path, uninterrupted):
    alone = TrainSettings(**(SETTINGS.model_dump() | {"frozen": ["decoder"]}))
    with pytest.raises(ConfigError, match="trained model"):
        train(little_corpus, tmp_path / "run", alone)
    everything = {"initial": uninterrupted / "model", "frozen": ["encoder", "decoder", "head"]}
    with pytest.raises(ConfigError, match="nothing to train"):
        train(little_corpus, tmp_path / "run", TrainSettings(**(SETTINGS.model_dump() | everything)))


def test_a_checkpoint_with_another_vocabulary_is_rejected(little_csv, tmp_path, uninterrupted):
    def prepared(name, **changes):
        settings = {"input": (str(little_csv),), "output": tmp_path / name, "descriptors": ("logp",)}
        prepare(PrepareSettings(**settings, **changes), workers=0)
        return tmp_path / name

    start = {"initial": uninterrupted / "model", "epochs": 1}
    settings = TrainSettings(**(SETTINGS.model_dump() | start))
    with pytest.raises(ConfigError, match="vocabulary"):
        train(prepared("units", n_merges=0), tmp_path / "refused", settings)
    corpus = prepared("same", vocabulary=uninterrupted / "model")
    train(corpus, tmp_path / "run", settings)
    model = MolVAE.load(tmp_path / "run" / "model", device="cpu")
    assert model.property_names == ("logp",)
    assert model.tokenizer.vocabulary == MolVAE.load(uninterrupted / "model").tokenizer.vocabulary


def test_a_finished_run_is_not_trained_again(little_corpus, uninterrupted):
    before = _bytes(uninterrupted)
    result = train(little_corpus, uninterrupted, SETTINGS)
    assert result.epochs == 2
    assert _figures(uninterrupted)[-1]["valid"].items() <= result.metrics.items()
    assert _bytes(uninterrupted) == before


def test_killed_runs_lose_nothing(little_corpus, tmp_path, uninterrupted):
    """kill -9 at several times, also while files are written; the result is the same, bit for bit."""
    run, settings = tmp_path / "run", tmp_path / "settings.toml"
    settings.write_text(to_toml(SETTINGS))
    command = [sys.executable, "-c", CHILD, str(little_corpus), str(run), str(settings)]
    n_killed = 0
    for patience in (0.4, 0.1, 60.0):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        child.stdout.readline()
        seen = _state_names(run)
        deadline = time.monotonic() + 60
        while child.poll() is None and _state_names(run) == seen and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            n_killed += 1
        child.communicate()
        if child.returncode == 0:
            break
    assert n_killed > 0
    assert child.returncode == 0
    assert _bytes(run) == _bytes(uninterrupted)
    assert _figures(run) == _figures(uninterrupted)
    assert not [path for path in run.rglob("*") if path.name.endswith((".tmp", ".previous"))]


def _state_names(run):
    return [path.name for path in saved_states(run / "states")]


def test_a_damaged_newest_state_falls_back_and_two_are_refused(little_corpus, tmp_path, uninterrupted):
    asked = iter(range(100))
    with pytest.raises(StoppedEarly):
        train(little_corpus, tmp_path / "run", SETTINGS, should_stop=lambda: next(asked) == 9)
    newest, older = reversed(saved_states(tmp_path / "run" / "states"))
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    train(little_corpus, tmp_path / "run", SETTINGS)
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted)
    for state in saved_states(tmp_path / "run" / "states"):
        (state / "optimizer.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors is damaged"):
        train(little_corpus, tmp_path / "run", SETTINGS)
    assert not older.exists()


def test_other_settings_another_corpus_or_another_writer_are_refused(little_corpus, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(StoppedEarly):
        train(little_corpus, run, SETTINGS, should_stop=lambda: True)
    with pytest.raises(ConfigError, match="seed was 0, now 1"):
        train(little_corpus, run, SETTINGS.model_copy(update={"seed": 1}))
    (run / "corpus.json").write_text(json.dumps({"manifest_sha256": "0"}))
    with pytest.raises(ConfigError, match="another corpus"):
        train(little_corpus, run, SETTINGS)
    with directory_lock(run), pytest.raises(LockedError):
        train(little_corpus, run, SETTINGS)
    with pytest.raises(CheckpointError, match="no corpus directory"):
        train(tmp_path / "nowhere", tmp_path / "other", SETTINGS)


def test_too_little_patience_stops_early(little_corpus, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 9, "patience": 1, "learning_rate": 1e-12})
    result = train(little_corpus, tmp_path / "run", settings)
    assert result.epochs < 9


def test_a_corpus_without_validation_molecules_is_explained(tmp_path):
    from molvae.data.config import PrepareSettings
    from molvae.data.preparation import prepare

    (tmp_path / "few.smi").write_text("CCO\nCCN\nCCC\n")
    prepare(
        PrepareSettings(
            input=(str(tmp_path / "few.smi"),),
            output=tmp_path / "corpus",
            fractions=(1.0, 0.0, 0.0),
        ),
        workers=0,
    )
    with pytest.raises(InputError, match="no validation molecules"):
        train(tmp_path / "corpus", tmp_path / "run", SETTINGS)


DYING = """
import os, signal, sys, threading, time
from pathlib import Path
def die():
    while not list((Path(sys.argv[2]) / "states").glob("step-*")):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ["RANK"] == "1":
    threading.Thread(target=die, daemon=True).start()
"""


def _torchrun(code, corpus, run, settings):
    """Two CPU processes under `torchrun`."""
    (run.parent / "settings.toml").write_text(to_toml(settings))
    (run.parent / "child.py").write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(29500 + os.getpid() % 1000)]
    command += [str(run.parent / "child.py"), str(corpus), str(run), str(run.parent / "settings.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)


def _torchrun_to_its_end(corpus, run, settings):
    done = _torchrun(CHILD, corpus, run, settings)
    assert done.returncode == 0, re.sub(r"(?m)^W.*\n", "", done.stderr)[-2000:]


def test_two_processes_share_the_work_and_a_dead_one_costs_no_result(little_corpus, tmp_path):
    """One run directory and one model; if a rank is killed, the same command gives the same result."""
    settings = SETTINGS.model_copy(update={"epochs": 2, "checkpoint_every": 1})
    _torchrun_to_its_end(little_corpus, tmp_path / "whole", settings)
    events = _figures(tmp_path / "whole")
    assert [event["epoch"] for event in events] == [1, 2]
    model = MolVAE.load(tmp_path / "whole" / "model", device="cpu")
    assert model.settings.facts["steps"] in {event["step"] for event in events}
    died = _torchrun(DYING + CHILD, little_corpus, tmp_path / "run", settings)
    assert died.returncode != 0
    done_before = saved_states(tmp_path / "run" / "states")
    assert done_before
    _torchrun_to_its_end(little_corpus, tmp_path / "run", settings)
    assert _bytes(tmp_path / "run") == _bytes(tmp_path / "whole")
    assert done_before[-1].name < saved_states(tmp_path / "whole" / "states")[-1].name
