"""Measure the startup time of `import molvae` and `molvae --help`.

    python scripts/benchmark/startup.py

Each runs in a new process; the bare interpreter is measured for comparison. The script also checks that
neither loads torch, RDKit or BoTorch.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from record import record

HEAVY = ("torch", "rdkit", "botorch", "sklearn", "pyarrow", "matplotlib")
_LOADED = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
_RUN = "import sys; sys.argv = ['molvae', '--help']; from molvae.cli.main import run; run(sys.argv[1:])"
WHAT = {
    "python alone": ["-c", "pass"],
    "import molvae": ["-c", "import molvae"],
    "molvae --help": ["-m", "molvae", "--help"],
    "molvae optimize --help": ["-m", "molvae", "optimize", "--help"],
    "molvae train --help": ["-m", "molvae", "train", "--help"],
}
BARS = {"import molvae": 0.2, "molvae --help": 0.3}


def main() -> None:
    """Time each, in turns; print and record the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    for script in ("import molvae", _RUN):
        loaded = _output(["-c", f"{script}\n{_LOADED}"]).splitlines()[-1]
        if loaded.strip():
            raise SystemExit(f"these libraries must not be loaded: {loaded}")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WHAT}
    for turn in range(repeats + 1):  # the first only fills the disk cache
        for name, words in WHAT.items():
            spent = _seconds(words)
            if turn:
                times[name].append(spent)
    table = [_row(name, found) for name, found in times.items()]
    for row in table:
        print(row)
    figures: dict[str, float | int | None] = {}
    for row in table:
        if row["what"] in BARS:
            figures[row["what"].replace("molvae --", "")] = row["s (clock, median)"]
    print(record("startup", figures=figures, table=table, seeds=[]))


def _row(name: str, found: list[tuple[float, float]]) -> dict[str, Any]:
    clock = [one for one, _ in found]
    return {
        "what": name,
        "s (clock, median)": round(statistics.median(clock), 3),
        "s (clock, fastest)": round(min(clock), 3),
        "s (processor, median)": round(statistics.median(spent for _, spent in found), 3),
        "bar": BARS.get(name),
    }


def _seconds(words: list[str]) -> tuple[float, float]:
    """Seconds of one process by the clock, and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    _output(words)
    clock = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _output(words: list[str]) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


if __name__ == "__main__":
    main()
