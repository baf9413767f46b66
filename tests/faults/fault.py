"""Faults, their trials, and processes that die at a chosen operation.

A trial injects one fault and checks the result. It returns one word that describes the outcome, or raises
`Broken`. `families.py` lists all families; the test suite runs a few trials of each, `scripts/faults` many.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, mkdtemp
from typing import Literal

Kind = Literal[
    "failure",
    "silent_load",
    "lost_score",
    "doubled_score",
    "orphan",
    "lost",
    "mixed",
    "untyped",
    "reader_refused",
    "bomb_over_1gb",
]

Trial = Callable[[Random, Path], str]
"""`(random numbers, empty folder) -> what happened`."""


class Broken(AssertionError):  # noqa: N818 - it is what a promise is then
    """A guarantee was violated."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


@dataclass(frozen=True)
class Family:
    """A kind of fault."""

    name: str
    trial: Trial
    nightly: int
    """Trials of a night, as the catalogue of faults asks."""
    short: int
    """Trials in the suite."""
    promise: str
    """What holds whatever happens."""
    covered: Callable[[], dict[str, str]] | None = None
    """How much of what can be harmed the trials have reached, where that is counted."""


@cache
def _scratch_root() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="faults-")


def scratch() -> Path:
    """An empty directory that is removed when this process ends."""
    return Path(mkdtemp(dir=_scratch_root().name))


def require(condition: object, detail: str, kind: Kind = "failure") -> None:
    if not condition:
        raise Broken(kind, detail)


_EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link"}
_DIED = "killed"


class Bomb:
    """Counts file operations of a process, and kills it at the chosen one, like kill -9.

    Opening for writing, fsync, renaming, removing and creating directories count. With `half`, the file
    that is synced is truncated to half first, as after a power failure.
    """

    def __init__(self, at: int, within: Path, *, half: bool = False) -> None:
        self.left = at
        self.within = str(within)
        self.half = half

    def arm(self) -> None:
        flush = os.fsync

        def fsync(descriptor: int) -> None:
            if self.left <= 1 and self.half:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            self._count()
            flush(descriptor)

        os.fsync = fsync
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            if writes and str(path).startswith(self.within):
                self._count()
        elif event in _EVENTS and str(arguments[0]).startswith(self.within):
            self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(action: Callable[[], object], *, bomb: Bomb | None = None) -> int:
    """Run an action in a forked process and return how it ended: 0, 70 if it raised, minus a signal."""
    child = _forked(action, None if bomb is None else bomb.arm)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _forked(action: Callable[[], object], before: Callable[[], object] | None) -> int:
    """Process id of a fork that runs `before` and the action, and exits with 0, or 70 if they raised."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            if before is not None:
                before()
            action()
            code = 0
        except BaseException as error:  # noqa: BLE001 - the parent is told by the exit code
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return child


def killed_after(action: Callable[[], object], seconds: float, ready: Path | None = None) -> int:
    """Run an action in a forked process and kill it some seconds after `ready` exists."""
    child = _forked(action, os.setsid)
    deadline = time.monotonic() + 120.0
    while ready is not None and not ready.exists() and time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0] == child:
            return 0
        time.sleep(0.002)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def hidden(folder: Path) -> list[str]:
    """Temporary files that were left."""
    endings = (".tmp", ".previous", ".tally", "-wal", "-shm")
    return [path.name for path in folder.rglob("*") if path.name.endswith(endings)]


def processes(marker: str) -> list[int]:
    """Other running processes with a text in their command line or environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            if marker.encode() in said and int(path.name) != os.getpid():
                found.append(int(path.name))
    return found


def require_no_orphans(marker: str, seconds: float = 10.0) -> None:
    """Require that no process with this text in its command line or environment is left after a moment."""
    deadline = time.monotonic() + seconds
    while left := processes(marker):
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            raise Broken("orphan", f"{len(left)} processes are left")
        time.sleep(0.02)
