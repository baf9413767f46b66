"""Faults of models and runs: malicious and damaged model directories, kills and interrupts of training."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sys
import time
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fault import Bomb, hidden, in_child, killed_after, require, scratch
from safetensors.torch import load_file, save_file

from molvae.data.config import PrepareSettings
from molvae.data.preparation import prepare
from molvae.errors import CheckpointError, StoppedEarly
from molvae.latent.codec import MolVAE
from molvae.persistence.directories import verify_directory
from molvae.persistence.files import sha256_of
from molvae.training.config import TrainSettings
from molvae.training.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

_HEADS = ("C", "CC", "CCC", "N", "O", "F", "Cl", "CO", "CN(C)", "N#C")
_CORES = ("c1ccc({})cc1", "C1CCC({})CC1", "c1ccnc({})c1", "C(=O)N{}", "c1ccc({})s1")
_TAILS = ("C", "CC", "CCC", "C(C)C", "CO")
_SETTINGS = TrainSettings.model_validate(
    {
        "model": {
            "latent_size": 8, "embedding_size": 8, "encoder_hidden": 16, "decoder_hidden": 16,
            "head_hidden": 8, "token_dropout": 0.2,
        },
        "prior": {"name": "normal"},
        "epochs": 2, "batch_size": 48, "beta_warmup_steps": 2, "checkpoint_every": 2,
        "n_validation": 8, "threads": 1, "device": "cpu",
    }
)  # fmt: skip


def _table(folder: Path) -> Path:
    path = folder / "table.csv"
    rows = [f"{head}{core.format(tail)}" for head in _HEADS for core in _CORES for tail in _TAILS]
    path.write_text("smiles,name\n" + "".join(f"{row},m{i}\n" for i, row in enumerate(rows)))
    return path


def _prepared(table: Path, output: Path) -> None:
    settings = PrepareSettings(input=(str(table),), output=output, descriptors=("logp",))
    prepare(settings, workers=0)


@cache
def undisturbed() -> tuple[Path, Path, Path]:
    """A table, its corpus, and a run without faults."""
    folder = scratch()
    table = _table(folder)
    _prepared(table, folder / "corpus")
    train(folder / "corpus", folder / "run", _SETTINGS)
    return table, folder / "corpus", folder / "run"


def _bytes(folder: Path) -> dict[str, str]:
    kinds = (".safetensors", ".json", ".npy", ".txt")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in kinds and path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _result_of(run: Path) -> dict[str, str]:
    """The model and the newest state; an older state may be of a different step."""
    newest = max(path.name for path in (run / "states").iterdir() if path.name.startswith("step-"))
    model, state = _bytes(run / "model"), _bytes(run / "states" / newest)
    return {f"model/{n}": d for n, d in model.items()} | {f"{newest}/{n}": d for n, d in state.items()}


def _same_run(run: Path, detail: str) -> None:
    mine, theirs = _result_of(run), _result_of(undisturbed()[2])
    different = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    require(not different, f"{detail}: not the bytes of an undisturbed run: {different[:4]}", "silent_load")
    require(not hidden(run), f"{detail}: left behind: {hidden(run)}")


def killed_training(rng: Random, folder: Path) -> str:
    """kill -9 at random times of a training run, or at a chosen file operation; then resumed."""
    corpus, run = undisturbed()[1], folder / "run"
    killed = 0
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.5:
            bomb = Bomb(rng.randrange(1, 200), folder, half=rng.random() < 0.5)
            ended = in_child(lambda: train(corpus, run, _SETTINGS), bomb=bomb)
        else:
            log = run / "log.jsonl"
            ended = killed_after(lambda: train(corpus, run, _SETTINGS), rng.uniform(0, 1.0), ready=log)
        require(ended in {0, -signal.SIGKILL}, f"training ended with {ended}")
        killed += ended != 0
        if (run / "model").exists():
            verify_directory(run / "model", kind="model", schema=1)
    train(corpus, run, _SETTINGS)
    _same_run(run, f"killed {killed} times")
    return f"killed {killed} times"


def stopped_training(rng: Random, folder: Path) -> str:
    """Stopped after any step and resumed: the same as the run without faults, bit for bit."""
    corpus, run = undisturbed()[1], folder / "run"
    n_stops = 0
    for _ in range(rng.randrange(1, 3)):
        stop, steps = rng.randrange(1, 10), iter(range(1, 100))
        try:
            train(corpus, run, _SETTINGS, should_stop=lambda at=stop, steps=steps: next(steps) == at)
        except StoppedEarly:
            n_stops += 1
    train(corpus, run, _SETTINGS)
    _same_run(run, f"stopped {n_stops} times")
    return f"stopped {n_stops} times"


def killed_preparation(rng: Random, folder: Path) -> str:
    """Killed at any file operation while a corpus is prepared; then prepared again."""
    table, corpus, _ = undisturbed()
    output = folder / "corpus"
    bomb = Bomb(rng.randrange(1, 45), folder, half=rng.random() < 0.5)
    ended = in_child(lambda: _prepared(table, output), bomb=bomb)
    if output.exists():
        verify_directory(output, kind="corpus", schema=1)
    _prepared(table, output)
    arrays = {name: digest for name, digest in _bytes(output).items() if name.endswith((".npy", ".txt"))}
    wanted = {name: digest for name, digest in _bytes(corpus).items() if name.endswith((".npy", ".txt"))}
    require(arrays == wanted, "not the corpus of an undisturbed preparation", "silent_load")
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    return "finished" if ended == 0 else "killed"


def damaged_model(rng: Random, folder: Path) -> str:
    """A checkpoint with a bit flipped in a file, or with a truncated file."""
    model = folder / "model"
    shutil.copytree(undisturbed()[2] / "model", model)
    victim = rng.choice(sorted(path for path in model.iterdir() if path.is_file()))
    content = bytearray(victim.read_bytes())
    position = rng.randrange(len(content))
    content[position] ^= 1 << rng.randrange(8)
    victim.write_bytes(bytes(content) if rng.random() < 0.7 else bytes(content[:position]))
    try:
        loaded = MolVAE.load(model, device="cpu")
    except CheckpointError:
        return "refused"
    require(victim.name == "MANIFEST.json", f"{victim.name} at {position}", "silent_load")
    theirs = MolVAE.load(undisturbed()[2] / "model", device="cpu").network.state_dict()
    same = all(torch.equal(w, theirs[name]) for name, w in loaded.network.state_dict().items())
    require(same, "other weights", "silent_load")
    return "intact"


class _Exploit:
    """Creates a file when it is unpickled."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.trace,))


