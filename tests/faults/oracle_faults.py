"""Faults of oracles: programs, servers and functions that crash, hang, answer wrongly or leave processes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile_oracle
from fault import require, require_no_orphans

from molvae.chemistry.molecule import Molecule, parse
from molvae.oracles.base import ask
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

PROGRAM = Path(hostile_oracle.__file__)
LIMIT = 1.0  # seconds for one molecule, where programs start as fast as they should
_LATE = ("hang", "leaves_children", "deaf", "flood")
_BOTH = (
    "raise",
    "exit",
    "segfault",
    *_LATE,
    "wrong_length",
    "nan",
    "infinite",
    "text",
    "none",
    "huge",
    "bool",
)
_LINES = (
    "garbage",
    "truncated",
    "not_an_object",
    "other_id",
    "reordered",
    "no_scores",
    "twice",
    "nested",
    "long_line",
)
_SERVERS = ("hang", "drip", "status_500", "status_404", "cut_off", "wrong_length", "nan", "text", "none")
_SERVERS += ("garbage", "truncated", "not_an_object", "reordered", "no_scores", "nested", "redirect")
CASES = [("command", mode) for mode in (*_BOTH, *_LINES)]
CASES += [("reinvent", mode) for mode in ("raise", "exit", "segfault", "hang", "wrong_length", "nan", "text")]
CASES += [("server", mode) for mode in _SERVERS]
CASES += [("python", mode) for mode in (*_BOTH[:-1], "long_line")]
_OWN = """
import sys
sys.path.insert(0, {folder!r})
sys.argv = ["own.py", {marker!r}]
import hostile_oracle

def score(smiles: list[str]) -> list[float]:
    return hostile_oracle.score({mode!r}, smiles)
"""


def molecules(*texts: str) -> list[Molecule]:
    return [molecule for text in texts if isinstance(molecule := parse(text), Molecule)]


def hostile_oracle_trial(rng: Random, folder: Path) -> str:
    """A misbehaving oracle: every molecule gets one score, in time, and no process is left."""
    return hostile(*rng.choice(CASES), folder)


def hostile(kind: str, mode: str, folder: Path) -> str:
    marker = f"{folder.name}-{kind}-{mode}"
    limit = _limit()
    with _spec(kind, mode, marker, folder, limit) as text:
        oracle: Any = load_oracle(text)
        asked = molecules("CC", "N", "CCC", "CCCC")
        begun = time.monotonic()
        scores = ask(oracle, asked)
        seconds = time.monotonic() - begun
        after = ask(oracle, molecules("CCCCC", "CCCCCC"))
        oracle.close()
    values = [score.value for score in (*scores, *after) if score.is_ok]
    wanted = [2.0, 3.0, 4.0, 5.0, 6.0]
    bad = scores[1]
    if bad.is_ok:
        require(mode == "twice", f"{kind} {mode} gave {bad.value} for N", "silent_load")
        values.remove(bad.value)
    require(values == wanted, f"{kind} {mode}: the others are {values}: {[*scores, *after]}", "lost_score")
    late = mode in (*_LATE, "drip") or (kind, mode) == ("python", "long_line")
    require((bad.status == "timeout") == late or mode == "long_line", f"{kind} {mode}: {bad}")
    require(bad.is_ok or bad.detail, f"{kind} {mode}: no detail")
    require(not late or seconds >= limit, "a time-out before its time")
    require_no_orphans(marker)
    require_no_orphans(str(folder))
    return f"{kind}: {bad.status}"


def _limit() -> float:
    """The time limit, longer on a busy machine, so that good answers are not late."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return max(LIMIT, 10.0 * (time.monotonic() - begun))


@contextmanager
def _spec(kind: str, mode: str, marker: str, folder: Path, limit: float) -> Iterator[str]:
    # a hang of four would cost four times the limit before each is asked alone
    size = 1 if mode in (*_LATE, "drip", "long_line") else 64
    options = f"timeout={limit:.3f},pause=0.01,batch={size}"
    words = [sys.executable, "-I", "-S", str(PROGRAM)]
    if kind == "python":
        own = folder / "own.py"
        own.write_text(_OWN.format(folder=str(PROGRAM.parent), mode=mode, marker=marker))
        yield f"isolated[{options}]:{own}:score"
    elif kind == "server":
        with served(mode) as port:
            yield f"http[{options}]://127.0.0.1:{port}/score?{marker}"
    elif kind == "reinvent":
        command = shlex.join([*words, "reinvent", mode, marker])
        yield f"cmd[reinvent,{options},start={3 * limit:.3f}]:{command}"
    else:
        yield f"cmd[{options}]:{shlex.join([*words, mode, marker])}"


@contextmanager
def served(mode: str) -> Iterator[int]:
    """A server that misbehaves in one way; yields its port."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bad = hostile_oracle.TRIGGER in message["smiles"]
            if bad and mode == "hang":
                stopped.wait(60)
            status = {"status_500": 500, "status_404": 404, "redirect": 302}.get(mode, 200) if bad else 200
            body = hostile_oracle.answer(mode if mode != "hang" else "good", message).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body) + (99 if bad and mode == "cut_off" else 0)))
            self.end_headers()
            if bad and mode == "drip":
                while not stopped.wait(0.1):
                    self.wfile.write(b" ")
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # the client has left
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
