"""Fuzzed inputs of commands: stored directories, journals, Parquet, TOML and command lines.

The outcome has to be a result, or an error message with a documented exit code. Each command runs in a
forked process.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import sqlite3
import sys
import time
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import harms
import torch
from fault import require, scratch
from model_faults import undisturbed

import molvae
from molvae.campaign.files import APPLICATION_ID, SCHEMA, TABLES
from molvae.campaign.storage import Journal, _digest
from molvae.cli.main import cli, run
from molvae.persistence.files import sha256_of
from molvae.persistence.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

_TYPED = {0, 2, 3, 4, 5, 75}
_SECONDS = 40  # of a processor; more is no answer
TINY = (
    "--device cpu --set model.latent_size=8 --set model.encoder_hidden=16 --set model.decoder_hidden=16 "
    "--set epochs=1 --set n_validation=8 --set prior.name=normal"
)
SCREEN = "screen table.csv --checkpoint run --maximize qed --top 5 -o s --workers 0 --device cpu"
_SEARCH = "optimize run --maximize qed --budget 4 -q 2 -o c --device cpu"
_READERS = {
    "run": (
        "info run", "status run", "report run -o p.html", "sample run -n 2 --device cpu",
        f"train corpus -o run {TINY}", "encode run CCO --device cpu", "domain run CCO --device cpu",
        "predict table.csv --checkpoint run -o p --workers 0 --device cpu",
    ),
    "corpus": (
        "info corpus", f"train corpus -o new {TINY}",
        "fit-prior run --corpus corpus --prior flow --set flow.steps=3 -o m --device cpu",
        "evaluate run --corpus corpus -n 5 --molecules 5 --no-fcd --device cpu",

    ),
    "m": (
        "info m", "sample m -n 2 --device cpu", "interpolate m CCO CCN --device cpu",
        "optimize m --maximize qed --budget 2 -q 2 -o new --device cpu",
    ),
    "s": ("info s", "status s", "screen merge s", f"{SCREEN} --shard 0/2", "report s -o p.html"),
    "c": (
        "info c", "status c", "report c -o p.html", "tell c told.csv", "ask c -n 1 -o batch.csv --device cpu",
        "optimize run -o c --device cpu --budget 8",
    ),
}  # fmt: skip
"""What reads the directory of a name, in commands."""

_CONFIGS = {
    "prepare table.csv -o new --config own.toml --workers 0": "valid = 0.2\nseed = 3\nfilters = []\n",
    f"train corpus -o new {TINY} --config own.toml": "batch_size = 16\n[model]\nhead_hidden = 8\n",
    "optimize run --budget 2 -o new --device cpu --config own.toml --maximize qed": (
        "q = 2\n[sources]\nlatent = 1\n"
    ),
    "screen table.csv --checkpoint run -o new --workers 0 --device cpu --config own.toml --maximize qed": (
        "top = 3\n"
    ),
    "oracles mpo:own.toml CCO":
        'mean = "geometric"\nterms = ["clipped[0.8]:qed"]\n[molecules]\nlead = "CCO"\n',
}  # fmt: skip
"""A command that reads a file of settings or of desirabilities, and such a file."""

TABLES_READ = (
    "prepare own.parquet -o new --workers 0",
    "screen own.parquet --checkpoint run --maximize qed -o new --workers 0 --device cpu",
    "predict own.parquet --checkpoint run -o new --workers 0 --device cpu",
    "evaluate own.parquet --reference table.csv --no-fcd",
    "encode run own.parquet --device cpu",
    "oracles qed own.parquet",
    "tell c own.parquet",
    "report own.parquet -o p.html",
)

_WORDS = (
    "prepare table.csv -o new --workers 0", f"train corpus -o new {TINY}",
    "fit-prior run --corpus corpus --prior flow --set flow.steps=3 -o m --device cpu",
    "fit-heads run --corpus corpus -o m --device cpu", "sample run -n 2 --device cpu",
    "encode run CCO --device cpu", "decode run CCO --device cpu",
    "interpolate run CCO CCN --steps 2 --device cpu",
    "neighbors run CCO -n 2 --device cpu", "oracles qed CCO", "oracle check qed", _SEARCH,
    "ask new --checkpoint run --maximize y -n 1 -o batch.csv --device cpu", "tell c told.csv", SCREEN,
    "predict table.csv --checkpoint run -o p --workers 0 --device cpu",
    "embed table.csv --checkpoint run -o p --workers 0 --device cpu", "report run -o p.html",
    "evaluate table.csv --reference table.csv --no-fcd", "domain run CCO --device cpu",
    "status c", "info run",    "calibrate run --corpus corpus -o m --device cpu",
)  # fmt: skip


@cache
def _originals() -> Path:
    """A table, a corpus, a run, a screen in two shards and a campaign, written by commands."""
    for module in pkgutil.walk_packages(molvae.__path__, "molvae."):  # once, and not in every child
        importlib.import_module(module.name)
    for name in ("matplotlib.pyplot", "botorch.acquisition", "sklearn.decomposition", "pyarrow.parquet"):
        importlib.import_module(name)
    folder = scratch()
    table, corpus, trained = undisturbed()
    shutil.copy(table, folder / "table.csv")
    shutil.copytree(corpus, folder / "corpus")
    shutil.copytree(trained, folder / "run")
    (folder / "told.csv").write_text("smiles,qed\nCCO,0.4\n")
    fitted = "fit-prior run --corpus corpus --prior flow --set flow.steps=3 -o m --device cpu"
    shards = [f"{SCREEN} --set part_bytes=3000 --shard {part}/2" for part in (0, 1)]
    for line in (fitted, *shards, "screen merge s", _SEARCH):
        code, said = answer(line.split(), folder)
        require(code == 0, f"{line}: {said}")
    return folder


def answer(words: Sequence[str], folder: Path, said: str = "said") -> tuple[int, str]:
    """Exit code and output of a command in a directory; minus the signal if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _confine(folder, folder / said)
            code = run(words)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, (folder / said).read_text(errors="replace")


