"""Time of a search per call without its oracle, in a run set up for 10,000 calls, on an idle machine.

    python scripts/benchmark/overhead.py                    # 1 and 2 threads, the first 1,000 calls
    python scripts/benchmark/overhead.py --calls 200 --threads 1 --no-record

One process runs one PMO task with the settings of `pmo.py`, with a row for each interval between marks in the
number of calls, in wall-clock and processor time. Other work on the machine distorts the wall-clock time.
MOLVAE_DATA names the directory with zinc250k/zinc250k.csv.gz.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmo_runs import add_options, execute, plan
from record import commit, record

if TYPE_CHECKING:
    from pmo_runs import Run

NAME, METHOD = "overhead", "bo"
SETTINGS = ("q=10", "q_most=50", "evaluation_batch=50")
_MARKS = (100, 300, 1000, 3000)


def main() -> None:
    """Run the task with each number of threads, print a line at each mark, record them."""
    options = _options()
    started_at = commit()
    table: list[dict[str, Any]] = []
    figures: dict[str, float | int | None] = {}
    for threads in options.threads:
        with tempfile.TemporaryDirectory() as work:
            options.work = Path(work)
            [run] = plan(options, [options.task], label=METHOD, method=METHOD, assignments=SETTINGS)
            rows = _timed(replace(run, threads=threads), options.calls)
        table += rows
        spent = sum(row["ms_per_call"] * (row["to_call"] - row["from_call"]) for row in rows)
        figures[f"ms_per_call_{threads}_threads"] = round(spent / rows[-1]["to_call"], 1)
    if not options.no_record:
        print(record(NAME, figures=figures, table=table, seeds=options.seeds, started_at=started_at))


def _timed(run: Run, n_calls: int) -> list[dict[str, Any]]:
    """A row for each interval of a run of `n_calls`, printed as soon as it is measured."""
    rows: list[dict[str, Any]] = []
    for mark in [*(mark for mark in _MARKS if mark < n_calls), n_calls]:
        done = execute(replace(run, most=mark))
        row = {
            "task": run.task,
            "threads": run.threads,
            "from_call": rows[-1]["to_call"] if rows else 0,
            "to_call": done["calls"],
            "ms_per_call": done["overhead_ms_per_call"],
            "cpu_ms_per_call": done["overhead_cpu_ms_per_call"],
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
    add("--calls", type=int, default=1000, help="calls after which a run stops")
    add("--threads", type=int, nargs="+", default=[1, 2], help="of torch")
    add("--seeds", type=int, nargs=1, default=[0])
    add("--budget", type=int, default=10_000, help="budget of the runs")
    add("--n-library", type=int, default=1000, help="start molecules from ZINC250k")
    add_options(add, NAME)
    return parser.parse_args()


if __name__ == "__main__":
    main()
