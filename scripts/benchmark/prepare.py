"""Prepare ZINC250k in a child process; record row counts, time and memory.

MOLVAE_DATA names the directory with zinc250k/zinc250k.csv.gz. Another table and its options can be given
instead, and are not recorded: python scripts/benchmark/prepare.py $MOLVAE_DATA/moses/train.csv.gz
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from record import commit, record

from molvae.data.corpus import Corpus


class PeakMemory(threading.Thread):
    """Peak of the resident memory of a process and its descendants, sampled a few times a second.

    Memory shared between the processes is counted once for each, so the true figure is a little lower.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.peak_mb = 0.0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self._stopped.wait(0.2):
            self.peak_mb = max(self.peak_mb, sum(map(resident_mb, family(self.root))))

    def stop(self) -> float:
        """Return the peak in MB (10^6 bytes)."""
        self._stopped.set()
        self.join()
        return self.peak_mb


def family(root: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [root]
    for process in found:
        found.extend(children.get(process, []))
    return found


def resident_mb(process: int) -> float:
    """Return the resident memory of a process in MB, 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run `molvae prepare`, watch it, write results/prepare.json."""
    started_at = commit()
    data = Path(os.environ["MOLVAE_DATA"]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus"
        standard = [
            str(data / "zinc250k" / "zinc250k.csv.gz"),
            "--split",
            "split",
            "--labels",
            "logP,qed,SAS",
        ]
        arguments = ["prepare", *(sys.argv[1:] or standard), "-o"]
        started = time.monotonic()
        with subprocess.Popen([sys.executable, "-m", "molvae", *arguments, str(corpus)]) as child:  # noqa: S603
            memory = PeakMemory(child.pid)
            memory.start()
            code = child.wait()
        peak = memory.stop()
        seconds = time.monotonic() - started
        if code != 0:
            sys.exit(code)
        balance = Corpus.open(corpus).balance
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = spent.ru_utime + spent.ru_stime
    figures: dict[str, float | int | None] = {
        "rows": balance.rows,
        "kept": balance.kept,
        "duplicates": balance.duplicates,
        "rejected": balance.rejected,
        "peak_rss_mb": round(peak, 1),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
    }
    print(f"{balance}\npeak memory {peak:.0f} MB, {seconds:.0f} s, {processor:.0f} s of processor")
    if sys.argv[1:]:
        return
    command = ["molvae", *arguments, "corpus"]
    record("prepare", figures=figures, table=[], seeds=[0], command=command, started_at=started_at)


if __name__ == "__main__":
    main()