def _confine(folder: Path, said: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.setsid()
    os.chdir(folder)
    sink = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(sink, number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(os.dup(number), "w", errors="backslashreplace"))
    spent = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (spent + _SECONDS, spent + 2 * _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))


def _require_typed(words: Sequence[str], folder: Path, detail: str, *, may_last: bool = False) -> str:
    code, said = answer(words, folder)
    if code == -signal.SIGXCPU and may_last:
        return "ran on"
    require_answer(words, code, said, f"{detail}: {' '.join(words)[:200]!r}")
    return f"exit code {code}"


def require_answer(words: Sequence[str], code: int, said: str, detail: str) -> None:
    """Require a result, or an error message and a documented exit code."""
    require(code in _TYPED, f"{detail}: exit code {code}: {said[-600:]}", "untyped")
    require("bug in molvae" not in said, f"{detail}: {said[-600:]}", "untyped")
    shown = any(word.startswith(("-v", "--verbose")) for word in words)  # twice asks for tracebacks
    require("Traceback" not in said or shown, f"{detail}: {said[-600:]}", "untyped")
    require(code == 0 or said.strip(), f"{detail}: exit code {code} and not a word", "untyped")


def copied(folder: Path, *names: str) -> Path:
    for name in names:
        source = _originals() / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return folder


