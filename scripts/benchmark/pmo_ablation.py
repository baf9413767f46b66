"""Ablate parts of the search, one at a time (for adaptive components, see `ablation.py`).

All arms run the same PMO tasks from the same start molecules; a value is the area under the curve of the mean
of the ten best so far. With one seed, differences of a few hundredths are noise.

    python scripts/benchmark/pmo_ablation.py                                 # all arms, 300 calls, 3 tasks
    python scripts/benchmark/pmo_ablation.py --arms default "latent alone" --tasks qed --budget 60 --no-record

The same command continues an interrupted run; finished runs are read from --work. MOLVAE_DATA names the
directory with zinc250k/zinc250k.csv.gz.
"""

from __future__ import annotations

import argparse
import sys
from statistics import fmean
from typing import Any

from pmo_adapting import execute_adapting
from pmo_runs import add_options, execute, plan
from record import record

NAME = "pmo_ablation"
TASKS = ("celecoxib_rediscovery", "perindopril_mpo", "zaleplon_mpo")
DEFAULT = "default"

_VIEWS = 'views = ["morgan", "feature_morgan", "atom_pair"]'
ARMS: dict[str, tuple[str, ...]] = {
    DEFAULT: (),
    "unfitted Morgan kernel alone": ('search.surrogate.members=[{name = "plain"}]',),
    "fitted mixed kernel alone": (
        f'search.surrogate.members=[{{name = "mixed", {_VIEWS}, numbers = true, hyperparameters = "map"}}]',
    ),
    "fitted kernel without numbers": (
        f'search.surrogate.members=[{{name = "mixed", {_VIEWS}, hyperparameters = "map"}}]',
    ),
    "latent alone": ("sources={latent = 1.0}",),
    "graph alone": ("sources={graph = 1.0}",),
    "without latent": ("sources={graph = 0.8, library = 0.2}",),
    "a quarter of the effort": ("effort=0.25",),
    "q = 1": ("q=1",),
    "q = 50": ("q=50",),
    "adapting decoder": (),
    "latent alone, adapting decoder": ("sources={latent = 1.0}",),
}
"""Settings of each arm in addition to q = 10, which they may override."""
ADAPTING = ("adapting decoder", "latent alone, adapting decoder")
"""Arms whose decoder is fine-tuned on the molecules found."""


def main() -> int:
    """Run all arms, print a line for each as soon as it is complete, record the table."""
    options = _options()
    unknown = [arm for arm in options.arms if arm not in ARMS]
    if unknown:
        sys.exit(f"unknown arms: {', '.join(unknown)}; known: {', '.join(ARMS)}")
    print(f"{'arm':32}" + "".join(f"{task[:22]:>24}" for task in options.tasks) + f"{'mean':>8}", flush=True)
    table: list[dict[str, Any]] = []
    for arm in options.arms:
        settings = ("q=10", *ARMS[arm])
        runs = plan(options, options.tasks, label=arm, method="bo", assignments=settings)
        rows = [execute_adapting(run) if arm in ADAPTING else execute(run) for run in runs]
        if any(row["calls"] is None for row in rows):
            print(f"{arm:32}" + rows[0].get("trouble", "not finished"))
            return 1
        table += rows
        print(_line(_summary(arm, rows, options.tasks)), flush=True)
    if not options.no_record:
        lines = [
            _summary(arm, [row for row in table if row["method"] == arm], options.tasks)
            for arm in options.arms
        ]
        figures = {f"auc_mean_{_key(line['arm'])}": line["mean"] for line in lines}
        print(record(NAME, figures=figures, table=table, seeds=options.seeds, summary=lines))
    return 0


def _summary(arm: str, rows: list[dict[str, Any]], tasks: list[str]) -> dict[str, Any]:
    """One line of the table: the mean over the seeds for each task, and over the tasks."""
    means = {task: fmean(row["auc_top10"] for row in rows if row["task"] == task) for task in tasks}
    cost = fmean(row.get("overhead_cpu_ms_per_call", row["overhead_ms_per_call"]) for row in rows)
    shown = {task: round(mean, 3) for task, mean in means.items()}
    return {"arm": arm, **shown, "mean": round(fmean(means.values()), 3), "cpu_ms_per_call": round(cost)}


def _line(summary: dict[str, Any]) -> str:
    cells = [value for name, value in summary.items() if name not in {"arm", "mean", "cpu_ms_per_call"}]
    text = f"{summary['arm']:32}" + "".join(f"{value:24.3f}" for value in cells)
    return f"{text}{summary['mean']:8.3f}  {summary['cpu_ms_per_call']} ms of processor time per call"


def _key(arm: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in arm.lower()).split())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--arms", nargs="+", default=list(ARMS), metavar="ARM", help=f"among {', '.join(ARMS)}")
    add("--tasks", nargs="+", default=list(TASKS), metavar="TASK", help=f"default: {' '.join(TASKS)}")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--budget", type=int, default=300, help="calls")
    add("--n-library", type=int, default=1000, help="start molecules from ZINC250k")
    add_options(add, NAME)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
