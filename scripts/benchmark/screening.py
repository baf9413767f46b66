"""Screen ZINC250k: rows per second by stage and compared with RDKit alone, two workers, and peak memory.

    python scripts/benchmark/screening.py                        about 6 minutes of two idle cores
    python scripts/benchmark/screening.py --clock cpu            if other work shares the machine
    python scripts/benchmark/screening.py --memory-only --memory-rows 100000 1000000 10000000     an hour

MOLVAE_DATA names the directory with zinc250k/zinc250k.csv.gz. Memory is measured with the cheapest stages
(read, parse, canonicalize, keep the largest) on a file of repeated small molecules; --memory-only measures
only this and updates the rows in the existing record after each size.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from arguments import CHECKPOINT, parser_of
from prepare import PeakMemory
from rdkit import Chem, rdBase
from record import amend, commit, record

from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.latent.encoding import token_batches
from molvae.models.devices import limited_threads

if TYPE_CHECKING:
    import argparse

OBJECTIVES = ["--maximize", "qed", "--at-most", "sa=3.5", "--at-least", "predicted_logp=0"]
CHEAPEST = ["--standardize", "none", "--maximize", "heavy_atoms", "--domain", "none"]
CHEAPEST += ["--set", "predict=false", "--top", "100"]
SMALL = ("CCO", "CC(C)N", "c1ccccc1", "CC(=O)O", "C1CCNCC1", "OCC=C", "CC#N", "CSC")
DESCRIBED = ("objective", "descriptors")  # stages that are descriptors alone
SAMPLE = 2000  # molecules the floors are measured on
ROWS, MEMORY_ROWS = 30_000, (10**5, 10**6)


def main() -> None:
    """Measure; print the table; record it unless the sizes are not the standard ones."""
    given, started_at = _options(), commit()
    if given.memory_only:
        _measure_memory(given, started_at)
        return
    smiles = _known(max(given.rows, SAMPLE))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        floor = floors(smiles[:SAMPLE], given.checkpoint)
        speed = [_speed(root, smiles, workers, given) for workers in (0, *given.workers)]
        memory = [_memory(root, n_rows, given) for n_rows in given.memory_rows]
    stages, useful = _stages(speed[0], floor, given.rows)
    table = [*(_row("speed", **run) for run in speed), *stages, *(_row("memory", **run) for run in memory)]
    for row in table:
        print(json.dumps(row))
    figures = _figures(speed, memory, floor, useful, given)
    print(json.dumps(figures, indent=2))
    if given.short or given.no_record:
        return
    print(record("screening", figures=figures, table=table, seeds=[], started_at=started_at).name)


def _measure_memory(given: argparse.Namespace, started_at: str) -> None:
    """Measure only memory; after each size, update the record of an earlier run."""
    memory: list[dict[str, Any]] = []

    def remembered(content: dict[str, Any]) -> None:
        rows = [row for row in content["table"] if not row["what"].startswith("memory")]
        rows += [_row(f"memory, commit {started_at[:7]}", **run) for run in memory]
        content["table"] = content["summary"] = rows
        others = {name: value for name, value in content["figures"].items() if not name.startswith("rss_")}
        content["figures"] = others | _peaks(memory)

    for n_rows in given.memory_rows:
        with tempfile.TemporaryDirectory() as place:
            memory.append(_memory(Path(place), n_rows, given))
        print(json.dumps(_row("memory", **memory[-1])), flush=True)
        if not (given.short or given.no_record):
            amend("screening", remembered)


def _peaks(memory: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """Peak memory by number of rows, and the ratio of that of most rows to that of fewest."""
    peaks: dict[str, float | int | None] = {
        f"rss_1e{len(str(run['rows'])) - 1}_mb": round(run["peak_mb"]) for run in memory
    }
    if len(memory) > 1:
        least, most = (extreme(memory, key=lambda run: run["rows"]) for extreme in (min, max))
        peaks["rss_growth"] = round(most["peak_mb"] / least["peak_mb"], 3)
    return peaks


def floors(smiles: list[str], checkpoint: Path) -> dict[str, float]:
    """Processor seconds per molecule of steps that every screen needs, each alone, in one thread.

    parse and canonicalize: RDKit itself. standardize: like the model's molecules. network: encoder and heads
    on tokens in memory.
    """
    parameters = Chem.SmilesParserParams()
    parameters.parseName = parameters.allowCXSMILES = False
    with rdBase.BlockLogs():
        started = time.process_time()
        mols = [Chem.MolFromSmiles(text, parameters) for text in smiles]
        parsed = time.process_time()
        for mol in mols:
            Chem.MolToSmiles(mol)
        written = time.process_time()
    molecules = [molecule for text in smiles if is_valid(molecule := parse(text))]
    model = MolVAE.load(checkpoint, device="cpu")
    level, keep_stereo = model.settings.standardize, model.settings.keep_stereo
    begun = time.process_time()
    for molecule in molecules:
        standardize(molecule, level, keep_stereo=keep_stereo)
    standard = time.process_time()
    batches = list(token_batches(model.tokenizer, molecules))
    with torch.inference_mode(), limited_threads(1):
        encoding = time.process_time()
        for _, tokens, lengths in batches:
            posterior = model.network.encoder(torch.from_numpy(tokens), torch.from_numpy(lengths))
            model.network.predict(posterior.mu)
        encoded = time.process_time()
    spent = {"parse": parsed - started, "canonicalize": written - parsed, "standardize": standard - begun}
    spent["network"] = encoded - encoding
    return {name: seconds / len(smiles) for name, seconds in spent.items()}


def screened(source: Path, checkpoint: Path, output: Path, words: list[str], workers: int) -> dict[str, Any]:
    """Run `molvae screen` in a child: wall and processor seconds, peak memory, processor seconds by stage."""
    command = [sys.executable, "-m", "molvae", "screen", str(source), "--checkpoint", str(checkpoint)]
    command += ["-o", str(output), "--workers", str(workers), "--device", "cpu", "-q", *words]
    started = time.monotonic()
    child = subprocess.Popen(  # noqa: S603
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )
    memory = PeakMemory(child.pid)
    memory.start()
    _, status, used = os.wait4(child.pid, 0)  # includes its workers
    wall = time.monotonic() - started
    peak = memory.stop()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(child.returncode)
    seconds = json.loads((output / "shards" / "0-of-1" / "end.json").read_text(encoding="utf-8"))["seconds"]
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mb": peak, "seconds": seconds}


def _speed(root: Path, smiles: list[str], workers: int, given: argparse.Namespace) -> dict[str, Any]:
    """A screen with all stages, minus its start-up time."""
    source = _library(root / "speed.smi", smiles, given.rows)
    empty = _library(root / "start.smi", smiles, 1)
    words = [*OBJECTIVES, "--set", f"part_bytes={given.part_bytes}"]
    start = screened(empty, given.checkpoint, root / f"start{workers}", words, workers)
    run = screened(source, given.checkpoint, root / f"speed{workers}", words, workers)
    spent = max(run[given.clock] - start[given.clock], 1e-9)
    return {
        "rows": given.rows,
        "workers": workers,
        "rows_per_second": given.rows / spent,
        "ms_per_row": 1000 * (run["cpu"] - start["cpu"]) / given.rows,
        "peak_mb": run["peak_mb"],
        "seconds": run["seconds"],
    }


def _memory(root: Path, n_rows: int, given: argparse.Namespace) -> dict[str, Any]:
    source = _library(root / "memory.smi", list(SMALL), n_rows)
    words = [*CHEAPEST, "--set", "part_bytes=131072"]
    run = screened(source, given.checkpoint, root / f"memory{n_rows}", words, 2)
    return {
        "rows": n_rows,
        "workers": 2,
        "rows_per_second": n_rows / run[given.clock],
        "ms_per_row": 1000 * run["cpu"] / n_rows,
        "peak_mb": run["peak_mb"],
    }


def _stages(
    run: dict[str, Any], floor: dict[str, float], n_rows: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Time per row by stage in one process, and the part of RDKit and the network alone."""
    total = run["ms_per_row"]
    by_stage = {name: 1000 * seconds / n_rows for name, seconds in run["seconds"].items() if seconds > 0}
    by_stage["write and schedule"] = max(0.0, total - sum(by_stage.values()))
    useful = {name: 1000 * seconds for name, seconds in floor.items()}
    useful["descriptors"] = sum(by_stage.get(name, 0.0) for name in DESCRIBED)
    rows = [_row(f"stage: {name}", ms_per_row=ms, share=ms / total) for name, ms in by_stage.items()]
    rows += [_row(f"of it alone: {name}", ms_per_row=ms, share=ms / total) for name, ms in useful.items()]
    return rows, useful