def fuzzed_directory(rng: Random, folder: Path) -> str:
    """A model, corpus, run, screen or campaign with a corrupted file and a valid manifest."""
    name = rng.choice(sorted(_READERS))
    copied(folder, "table.csv", "told.csv", "corpus", "run", *{name} - {"corpus", "run"})
    kinds = {".json", ".jsonl", ".toml", ".npy", ".safetensors", ".csv"}
    files = [path for path in sorted((folder / name).rglob("*")) if path.suffix in kinds]
    path = rng.choice([file for file in files if file.suffix == rng.choice([".json", file.suffix])] or files)
    harms.harmed(path, rng)
    if path.name != MANIFEST and (path.parent / MANIFEST).exists() and rng.random() < 0.9:
        seal_again(path)
    return _require_typed(rng.choice(_READERS[name]).split(), folder, path.relative_to(folder).as_posix())


def seal_again(path: Path) -> None:
    """Update the sha256 of a corrupted file in its manifest."""
    manifest = path.parent / MANIFEST
    content = json.loads(manifest.read_text())
    content["files"][path.name] = sha256_of(path)
    manifest.write_text(json.dumps(content))


def fuzzed_journal(rng: Random, folder: Path) -> str:
    """A journal with corrupted events and valid digests, or with corrupted bytes."""
    copied(folder, "table.csv", "told.csv", "corpus", "run", "c")
    path = folder / "c" / "journal.sqlite"
    if rng.random() < 0.3:
        path.write_bytes(harms.noisy(path.read_bytes(), rng))
    else:
        with Journal(path, writable=False) as journal:
            rows = [[event.kind, json.dumps(event.payload).encode()] for event in journal.events()]
        at = rng.randrange(len(rows))
        rows[at][1] = harms.harmed_json(rows[at][1], rng)
        path.unlink()
        _write_journal(path, rows)
    return _require_typed(rng.choice(_READERS["c"]).split(), folder, "journal")


def _write_journal(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    database, digest = sqlite3.connect(path), ""
    database.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};{TABLES}"
    )
    for number, (kind, text) in enumerate(rows, start=1):
        row = (number, kind, text.decode(errors="replace"), "2026-01-01T00:00:00.000+00:00")
        digest = _digest(digest, row)
        database.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (*row, digest))
    database.execute("UPDATE head SET n_events = ?, digest = ?", (len(rows), digest))
    database.commit()
    database.close()


def fuzzed_parquet(rng: Random, folder: Path) -> str:
    """A Parquet file of molecules with columns of any type, or with corrupted bytes."""
    copied(folder, "table.csv", "run", "c")
    smiles = [row.split(",")[0] for row in (folder / "table.csv").read_text().splitlines()[1:30]]
    harms.harmed_parquet(folder / "own.parquet", smiles, rng)
    return _require_typed(rng.choice(TABLES_READ).split(), folder, "Parquet")


def fuzzed_toml(rng: Random, folder: Path) -> str:
    """A corrupted file of settings or desirabilities, also of a run or a campaign."""
    copied(folder, "table.csv", "told.csv", "corpus", "run", "c")
    if rng.random() < 0.3:
        name = rng.choice(["c", "run"])
        harms.harmed(folder / name / "settings.toml", rng)
        return _require_typed(rng.choice(_READERS[name]).split(), folder, f"{name}/settings.toml")
    line = rng.choice(sorted(_CONFIGS))
    (folder / "own.toml").write_text(_CONFIGS[line])
    harms.harmed(folder / "own.toml", rng)
    return _require_typed(line.split(), folder, repr((folder / "own.toml").read_bytes()[:300]))


@cache
def _options(name: str) -> list[str]:
    """All options of a command, except help and those that start something."""
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    found = [option for param in command.params for option in (*param.opts, *param.secondary_opts)]
    return sorted({option for option in found if option.startswith("-")} - {"--help", "--open"}) or ["--json"]


def fuzzed_words(rng: Random, folder: Path) -> str:
    """A command line with corrupted words: it may run long, but must not crash."""
    copied(folder, "table.csv", "told.csv", "corpus", "run", "c")
    words = rng.choice(_WORDS).split()
    words = harms.harmed_words(words, _options(words[0]), rng)
    return _require_typed(words, folder, "words", may_last=True)
