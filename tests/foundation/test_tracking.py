"""Trackers: calls of their libraries, and errors that do not affect the run."""

from __future__ import annotations

import io
import struct
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from molvae.errors import MissingDependencyError, UnknownNameError
from molvae.progress import PlainProgress
from molvae.tracking import TRACKERS, TrackedProgress, Trackers

FIGURES = {"train": {"kl": 40.0}, "valid": {"kl": 45.0, "mae_qed": float("nan")}, "loss": 5.5, "done": True}
KNOWN = {"train/kl": 40.0, "valid/kl": 45.0, "loss": 5.5}


class Notes:
    """A tracker of a plug-in that records its calls."""

    heard: list[tuple] = []  # noqa: RUF012 - shared on purpose: Trackers make their own instance

    def begin(self, directory, settings):
        self.heard.append(("begin", directory.name, settings))

    def log(self, figures, step):
        if step == 13:
            raise ConnectionError("the server\nis away")
        self.heard.append(("log", figures, step))

    def close(self):
        self.heard.append(("close",))


@pytest.fixture
def notes(monkeypatch):
    Notes.heard = []
    monkeypatch.setitem(TRACKERS._entries, "notes", Notes)
    return Notes.heard


class Listener:
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def fake(monkeypatch, name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


def follow(name, directory, figures=FIGURES, step=7):
    listener = Listener()
    trackers = Trackers([name], listener)
    trackers.begin(directory, {"model": {"latent_size": 16}, "seed": 0})
    trackers.log(figures, step)
    trackers.close()
    assert listener.said == []


def test_a_registered_tracker_hears_everything_once(notes, tmp_path):
    trackers = Trackers(["notes", "notes"])
    trackers.begin(tmp_path, {"model": {"latent_size": 16}})
    trackers.log(FIGURES, 7)
    trackers.log({"loss": float("inf")}, 8)
    trackers.close()
    assert notes == [("begin", tmp_path.name, {"model.latent_size": 16}), ("log", KNOWN, 7), ("close",)]


def test_a_tracker_that_fails_is_told_of_and_let_go(notes):
    listener = Listener()
    trackers = Trackers(["notes"], listener)
    for step in (12, 13, 14):
        trackers.log({"loss": 1.0}, step)
    trackers.close()
    assert notes == [("log", {"loss": 1.0}, 12)]
    assert listener.said == [
        "the tracker 'notes' failed and is no longer used: ConnectionError: the server is away"
    ]


def test_a_search_is_followed_by_its_progress(notes):
    stream = io.StringIO()
    progress = TrackedProgress(Trackers(["notes"]), "optimize", PlainProgress(stream, every=0.0))
    progress.start("optimize", 10)
    progress.start("other")
    progress.note("begun")
    progress.advance("other", 5, best=1.0)
    progress.advance("optimize", 3)
    progress.advance("optimize", 0, best=0.5, top10=0.25)
    progress.finish("optimize", calls=3)
    assert notes == [("log", {"best": 0.5, "top10": 0.25}, 3), ("log", {"calls": 3.0}, 3)]
    told = stream.getvalue().splitlines()
    assert (told[0], told[-1].endswith("calls 3"), len(told)) == ("begun", True, 5), (
        "what it hears is passed on"
    )


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    for name in ("tensorboard", "mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingDependencyError) as caught:
            Trackers([name])
        assert caught.value.hint == f"pip install {name}"
    with pytest.raises(UnknownNameError, match="did you mean 'wandb'"):
        Trackers(["wandbb"])


def test_mlflow_goes_on_with_the_run_of_the_directory(monkeypatch, tmp_path):
    calls = []

    def start_run(**given):
        calls.append(("start_run", given))
        return SimpleNamespace(info=SimpleNamespace(run_id="abc"))

    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    fake(
        monkeypatch,
        "mlflow",
        start_run=start_run,
        set_experiment=lambda name: calls.append(("set_experiment", name)),
        log_params=lambda given: calls.append(("log_params", given)),
        log_metrics=lambda given, step: calls.append(("log_metrics", given, step)),
        end_run=lambda: calls.append(("end_run",)),
    )
    follow("mlflow", tmp_path)
    assert calls == [
        ("set_experiment", "molvae"),
        ("start_run", {"run_name": tmp_path.name}),
        ("log_params", {"model.latent_size": "16", "seed": "0"}),
        ("log_metrics", KNOWN, 7),
        ("end_run",),
    ]
    calls.clear()
    follow("mlflow", tmp_path)
    assert calls[1] == ("start_run", {"run_id": "abc"})


def test_wandb_goes_on_with_the_run_of_the_directory(monkeypatch, tmp_path):
    begun, logged = [], []
    run = SimpleNamespace(
        log=lambda given, step: logged.append((given, step)), finish=lambda: logged.append("end")
    )
    fake(monkeypatch, "wandb", init=lambda **given: begun.append(given) or run)
    follow("wandb", tmp_path)
    follow("wandb", tmp_path)
    assert begun[0] == begun[1]
    assert begun[0]["config"] == {"model.latent_size": 16, "seed": 0}
    assert begun[0]["resume"] == "allow"
    assert logged == [(KNOWN, 7), "end"] * 2


def test_tensorboard_reads_back_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    follow("tensorboard", tmp_path)
    (file,) = (tmp_path / "tensorboard").iterdir()
    read = {v.tag: (e.step, v) for e in EventFileLoader(str(file)).Load() for v in e.summary.value}
    assert {tag: step for tag, (step, _) in read.items()} == dict.fromkeys(KNOWN, 7)


AWKWARD = {"valid": {"kl": 44.0, "mae_pIC50 (nM)": 0.25}}


def test_mlflow_itself_reads_back_what_was_told(monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    follow("mlflow", tmp_path)
    follow("mlflow", tmp_path, AWKWARD, step=9)
    client = mlflow.MlflowClient()
    run = client.get_run((tmp_path / "mlflow-run").read_text().strip())
    assert (run.info.run_name, run.info.status) == (tmp_path.name, "FINISHED")
    assert run.data.params == {"model.latent_size": "16", "seed": "0"}
    assert run.data.metrics == {**KNOWN, "valid/kl": 44.0, "valid/mae_pIC50 _nM_": 0.25}
    history = client.get_metric_history(run.info.run_id, "valid/kl")
    assert [(point.step, point.value) for point in history] == [(7, 45.0), (9, 44.0)]
    assert client.get_experiment(run.info.experiment_id).name == "molvae"


def logged(data):
    """The records of an offline run: LevelDB's log format after a W&B header of seven bytes."""
    place, part = 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        part += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in {1, 4}:  # whole, or the last part
            yield part
            part = b""


def runs_told(directory, record_class):
    """Metrics by (run, step), from the files of W&B's offline runs."""
    told = {}
    for file in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
        identifier = ""
        for record in map(record_class.FromString, logged(file.read_bytes())):
            identifier = record.run.run_id if record.HasField("run") else identifier
            if record.HasField("history"):
                items = {
                    item.key or "/".join(item.nested_key): float(item.value_json)
                    for item in record.history.item
                }
                figures = {name: value for name, value in items.items() if not name.startswith("_")}
                told[identifier, int(items["_step"])] = figures
    return told


def test_wandb_itself_reads_back_what_was_told(monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    follow("wandb", tmp_path)
    follow("wandb", tmp_path, AWKWARD, step=9)
    until = time.monotonic() + 60  # its own process writes the files, a moment later perhaps
    while len(told := runs_told(tmp_path, Record)) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    identifier = (tmp_path / "wandb-run").read_text().strip()
    assert told == {
        (identifier, 7): KNOWN,
        (identifier, 9): {"valid/kl": 44.0, "valid/mae_pIC50 (nM)": 0.25},
    }


def test_training_tells_its_trackers_each_epoch(notes, little_corpus, tmp_path):
    from molvae.config import settings_from
    from molvae.progress import read_events
    from molvae.training.config import TrainSettings
    from molvae.training.trainer import train

    sizes = {"latent_size": 4, "embedding_size": 4, "encoder_hidden": 4, "decoder_hidden": 4}
    values = {"model": sizes, "epochs": 2, "n_validation": 4, "threads": 1, "trackers": ["notes"]}
    train(little_corpus, tmp_path / "run", settings_from(TrainSettings, values, "the test"))
    epochs = read_events(tmp_path / "run" / "metrics.jsonl", "epoch")
    assert [kind for kind, *_ in notes] == ["begin", "log", "log", "close"]
    assert notes[0][2]["model.latent_size"] == 4
    for record, (_, figures, step) in zip(epochs, notes[1:3], strict=True):
        assert step == record["step"]
        assert figures["epoch"] == record["epoch"]
        assert figures["valid/reconstruction"] == record["valid"]["reconstruction"]
