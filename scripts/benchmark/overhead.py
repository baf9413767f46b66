"""Time what a search takes per call beside its oracle, in a run set up for 10,000, on a machine at rest.

    python scripts/benchmark/overhead.py                    # 1 and 2 threads, the first 1,000 calls
    python scripts/benchmark/overhead.py --calls 200 --threads 1 --no-record

One process plays one task of PMO with the settings of `pmo.py`'s runs and stops at marks in the number of
calls; a row is of what lies between two of them, by the clock and in processor time. Other work on the
machine spoils the times by the clock. MOLVAE_DATA names the directory that holds zinc250k/zinc250k.csv.gz.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmo_runs import add_options, planned, play
from record import commit, record

if TYPE_CHECKING:
    from pmo_runs import Run

NAME, METHOD = "overhead", "bo"
SETTINGS = ("q=10", "q_most=50", "evaluation_batch=50")
_MARKS = (100, 300, 1000, 3000)


def main() -> None:
    """Play the task with each number of threads, print a line at each mark, record them."""
    options = _options()
    started_at = commit()
    table: list[dict[str, Any]] = []
    figures: dict[str, float | int | None] = {}
    for threads in options.threads:
        with tempfile.TemporaryDirectory() as work:
            options.work = Path(work)
            [run] = planned(options, [options.task], label=METHOD, method=METHOD, assignments=SETTINGS)
            rows = _timed(replace(run, threads=threads), options.calls)
        table += rows
        spent = sum(row["ms_per_call"] * (row["to_call"] - row["from_call"]) for row in rows)
        figures[f"ms_per_call_{threads}_threads"] = round(spent / rows[-1]["to_call"], 1)
    if not options.no_record:
        print(record(NAME, figures=figures, table=table, seeds=options.seeds, started_at=started_at))


def _timed(run: Run, n_calls: int) -> list[dict[str, Any]]:
    """A row for each part of a run that `n_calls` end, as soon as it is played."""
    rows: list[dict[str, Any]] = []
    for mark in [*(mark for mark in _MARKS if mark < n_calls), n_calls]:
        played = play(replace(run, most=mark))
        row = {
            "task": run.task,
            "threads": run.threads,
            "from_call": rows[-1]["to_call"] if rows else 0,
            "to_call": played["calls"],
            "ms_per_call": played["overhead_ms_per_call"],
            "cpu_ms_per_call": played["overhead_cpu_ms_per_call"],
        }
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        rows.append(row)
    return rows


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
