"""Run PMO (practical molecular optimization), print a line per task and seed, record the sums.

Gao et al., NeurIPS 2022 datasets and benchmarks: a task is an oracle, and a run has a budget of calls. Every
new molecule that is scored is a call, including start molecules. The result is the area under the curve of
the mean of the ten best so far. If a run ends early (all ten have the maximum score, or after --most calls),
its last value is held to the end of the budget. Start molecules are random molecules of ZINC250k.

    python scripts/benchmark/pmo.py --budget 1000                          # all 20 tasks, seeds 0 1 2
    python scripts/benchmark/pmo.py --budget 300 --method random-library   # random molecules of the library
    python scripts/benchmark/pmo.py --budget 10000 --set q=10 --label latent-bo --most 5000
    python scripts/benchmark/pmo.py --tasks qed median1 --budget 60 --seeds 0 --no-record
    python scripts/benchmark/pmo.py --tasks pareto --budget 500            # three objectives, hypervolume
    python scripts/benchmark/pmo.py --budget 10000 --label latent-only --set 'sources={latent=1.0}'
    python scripts/benchmark/pmo.py --budget 10000 --label gated --set wild=false  # with the gate
    python scripts/benchmark/pmo.py --audit                                # score all molecules again

The same command continues an interrupted run; finished runs are read from --work. The record has every
finished run there, and keeps earlier rows of other runs. MOLVAE_DATA names the directory with
zinc250k/zinc250k.csv.gz.
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
from pmo_runs import Run, add_options, execute, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def main() -> int:
    """Run or audit, then report."""
    options = _options()
    if options.audit:
        return _audit(options.work)
    runs = _runs(options)
    left = 0
    for row in _executed(runs, options.jobs):
        print(_line(row), flush=True)
        left += row["calls"] is None
    if not options.no_record:
        report(options.work)
    return int(left > 0)


def _executed(runs: list[Run], jobs: int) -> Iterator[dict[str, Any]]:
    """Rows of the runs as they finish; in order if there is one process."""
    if jobs == 1:
        yield from map(execute, runs)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=fresh) as executor:
        for done in as_completed([executor.submit(execute, run) for run in runs]):
            yield done.result()


def _runs(options: argparse.Namespace) -> list[Run]:
    known = (*PUBLISHED, PARETO)
    tasks = list(PUBLISHED) if options.tasks == ["all"] else options.tasks
    unknown = [task for task in tasks if task not in known]
    if unknown:
        sys.exit(f"unknown tasks: {', '.join(unknown)}; known: {', '.join(known)}")
    if options.assignments and options.label is None:
        sys.exit("runs with --set need a --label")
    label = options.label or options.method
    return plan(options, tasks, label=label, method=options.method, assignments=options.assignments)


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
    add("--n-library", type=int, default=1000, help="start molecules from ZINC250k; ten are scored first")
    add("--audit", action="store_true", help="score the molecules of every finished run again, and compare")
    add_options(add, "pmo")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
