"""Faults at system calls: the chosen one kills a command, or fails with EIO or ENOSPC; then it is run again.

A small C library, built on the spot and preloaded, stands between a command and the system, also where
SQLite, safetensors and pyarrow call it. Run as a program, this file is the process that loads everything
once and forks a child for each command.
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
from typing import TYPE_CHECKING, Any

from fault import hidden, require, scratch

from molvae.persistence.files import sha256_of

if TYPE_CHECKING:
    from random import Random

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
    "fit-prior": ("fit-prior RUN --corpus CORPUS --prior gaussian -o OUT/m --device cpu",),
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
        """How a command ended: its exit code, what it said, and how many calls it made under a folder."""
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
def _undisturbed(name: str) -> tuple[int, dict[str, str]]:
    """How many calls a command makes when nothing harms it, and what it leaves."""
    folder = scratch()
    done = _host().run(_prepare(name, folder), folder)
    require(done["code"] == 0, f"{name}: {done}")
    return done["seen"], _left(folder)


def _left(folder: Path) -> dict[str, str]:
    """What does not hold times: weights, tables and results."""
    kinds = {".safetensors", ".csv", ".npy"}
    found = [
        path for path in sorted(folder.rglob("*")) if path.suffix in kinds and "/states/" not in str(path)
    ]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in found}


def failing_call(rng: Random, folder: Path) -> str:
    """Any command, harmed at any of its calls; then the same command ends as if nothing had been."""
    return harmed(rng.choice(sorted(COMMANDS)), rng, folder)


def harmed(name: str, rng: Random, folder: Path) -> str:
    if shutil.which("gcc") is None:
        return "no compiler"
    n_calls, wanted = _undisturbed(name)
    line = _prepare(name, folder)
    harm, at = rng.choice(sorted(_HARMS)), rng.randrange(1, n_calls + 1)
    done = _host().run(line, folder, at, _HARMS[harm])
    detail = f"{name}: {harm} at call {at} of {n_calls}"
    # a log that cannot be written, or a stray that stays, costs no result: 0
    require(done["code"] in {0, -9, 5, 75}, f"{detail}: {done}", "untyped")
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
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(f"{folder}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = 1
            try:
                armed.fault_arm(f"{folder}/".encode(), ctypes.c_long(at), error)
                code = run(words)
                os.write(writing, str(armed.fault_seen()).encode())
            finally:
                os._exit(code)
        os.close(writing)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        seen = int(os.read(reading, 20) or 0)
        os.close(reading)
        said = Path(f"{folder}.said").read_text(errors="replace")[-400:]
        sys.stdout.write(json.dumps({"code": code, "seen": seen, "said": said}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
