"""Compare the search with random sampling at the same budget, and print the table.

All arms start from the same ten molecules of the library and use the same number of calls. Random sampling
continues with samples of the prior, or of the library; the better of the two is reported.

    python scripts/benchmark/optimize_vs_random.py

Journals are saved in --work; the same command continues after an interruption.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import search_parser
from record import ROOT, record, smiles_in

from molvae.api import optimize
from molvae.campaign.utility import top_auc
from molvae.latent.codec import MolVAE

if TYPE_CHECKING:
    import argparse

    from molvae.campaign.runner import Result

CELECOXIB = "Cc1ccc(cc1)-c1cc(nn1-c1ccc(cc1)S(N)(=O)=O)C(F)(F)F"
TASKS = {"qed": "qed", "celecoxib": f"similarity:{CELECOXIB}"}
ARMS = ("optimize", "random-prior", "random-library")
N_START = 10


def main() -> None:
    """Run every task, arm and seed; print and record the table."""
    options = _options()
    model = MolVAE.load(options.checkpoint, device="cpu")
    library = smiles_in(options.library)
    table = []
    for task in TASKS:
        for seed in options.seeds:
            for arm in ARMS:
                path = options.work / f"{task}-{arm}-{options.budget}-{seed}"
                row = _row(task, arm, seed, _run_arm(model, library, task, arm, seed, options.budget, path))
                table.append(row)
                print(_line(row), flush=True)
    figures = _figures(table)
    print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    if not options.no_record:
        print(record("optimize_vs_random", figures=figures, table=table, seeds=list(options.seeds)))


def _run_arm(
    model: MolVAE, library: list[str], task: str, arm: str, seed: int, budget: int, path: Path
) -> Result:
    order = np.random.default_rng(seed).permutation(len(library))
    shuffled = [library[row] for row in order[: max(N_START, 2 * budget)]]
    if arm == "random-library":
        start, n_initial = shuffled[:budget], budget  # the first ten are those of the other arms
    else:
        start, n_initial = shuffled[:N_START], N_START
    return optimize(
        model,
        maximize=[TASKS[task]],
        budget=budget,
        seed=seed,
        method="bo" if arm == "optimize" else "random",
        start=start,
        n_initial=n_initial,
        output=path,
    )


def _row(task: str, arm: str, seed: int, result: Result) -> dict[str, Any]:
    last = result.trace[-1]
    return {
        "task": task,
        "method": arm,
        "seed": seed,
        "calls": result.n_calls,
        "best": round(last.best, 4),
        "top10": round(last.top10, 4),
        "auc_top10": round(top_auc([p.utility for p in result.trace], budget=result.settings.budget), 4),
        "overhead_ms_per_call": round(1e3 * result.overhead_per_call, 1),
        "best_smiles": result.best[0].smiles,
    }


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    figures: dict[str, float | int | None] = {}
    for task in TASKS:
        tops = {
            arm: mean(r["top10"] for r in table if (r["task"], r["method"]) == (task, arm)) for arm in ARMS
        }
        figures[f"{task}_optimize"] = round(tops["optimize"], 4)
        figures[f"{task}_random"] = round(max(tops["random-prior"], tops["random-library"]), 4)
    return figures


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['task']:10} {row['method']:15} seed {row['seed']}  calls {row['calls']}  "
        f"best {row['best']:.3f}  top-10 {row['top10']:.3f}  AUC {row['auc_top10']:.3f}  "
        f"{row['overhead_ms_per_call']:.0f} ms/call"
    )


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "optimize_vs_random", data=False, seeds=(0, 1, 2))
    parser.add_argument("--library", type=Path, default=ROOT / "datasets" / "starter.csv.gz")
    parser.add_argument("--budget", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
