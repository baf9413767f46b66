"""The optimization tasks of DOCKSTRING with real dockings, from random start molecules; every call counts.

García-Ortegón et al. 2022: F2 is `score(F2) + 10 (1 - QED)`, JAK2 is
`score(JAK2) - min(score(LCK) + 8.1, 0) + 10 (1 - QED)`, with scores in kcal/mol by the DOCKSTRING protocol;
the utility is the negative of these. A campaign starts with ten random molecules of ZINC250k. The published
runs start with 260,000 docked molecules that are not counted, except those from random ZINC molecules.

    MOLVAE_DATA=../shared/data python scripts/benchmark/dockstring_tasks.py --tasks F2 --most 40 --workers 2

A docking takes about a minute of a core, so 300 calls of one target take hours. The same command continues
an interrupted run, docking by docking; --most stops it after that many calls.
"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import search_parser
from record import record, smiles_in
from sense import is_plausible_lead

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.runner import run
from molvae.latent.codec import MolVAE
from molvae.oracles.config import Objective

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

QED_TERM = '{ score = "falling[0,1]:qed", weight = 10 }'  # 10 (1 - QED)
TASKS = {
    "F2": ('"docking[dockstring{}]:F2"', QED_TERM),
    "JAK2": (  # its second term is -min(score + 8.1, 0)
        '"docking[dockstring{}]:JAK2"',
        '{{ score = "falling[-20,-8.1]:docking[dockstring{}]:LCK", weight = 11.9 }}',
        QED_TERM,
    ),
}
WEIGHT = {"F2": 11.0, "JAK2": 22.9}
"""Sum of the weights: the score of an mpo file is a mean, that of a task a sum."""
CALLS, BATCH, N_START, N_LIBRARY, MARKS, TOP = 300, 8, 10, 1000, (100, 300), 10


def main() -> None:
    """Run every task and seed up to --most calls; print and record."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    library = smiles_in(options.data / "zinc250k" / "zinc250k.csv.gz")
    table = []
    for task in options.tasks:
        for seed in options.seeds:
            row = {"task": task, "seed": seed, **_run_task(model, library, task, seed, options)}
            table.append(row)
            print(row, flush=True)
    figures: dict[str, float | int | None] = {}
    for task in options.tasks:
        for mark in MARKS:
            best = [row[f"best_{mark}"] for row in table if row["task"] == task]
            figures[f"{task}_{mark}"] = None if None in best else round(mean(best), 2)
    figures["calls"] = sum(row["calls"] for row in table)
    if not options.no_record:
        print(record("dockstring_tasks", figures=figures, table=table, seeds=list(options.seeds)))


def _run_task(
    model: MolVAE, library: list[str], task: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Best utility so far, and how many of the ten best molecules are plausible."""
    name = f"mpo:{_written(task, options)}"
    settings = CampaignSettings(
        objectives=(Objective(name=name, direction="minimize"),),
        budget=CALLS,
        q=BATCH,
        seed=seed,
        n_initial=N_START,
        evaluation_batch=options.workers,
    )
    order = np.random.default_rng([20220, seed]).permutation(len(library))
    start = [library[row] for row in order[:N_LIBRARY]]
    path = options.work / f"{task}-{seed}.sqlite"
    with Campaign.create(path, model, settings, start=start) as campaign:
        run(campaign, enough=lambda campaign: campaign.n_calls >= options.most, trust=True)
        utility = [-WEIGHT[task] * value for value in _values(campaign)]
        best = [row.smiles for row in campaign.best(TOP)]
    return {
        "calls": len(utility),
        "failed": int(np.isnan(utility).sum()),
        **{
            f"best_{mark}": round(float(np.nanmax(utility[:mark])), 2) if len(utility) >= mark else None
            for mark in MARKS
        },
        "best": round(float(np.nanmax(utility)), 2),
        "sane_top10": round(mean(map(is_plausible_lead, best)), 2),
        "best_smiles": best[0],
    }


def _values(campaign: Campaign) -> list[float]:
    """The objective call by call; NaN where a docking failed."""
    charged = sorted((row for row in campaign.table() if row.call is not None), key=lambda row: row.call or 0)
    scores = [row.scores[0] for row in charged]
    return [score.value if score is not None and score.is_ok else float("nan") for score in scores]


def _written(task: str, options: argparse.Namespace) -> Path:
    path: Path = options.work / f"{task}.toml"
    how = f",workers={options.workers}"
    terms = ", ".join(term.format(how) if "docking" in term else term for term in TASKS[task])
    if path.exists():  # a campaign does not continue with another file, so the workers stay the same
        return path
    path.write_text(f'mean = "arithmetic"\nterms = [{terms}]\n', encoding="utf-8")
    return path


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "dockstring_tasks", seeds=(0,))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--most", type=int, default=CALLS, help="calls after which a run stops for now")
    parser.add_argument("--workers", type=int, default=1, help="dockings at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