def _pickle_as(name: str) -> Callable[[Path, Path], None]:
    def change(model: Path, trace: Path) -> None:
        (model / name).write_bytes(pickle.dumps(_Exploit(str(trace))))

    return change


def _zip_bomb(model: Path, trace: Path) -> None:
    del trace
    with zipfile.ZipFile(model / "weights.safetensors", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (64 << 20))


def _torch_file(model: Path, trace: Path) -> None:
    torch.save({"weights": _Exploit(str(trace))}, model / "weights.safetensors")


def _huge_header(model: Path, trace: Path) -> None:
    del trace
    (model / "weights.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")


def _link(model: Path, trace: Path) -> None:
    del trace
    (model / "weights.safetensors").unlink()
    (model / "weights.safetensors").symlink_to("/etc/passwd")


def _outside(model: Path, trace: Path) -> None:
    del trace
    manifest = json.loads((model / "MANIFEST.json").read_text())
    (model.parent / "secret").write_text("x")
    manifest["files"]["../secret"] = sha256_of(model.parent / "secret")
    (model / "MANIFEST.json").write_text(json.dumps(manifest))


def _poisoned(model: Path, trace: Path) -> None:
    del trace
    tensors = load_file(model / "weights.safetensors")
    name = min(tensors)
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, model / "weights.safetensors")


def _config(**changes: Any) -> Callable[[Path, Path], None]:
    def change(model: Path, trace: Path) -> None:
        del trace
        fields = json.loads((model / "config.json").read_text())
        for key, value in changes.items():
            (fields["model"] if key in fields["model"] else fields)[key] = value
        (model / "config.json").write_text(json.dumps(fields))

    return change


def _pipe(model: Path, trace: Path) -> None:
    del trace
    (model / "config.json").unlink()
    os.mkfifo(model / "config.json")


def _sparse_manifest(model: Path, trace: Path) -> None:
    del trace
    os.truncate(model / "MANIFEST.json", 1 << 40)


def _endless_json(model: Path, trace: Path) -> None:
    del trace
    (model / "config.json").write_text("[" * 200_000)


def _foreign_array(model: Path, trace: Path) -> None:
    array = np.array([_Exploit(str(trace))], dtype=object)
    np.save(model / "weights.npy", array, allow_pickle=True)
    (model / "weights.npy").replace(model / "prior.safetensors")


HOSTILE: dict[str, tuple[Callable[[Path, Path], None], bool]] = {
    "pickle as weights": (_pickle_as("weights.safetensors"), True),
    "pickle as configuration": (_pickle_as("config.json"), True),
    "pickle as vocabulary": (_pickle_as("vocabulary.json"), True),
    "pickle as prior": (_pickle_as("prior.safetensors"), True),
    "torch file": (_torch_file, True),
    "pickled array": (_foreign_array, True),
    "zip bomb": (_zip_bomb, True),
    "huge header": (_huge_header, True),
    "link": (_link, False),
    "file outside": (_outside, False),
    "NaN weight": (_poisoned, True),
    "pipe": (_pipe, False),
    "manifest of a terabyte": (_sparse_manifest, False),
    "endless JSON": (_endless_json, True),
    "latent space of 10^9": (_config(latent_size=10**9), True),
    "another architecture": (_config(decoder_hidden=40), True),
    "unknown tokenizer": (_config(tokenizer="../../evil"), True),
    "old pickle manifest": (_pickle_as("MANIFEST.json"), False),
}
"""What is done to a checkpoint, and whether its manifest is then made to agree."""


def hostile_model(rng: Random, folder: Path) -> str:
    """A malicious model directory: rejected within two seconds, without executing anything."""
    return refused(rng.choice(sorted(HOSTILE)), folder)


def refused(name: str, folder: Path) -> str:
    model, trace = folder / "model", folder / "executed"
    shutil.copytree(undisturbed()[2] / "model", model)
    change, agrees = HOSTILE[name]
    change(model, trace)
    if agrees:
        manifest = json.loads((model / "MANIFEST.json").read_text())
        files = [path for path in model.iterdir() if path.name != "MANIFEST.json"]
        manifest["files"] = {path.name: sha256_of(path) for path in files}
        (model / "MANIFEST.json").write_text(json.dumps(manifest))
    begun = time.process_time()
    try:
        MolVAE.load(model, device="cpu")
    except CheckpointError as error:
        said = str(error)
    else:
        said = ""
    require(not trace.exists(), f"{name}: code was executed", "silent_load")
    require(said, f"{name} was loaded", "silent_load")
    require(time.process_time() - begun < 2.0, f"{name}: took {time.process_time() - begun:.1f} s")
    return "refused"


if __name__ == "__main__":
    sys.exit("this is a list of trials; scripts/faults runs them")
