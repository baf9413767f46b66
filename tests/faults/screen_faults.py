"""Faults of screens and pipes: kill -9 and signals at random times, shards, pipes that are closed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from fault import Bomb, hidden, in_child, killed_after, require, require_no_orphans, scratch
from model_faults import undisturbed

from molvae.cli.main import main
from molvae.data.partition import Shard
from molvae.persistence.files import sha256_of
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.parts import read_part
from molvae.screening.pipeline import screen

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

_PART_BYTES, _TOP = 300, 9


def _asked() -> ScreenSettings:
    table, _, run = undisturbed()
    return ScreenSettings.model_validate(
        {
            "library": str(table), "checkpoint": run / "model", "top": _TOP, "part_bytes": _PART_BYTES,
            "objectives": ({"name": "qed"}, {"name": "logp", "direction": "at_most", "bound": 2.0}),
        }
    )  # fmt: skip


def _digests(result: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in result.iterdir()}


@cache
def _whole() -> tuple[int, dict[str, str]]:
    """The number of parts, and the files of a screen without faults."""
    path = scratch() / "screen"
    n_parts = screen(_asked(), path, workers=0, device="cpu").n_parts
    return n_parts, _digests(merge([path]).path)


def _screen(path: Path, workers: int) -> None:
    os.environ["MOLVAE_FAULT"] = str(path)  # what worker processes are known by
    screen(_asked(), path, workers=workers, device="cpu")


def _require_whole(path: Path, before: int, detail: str) -> None:
    """Require that the same call continues, with the same result as without faults."""
    n_parts, wanted = _whole()
    done = screen(_asked(), path, workers=0, device="cpu")
    require(
        done.n_skipped >= before, f"{detail}: {before} parts were there, {done.n_skipped} are", "lost_score"
    )
    require(done.n_parts == n_parts, f"{detail}: {done.n_parts} parts instead of {n_parts}")
    require(_digests(merge([path]).path) == wanted, f"{detail}: another result", "silent_load")
    require(not hidden(path), f"{detail}: left behind: {hidden(path)}")


def _parts(path: Path) -> int:
    return sum(1 for _ in path.glob("parts/*/[0-9]*"))


def killed_screen(rng: Random, folder: Path) -> str:
    """kill -9 at random times of a screen, or at a chosen file operation; then it is finished."""
    path, workers = folder / "screen", int(rng.random() < 0.1)
    killed = 0
    _whole()
    for _ in range(rng.randrange(1, 4)):
        if workers == 0 and rng.random() < 0.5:
            bomb = Bomb(rng.randrange(1, 250), folder, half=rng.random() < 0.5)
            ended = in_child(lambda: _screen(path, 0), bomb=bomb)
        else:
            ready = path / "parts" if rng.random() < 0.8 else None
            ended = killed_after(lambda: _screen(path, workers), rng.uniform(0, 0.4), ready=ready)
        require(ended in {0, -signal.SIGKILL}, f"the screen ended with {ended}")
        killed += ended != 0
    require_no_orphans(str(path))
    whole = sum(_is_whole(path, number) for number in range(_whole()[0]))
    _require_whole(path, whole, f"killed {killed} times")
    return f"killed {killed} times"


def _is_whole(path: Path, number: int) -> bool:
    """Whether a part exists; if so, require that it is complete and undamaged."""
    from molvae.screening.job import load_job

    return (path / "job.json").exists() and read_part(path, number, load_job(path).digest) is not None


def sharded_screen(rng: Random, folder: Path) -> str:
    """1, 2 and 7 shards with 0, 1 and 2 workers, in parts of any size: nine identical results."""
    asked = _asked().model_copy(update={"part_bytes": rng.randrange(60, 2000)})
    results = []
    for n, workers in product((1, 2, 7), (0, 1, 2)):
        path = folder / f"{n} by {workers}"
        shards = [Shard(index, n) for index in range(n)]
        rng.shuffle(shards)
        for shard in shards:
            screen(asked, path, shard=shard, workers=workers, device="cpu")
        results.append(_digests(merge([path]).path))
        require(results[-1] == results[0], f"{n} shards, {workers} workers: another result", "silent_load")
    return f"{len(results)} times the same bytes"


def interrupted_screen(rng: Random, folder: Path) -> str:
    """SIGINT, SIGTERM (once or twice) or SIGUSR1 at a random time of `molvae screen`."""
    number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
    path, asked = folder / "screen", _asked()
    n_parts, wanted = _whole()
    words = ["screen", asked.library, "--checkpoint", str(asked.checkpoint), "-o", str(path), "-q"]
    words += ["--maximize", "qed", "--at-most", "logp=2", "--top", str(_TOP), "--workers", "0"]
    words += ["--device", "cpu", "--set", f"part_bytes={_PART_BYTES}"]
    child = _started(words)
    deadline, ended = time.monotonic() + 120, None
    while not (path / "parts").exists() and time.monotonic() < deadline:
        require(os.waitpid(child, os.WNOHANG)[0] == 0, "the command ended before it was interrupted")
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 0.2))
    twice = number != signal.SIGUSR1 and rng.random() < 0.3
    for _ in range(2 if twice else 1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
        time.sleep(rng.choice([0.0, 0.01]))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # after the work the signal finds the interpreter's own handlers: 130 and 143
    allowed = {75, 0, 128 + number} | ({-number} if twice or number == signal.SIGUSR1 else set())
    require(ended in allowed, f"signal {number}: exit code {ended}")
    before = _parts(path)
    require(ended != 0 or before == n_parts, "exit code 0 with parts missing", "lost_score")
    if ended != 0:
        again = os.waitstatus_to_exitcode(os.waitpid(_started(words), 0)[1])
        require(again == 0, f"the same command ended with {again}")
    require(_digests(path / "result") == wanted, "another result", "silent_load")
    require(not hidden(path), f"left behind: {hidden(path)}")
    return f"exit code {ended}"


def closed_pipe(rng: Random, folder: Path) -> str:
    """The reader of a command's stdout closes the pipe after some bytes (`molvae encode ... | head`)."""
    del folder
    table, _, run = undisturbed()
    reading, writing = os.pipe()
    words = ["encode", str(run / "model"), str(table), "--device", "cpu", "-q"]
    child = _started(words, stdout=writing, unused=reading)
    os.close(writing)
    wanted = rng.choice([0, 1, 100, rng.randrange(50_000)])
    while wanted > 0 and (got := os.read(reading, min(wanted, 4096))):
        wanted -= len(got)
    os.close(reading)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    require(ended in {0, 141}, f"exit code {ended}")
    return f"exit code {ended}"


def _started(words: list[str], *, stdout: int | None = None, unused: int | None = None) -> int:
    """`molvae WORDS` in a forked process."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        if unused is not None:
            os.close(unused)
        os.dup2(os.open(os.devnull, os.O_WRONLY) if stdout is None else stdout, 1)
        if stdout is not None:
            os.close(stdout)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stdout = os.fdopen(1, "w")
        main(words)
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os._exit(code)
