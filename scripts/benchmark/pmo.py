"""Play PMO (practical molecular optimization), print a line per task and seed, record the sums.

Gao et al., NeurIPS 2022 datasets and benchmarks: a task is an oracle, a run has a budget of calls, a call
is charged per new molecule that is scored, start molecules included, and the figure is the area under the
curve of the mean of the ten best so far, which is held to the end of the budget where a run ends early: where
all ten have the highest score there is, or after --most calls. Start molecules are drawn from ZINC250k at
random.

    python scripts/benchmark/pmo.py --budget 1000                          # all 20 tasks, seeds 0 1 2
    python scripts/benchmark/pmo.py --budget 300 --method random-library   # the library, blindly
    python scripts/benchmark/pmo.py --budget 10000 --set q=10 --label latent-bo --most 5000
    python scripts/benchmark/pmo.py --tasks qed median1 --budget 60 --seeds 0 --no-record
    python scripts/benchmark/pmo.py --tasks pareto --budget 500            # three goals, hypervolume
    python scripts/benchmark/pmo.py --budget 10000 --label latent-only --set 'sources={latent=1.0}'
    python scripts/benchmark/pmo.py --audit                                # score everything again

A run that was stopped goes on with the same command; finished ones are read from --work. What is recorded
is every finished run there and, of others, what stood in the record before. MOLVAE_DATA names the directory
that holds zinc250k/zinc250k.csv.gz.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from pmo_anchors import PUBLISHED
from pmo_records import PARETO, audit
from pmo_report import DEFAULT, report
from pmo_runs import Run, add_options, planned, play

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def main() -> int:
    """Play, or audit; then report."""
    options = _options()
    if options.audit:
        return _audit(options.work)
    runs = _runs(options)
    left = 0
    for row in _played(runs, options.jobs):
        print(_line(row), flush=True)
        left += row["calls"] is None
    if not options.no_record:
        report(options.work)
    return int(left > 0)


def _played(runs: list[Run], jobs: int) -> Iterator[dict[str, Any]]:
    """The rows as they come, the same runs in the same order where there is one process."""
    if jobs == 1:
        yield from map(play, runs)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=fresh) as executor:
        for done in as_completed([executor.submit(play, run) for run in runs]):
            yield done.result()


def _runs(options: argparse.Namespace) -> list[Run]:
    known = (*PUBLISHED, PARETO)
    tasks = list(PUBLISHED) if options.tasks == ["all"] else options.tasks
    unknown = [task for task in tasks if task not in known]
    if unknown:
        sys.exit(f"unknown tasks: {', '.join(unknown)}; known: {', '.join(known)}")
    if options.assignments and options.label is None:
        sys.exit("runs with other settings need a --label of their own")
    label = options.label or options.method
    return planned(options, tasks, label=label, method=options.method, assignments=options.assignments)


def _audit(work: Path) -> int:
    paths = sorted(path.with_suffix("") for path in work.rglob("*.json"))
    wrong = 0
    for path in paths:
        problems = audit(path)
        wrong += bool(problems)
        print(f"{path.relative_to(work)}: {'; '.join(problems) or 'as recorded'}", flush=True)
    print(f"{len(paths)} runs, {wrong} with problems")
    return int(wrong > 0 or not paths)


def _line(row: dict[str, Any]) -> str:
    head = f"{row['task']:26} {row['method']:16} seed {row['seed']}"
    if row["calls"] is None:
        return f"{head}  {row['trouble']}"
    text = f"{head}  calls {row['calls']:5}"
    for name, short in (
        ("best", "best"),
        ("top10", "top-10"),
        ("auc_top10", "AUC"),
        ("hypervolume", "volume"),
    ):
        if row.get(name) is not None:
            text += f"  {short} {row[name]:.3f}"
    return f"{text}  {row['overhead_ms_per_call']:.0f} ms/call"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tasks", nargs="+", default=["all"], metavar="TASK", help="PMO tasks, or pareto; default: all 20")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--budget", type=int, default=1000, help="calls: 300, 1000, 10000")
    add("--method", default=DEFAULT, help=f"a registered method, or random-library; default: {DEFAULT}")
    add("--label", help="name of the method in the tables; default: the method")
    add(
        "--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE", help="campaign setting"
    )
    add("--jobs", type=int, default=1, help="processes")
    add("--n-library", type=int, default=1000, help="ZINC molecules that come along; ten are scored first")
    add("--audit", action="store_true", help="score the molecules of every finished run again")
    add_options(add, "pmo")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