def _row(what: str, **values: Any) -> dict[str, Any]:
    """A row of the table with all columns."""
    columns = {"rows": 0, "workers": 0, "rows_per_second": 1, "ms_per_row": 3, "share": 3, "peak_mb": 0}
    line: dict[str, Any] = {"what": what}
    for name, digits in columns.items():
        value = values.get(name)
        line[name] = None if value is None else (round(value, digits) if digits else round(value))
    return line


def _figures(
    speed: list[dict[str, Any]],
    memory: list[dict[str, Any]],
    floor: dict[str, float],
    useful: dict[str, float],
    given: argparse.Namespace,
) -> dict[str, float | int | None]:
    rates = {run["workers"]: run["rows_per_second"] for run in speed}
    total = speed[0]["ms_per_row"]
    free = given.clock == "wall" and {1, 2} <= rates.keys()
    strict = sum(ms for name, ms in useful.items() if name != "standardize")
    return {
        "rows_per_second": round(rates.get(2, rates[0]), 1) if given.clock == "wall" else None,
        "rows_per_second_per_core": round(1000 / total, 1),
        "rdkit_floor_rows_per_second": round(1 / (floor["parse"] + floor["canonicalize"]), 1),
        "two_worker_ratio": round(rates[2] / rates[1], 2) if free else None,
        "overhead_share": round(1 - sum(useful.values()) / total, 3),
        "overhead_share_with_standardization": round(1 - strict / total, 3),
        **_peaks(memory),
    }


def _known(n: int) -> list[str]:
    data = Path(os.environ["MOLVAE_DATA"]).resolve() / "zinc250k" / "zinc250k.csv.gz"
    with gzip.open(data, "rt", encoding="utf-8") as file:
        return [line.partition(",")[0].strip() for line in islice(file, 1, 1 + n)]


def _library(path: Path, smiles: list[str], n_rows: int) -> Path:
    """Write n rows, repeating the given ones."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{text} m{n}\n" for n, text in enumerate(islice(cycle(smiles), n_rows)))
    return path


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the runs that measure speed")
    parser.add_argument("--part-bytes", type=int, default=1 << 17, help="size of a part in these runs")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="in addition to 0")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=list(MEMORY_ROWS))
    parser.add_argument(
        "--memory-only", action="store_true", help="measure only memory and update the record"
    )
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="clock of the rates")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("--short", action="store_true", help="few rows, nothing recorded")
    given = parser.parse_args()
    if given.short:
        given.rows, given.memory_rows, given.workers = 300, [1000], [1]
    return given


if __name__ == "__main__":
    main()
