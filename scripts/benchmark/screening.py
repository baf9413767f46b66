"""Screen ZINC250k again and again: rows per second by stage beside RDKit alone, and peak memory.

MOLVAE_DATA names the directory that holds zinc250k/zinc250k.csv.gz. The full run takes hours on two cores, as
10^7 rows are led through the cheapest stages for the memory; --short takes minutes and records nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from prepare import PeakMemory  # beside this file
from record import ROOT, commit, record

from molvae.chemistry.molecule import parse
from molvae.latent.codec import MolVAE
from molvae.latent.device import limited_threads

OBJECTIVES = ["--maximize", "qed", "--at-most", "sa=3.5", "--at-least", "predicted_logP=0"]
CHEAPEST = [
    "--standardize",
    "none",
    "--maximize",
    "heavy_atoms",
    "--set",
    "predict=false",
    "--domain",
    "none",
]
RDKIT = ("chemistry", "objective", "descriptors")
SAMPLE = 2000  # molecules the floors are measured on


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "zinc250k")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the runs that measure speed")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10**5, 10**6, 10**7])
    parser.add_argument("--short", action="store_true", help="few rows, nothing recorded")
    given = parser.parse_args()
    if given.short:
        given.rows, given.memory_rows = 1_000, [1_000, 10_000]
    return given


def library(path: Path, smiles: list[str], n_rows: int) -> Path:
    """Write n rows, the known ones again and again."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{text} m{n}\n" for n, text in enumerate(islice(cycle(smiles), n_rows)))
    return path


def screened(source: Path, checkpoint: Path, output: Path, words: list[str], workers: int) -> dict[str, Any]:
    """Run `molvae screen` in a child; its wall time, peak memory and processor seconds by stage."""
    command = [sys.executable, "-m", "molvae", "screen", str(source), "--checkpoint", str(checkpoint)]
    command += ["-o", str(output), "--workers", str(workers), "--device", "cpu", "-q", *words]
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    ) as child:
        memory = PeakMemory(child.pid)
        memory.start()
        code = child.wait()
    peak = memory.stop()
    wall = time.monotonic() - started
    if code != 0:
        sys.exit(code)
    seconds = json.loads((output / "shards" / "0-of-1" / "end.json").read_text(encoding="utf-8"))["seconds"]
    return {"wall": wall, "peak_mb": peak, "seconds": seconds}


def floors(smiles: list[str], checkpoint: Path) -> tuple[float, float]:
    """Processor seconds per molecule: RDKit parse and canonical SMILES, and cutting into tokens."""
    started = time.process_time()
    molecules = [parse(text) for text in smiles[:SAMPLE]]
    rdkit = (time.process_time() - started) / len(molecules)
    model = MolVAE.load(checkpoint, device="cpu")
    with limited_threads(1):
        started = time.process_time()
        for molecule in molecules:
            model.tokenizer.encode(getattr(molecule, "smiles", "C"))
        tokens = (time.process_time() - started) / len(molecules)
    return rdkit, tokens


def main() -> None:
    """Measure; print the table; record it unless the run is short."""
    given, started_at = arguments(), commit()
    data = Path(os.environ["MOLVAE_DATA"]).resolve() / "zinc250k" / "zinc250k.csv.gz"
    with gzip.open(data, "rt", encoding="utf-8") as file:
        smiles = [line.partition(",")[0] for line in islice(file, 1, 1 + max(given.rows, SAMPLE))]
    floor, tokens = floors(smiles, given.checkpoint)
    table: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        source = library(root / "speed.smi", smiles, given.rows)
        empty = library(root / "start.smi", smiles, 1)
        runs = {}
        for workers in (0, 1, 2):
            start = screened(empty, given.checkpoint, root / f"start{workers}", OBJECTIVES, workers)["wall"]
            run = screened(source, given.checkpoint, root / f"speed{workers}", OBJECTIVES, workers)
            rate = given.rows / max(run["wall"] - start, 1e-9)
            runs[workers] = {**run, "rate": rate}
            table.append(
                {
                    "what": "speed",
                    "rows": given.rows,
                    "workers": workers,
                    "rows_per_second": round(rate, 1),
                    "start_seconds": round(start, 2),
                    "seconds_by_stage": run["seconds"],
                }
            )
        peaks = {}
        for n_rows in given.memory_rows:
            source = library(root / "memory.smi", smiles, n_rows)
            run = screened(source, given.checkpoint, root / f"memory{n_rows}", CHEAPEST, 2)
            peaks[n_rows] = run["peak_mb"]
            table.append(
                {"what": "memory", "rows": n_rows, "workers": 2, "peak_mb": round(run["peak_mb"], 1)}
            )
    one = runs[0]
    useful = sum(one["seconds"].get(stage, 0.0) for stage in RDKIT)
    useful += one["seconds"].get("network", 0.0) - tokens * given.rows
    figures: dict[str, float | int | None] = {
        "rows_per_second": round(runs[2]["rate"], 1),
        "rows_per_second_one_process": round(one["rate"], 1),
        "rdkit_floor_rows_per_second": round(1.0 / floor, 1),
        "two_worker_ratio": round(runs[2]["rate"] / runs[1]["rate"], 2),
        "overhead_share": round(1.0 - useful * one["rate"] / given.rows, 3),
        **{f"rss_1e{len(str(n)) - 1}_mb": round(peak) for n, peak in peaks.items()},
    }
    for row in table:
        print(json.dumps(row))
    print(json.dumps(figures, indent=2))
    if not given.short:
        print(record("screening", figures=figures, table=table, seeds=[], started_at=started_at).name)


if __name__ == "__main__":
    main()
