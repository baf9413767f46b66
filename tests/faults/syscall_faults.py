"""Faults at system calls: one call kills a command, or fails with EIO or ENOSPC; then it is run again.

A small C library, compiled by the test and preloaded, intercepts system calls, also those of SQLite,
safetensors and pyarrow. Run as a program, this file loads everything once and forks a child for each
command.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from fault import hidden, require, scratch

from molvae.persistence.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_NEVER = 1 << 40
_HARMS = {"kill": 0, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC}
_TINY = (
    "--set model.latent_size=8 --set model.encoder_hidden=16 --set model.decoder_hidden=16 "
    "--set epochs=1 --set prior.name=normal --set n_validation=8"
)
_SCREEN = "screen TABLE --checkpoint RUN --maximize qed --top 5 -o OUT/s --workers 0 --device cpu"
_ASK = "ask OUT/a --checkpoint RUN --maximize potency -n 3 -o OUT/batch.csv"
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": (f"train CORPUS -o OUT/run --device cpu {_TINY}",),
    "fit-prior": ("fit-prior RUN --corpus CORPUS --prior flow --set flow.steps=3 -o OUT/m --device cpu",),
    "fit-heads": ("fit-heads RUN --corpus CORPUS -o OUT/m --device cpu",),
    "screen": (f"{_SCREEN} --set part_bytes=3000",),
    "merge": (f"{_SCREEN} --shard 0/1", "screen merge OUT/s -o OUT/merged"),
    "optimize": ("optimize RUN --maximize qed --budget 6 -q 2 -o OUT/c --device cpu",),
    "ask": (_ASK,),
    "tell": (_ASK, "tell OUT/a MEASURED"),
    "report": ("report RUN -o OUT/page.html",),
}
"""The last command line of each is harmed, the others prepare it."""


class _Host:
    """The process that forks commands, with the library preloaded."""

    def __init__(self) -> None:
        from model_faults import undisturbed

        table, corpus, run = undisturbed()
        self.places = {"TABLE": str(table), "CORPUS": str(corpus), "RUN": str(run)}
        library = scratch() / "syscalls.so"
        build = ["gcc", "-shared", "-fPIC", "-O2", "-o", library, _HERE / "syscalls.c", "-ldl"]
        subprocess.run(build, check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(_HERE), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(library)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, line: str, folder: Path, at: int = _NEVER, error: int = 0) -> dict[str, Any]:
        """Exit code and output of a command; `FOLDER.calls` lists its calls."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for name, place in {**self.places, "OUT": str(folder), "MEASURED": str(folder / "told.csv")}.items():
            line = re.sub(rf"\b{name}\b", place, line)
        self._process.stdin.write(json.dumps([line.split(), str(folder), at, error]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@cache
def _host() -> _Host:
    return _Host()


def _prepare(name: str, folder: Path) -> str:
    *before, harmed = COMMANDS[name]
    for line in before:
        done = _host().run(line, folder)
        require(done["code"] == 0, f"{line}: {done}")
    if name == "tell":
        rows = (folder / "batch.csv").read_text().splitlines()
        column = rows[0].split(",").index("smiles")
        lines = [f"{row.split(',')[column]},{number}\n" for number, row in enumerate(rows[1:])]
        (folder / "told.csv").write_text("smiles,potency\n" + "".join(lines))
    return harmed


@cache
def _undisturbed(name: str) -> tuple[dict[str, int], dict[str, str]]:
    """The kinds of calls of a command without faults, the first call of each, and the files it leaves."""
    folder = scratch()
    done = _host().run(_prepare(name, folder), folder)
    require(done["code"] == 0, f"{name}: {done}")
    first: dict[str, int] = {}
    for at, kind in enumerate(_kinds(folder), 1):
        first.setdefault(kind, at)
    return first, _left(folder)


def _kinds(folder: Path) -> list[str]:
    """The calls of the last command: operation and kind of file."""
    calls = Path(f"{folder}.calls").read_text().splitlines()
    return [re.sub(r"[0-9a-f]{8,}|\d+", "N", call) for call in calls]


def _left(folder: Path) -> dict[str, str]:
    """Files without timestamps: weights, tables and results."""
    kinds = {".safetensors", ".csv", ".npy"}
    found = [
        path for path in sorted(folder.rglob("*")) if path.suffix in kinds and "/states/" not in str(path)
    ]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in found}


_HIT: dict[str, set[str]] = {name: set() for name in COMMANDS}


def _in_turn(rng: Random) -> Iterator[tuple[str, int]]:
    """For each command and each kind of call, the position of its first call."""
    while True:
        for name in rng.sample(sorted(COMMANDS), len(COMMANDS)):
            for at in _undisturbed(name)[0].values():
                yield name, at


_TURNS = _in_turn(Random(0))


def covered() -> dict[str, str]:
    """How many of the kinds of calls of each command were hit so far."""
    return {name: f"{len(hit)} of {len(_undisturbed(name)[0])}" for name, hit in _HIT.items() if hit}


def failing_call(rng: Random, folder: Path) -> str:
    """A fault in the next kind of call; then the same command has the same result as without faults."""
    if shutil.which("gcc") is None:
        return "no compiler"
    return harmed(*next(_TURNS), rng.choice(sorted(_HARMS)), folder)


def harmed(name: str, at: int, harm: str, folder: Path) -> str:
    wanted = _undisturbed(name)[1]
    line = _prepare(name, folder)
    done = _host().run(line, folder, at, _HARMS[harm])
    kinds = _kinds(folder)
    require(len(kinds) >= at, f"{name}: ended before call {at}")
    _HIT[name].add(kinds[at - 1])
    detail = f"{name}: {harm} at call {at}, {kinds[at - 1]}"
    # a log that cannot be written, or a stray that stays, costs no result: 0
    require(done["code"] in {0, -9, 5, 75}, f"{detail}: {done}", "untyped")
    if name == "ask" and done["code"] in {0, -9} and _left(folder) == wanted:
        return f"{name}: {harm}"  # the batch was handed out: asked again, it is the next one
    again = _host().run(line, folder)
    require(again["code"] == 0, f"{detail}, then: {again}", "lost")
    left = _left(folder)
    different = sorted(file for file in wanted.keys() | left.keys() if wanted.get(file) != left.get(file))
    require(not different, f"{detail}: another result: {different[:3]}", "mixed")
    require(not hidden(folder), f"{detail}: left behind: {hidden(folder)}")
    return f"{name}: {harm}"


def _serve(library: str) -> None:
    from molvae.cli.main import run

    for module in ("training.trainer", "screening.merging", "campaign.runner", "reporting.report"):
        __import__(f"molvae.{module}")
    armed = ctypes.CDLL(library)
    for line in sys.stdin:
        words, folder, at, error = json.loads(line)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(f"{folder}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = 1
            try:
                calls = os.open(f"{folder}.calls", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                armed.fault_arm(f"{folder}/".encode(), ctypes.c_long(at), error, calls)
                code = run(words)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = Path(f"{folder}.said").read_text(errors="replace")[-400:]
        sys.stdout.write(json.dumps({"code": code, "said": said}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
