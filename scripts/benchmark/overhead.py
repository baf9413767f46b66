"""Time what a search takes per call beside its oracle, in a run set up for 10,000, on a machine at rest.

    python scripts/benchmark/overhead.py                    # 1 and 2 threads, the first 1,000 calls
    python scripts/benchmark/overhead.py --calls 200 --no-record

One process plays one task of PMO with the settings of `pmo.py`'s runs; by the clock and in processor time,
between marks in the number of calls. Other work on the machine spoils the times by the clock. MOLVAE_DATA
names the directory that holds zinc250k/zinc250k.csv.gz.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pmo_runs import Timed, add_options, planned, settings_of, start_of
from record import commit, record

from molvae.campaign.campaign import Campaign
from molvae.campaign.runner import run
from molvae.latent.codec import MolVAE
from molvae.oracles.plugins import load_oracle
from molvae.progress import PlainProgress

if TYPE_CHECKING:
    from pmo_runs import Run

NAME, METHOD = "overhead", "latent-bo"
SETTINGS = ("q=10", "q_most=50", "evaluation_batch=50")
_MARKS = (0, 100, 300, 1000, 3000, 10_000)


def main() -> None:
    """Play the task with each number of threads, print the times between the marks, record them."""
    options = _options()
    started_at = commit()
    table: list[dict[str, Any]] = []
    for n_threads in options.threads:
        with tempfile.TemporaryDirectory() as work:
            options.work = Path(work)
            [planned_run] = planned(
                options, [options.task], label=METHOD, method=METHOD, assignments=SETTINGS
            )
            table += _timed(planned_run, n_threads, options.calls)
    if not options.no_record:
        whole = {row["threads"]: row["ms_per_call"] for row in reversed(table) if row["from_call"] == 0}
        figures = {f"ms_per_call_{n}_threads": value for n, value in whole.items()}
        print(record(NAME, figures=figures, table=table, seeds=options.seeds, started_at=started_at))


def _timed(planned_run: Run, n_threads: int, n_calls: int) -> list[dict[str, Any]]:
    """Rows of one run: the whole of it, then its parts."""
    model = MolVAE.load(planned_run.checkpoint, device="cpu")
    torch.set_num_threads(n_threads)
    oracles = {name: Timed(load_oracle(name)) for name, _ in planned_run.goals}
    moments: list[tuple[int, float, float]] = []

    def enough(campaign: Campaign) -> bool:
        wall, cpu = (sum(getattr(o, kind) for o in oracles.values()) for kind in ("wall", "cpu"))
        moments.append((campaign.n_calls, time.perf_counter() - wall, time.process_time() - cpu))
        return campaign.n_calls >= n_calls

    journal = planned_run.work / "run.sqlite"
    with Campaign.create(journal, model, settings_of(planned_run), start=start_of(planned_run)) as campaign:
        run(campaign, oracles, enough=enough, progress=PlainProgress(sys.stderr, every=30.0))
    end = len(moments) - 1
    stops = sorted({next((j for j, m in enumerate(moments) if m[0] >= mark), end) for mark in _MARKS})
    parts = list(pairwise(stops))
    spans = [(0, end), *(parts if len(parts) > 1 else ())]
    rows = [_row(planned_run.task, n_threads, moments[first], moments[last]) for first, last in spans]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    return rows


def _row(
    task: str, n_threads: int, first: tuple[int, float, float], last: tuple[int, float, float]
) -> dict[str, Any]:
    """What was spent between two moments, per call."""
    (low, wall, cpu), (high, wall_after, cpu_after) = first, last
    calls = high - low
    return {
        "task": task,
        "threads": n_threads,
        "from_call": low,
        "to_call": high,
        "ms_per_call": round(1e3 * (wall_after - wall) / calls, 1),
        "cpu_ms_per_call": round(1e3 * (cpu_after - cpu) / calls, 1),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", default="perindopril_mpo", help="of PMO")
    add("--calls", type=int, default=1000, help="after which a run is stopped")
    add("--threads", type=int, nargs="+", default=[1, 2], help="of torch")
    add("--seeds", type=int, nargs=1, default=[0])
    add("--budget", type=int, default=10_000, help="calls the runs are set up for")
    add("--n-library", type=int, default=1000, help="ZINC molecules that come along")
    add_options(add, NAME)
    return parser.parse_args()


if __name__ == "__main__":
    main()
