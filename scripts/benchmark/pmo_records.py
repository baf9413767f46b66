"""Records of finished PMO runs on disk: write, read, truncate and audit them."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.utility import running_top, top_auc
from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import is_valid, parse
from molvae.oracles.base import ask
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from molvae.oracles.base import Score

PARETO = "pareto"
"""Not a task of PMO: three objectives at once, measured by hypervolume."""
CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
GOALS = {PARETO: (("qed", "maximize"), (f"similarity:{CELECOXIB}", "maximize"), ("sa", "minimize"))}
PERFECT = 1.0
"""Maximum score of a PMO task."""
_MANY = 100
_EASY, _HARD = 1.0, 10.0  # range of the synthetic accessibility score
RANDOM_LIBRARY = "random-library"
"""Not a registered method: molecules of the library in random order, for the whole budget."""


def summary(path: Path) -> dict[str, Any] | None:
    """The row of a finished run; None if it is not finished."""
    file = path.with_suffix(".json")
    if not file.is_file():
        return None
    row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return row


def is_whole(row: dict[str, Any], most: int | None = None) -> bool:
    """Whether a run made its calls, or `most` of them, or further calls could not change its result."""
    asked = row["budget"] if most is None else min(most, row["budget"])
    spent = row.get("calls") or 0
    return bool(spent >= asked or row.get("top10") == PERFECT or row.get("exhausted"))


def truncated(path: Path, budget: int) -> dict[str, Any] | None:
    """The row of a longer finished run after its first `budget` calls; the search does not use the budget.

    None if the run is not longer, or scored its whole budget in one batch (`random-library`).
    """
    row = summary(path)
    if row is None or row["budget"] <= budget or row["method"] == RANDOM_LIBRARY or row["task"] == PARETO:
        return None
    _, lines = _read(path)
    values = _scores(lines[:budget])
    kept = {key: row[key] for key in ("task", "method", "seed", "commit", "settings")}
    return {
        **kept,
        "budget": budget,
        **figures_of(row["task"], values, budget),
        "first_calls_of": row["budget"],
    }


def figures_of(task: str, values: Sequence[Sequence[float | None]], budget: int) -> dict[str, Any]:
    """The figures of a run from its scores in call order: best, top-10, AUC; or the hypervolume."""
    if task == PARETO:
        import torch

        from molvae.optimization.multiobjective import hypervolume

        qed, similarity, sa = np.array(values, dtype=float).reshape(len(values), 3).T
        unit = np.stack([qed, similarity, (_HARD - sa) / (_HARD - _EASY)], axis=1)
        return {
            "calls": len(values),
            "hypervolume": round(hypervolume(torch.from_numpy(unit), torch.zeros(3)), 6),
        }
    scores = [np.nan if line[0] is None else line[0] for line in values]
    best, top = running_top(scores, 10)
    return {
        "calls": len(scores),
        "best": round(best[-1], 6) if best else None,
        "top10": round(top[-1], 6) if top else None,
        "auc_top10": round(top_auc(scores, budget=budget), 6),
    }


def plausibility(path: Path, budget: int) -> dict[str, float]:
    """Share of plausible molecules (sense.py) among the hundred best after `budget` calls, and their mean SA.

    The filter is external: the search does not use it.
    """
    from sense import is_plausible  # it imports the search

    lines = _read(path)[1][:budget]
    scored = [(value, line[1]) for line, (value, *_) in zip(lines, _scores(lines)) if value is not None]
    best = [smiles for _, smiles in sorted(scored, key=lambda row: -row[0])[:_MANY]]
    return {
        "sane_top100": round(float(np.mean([is_plausible(smiles) for smiles in best])), 3),
        "sa_top100": round(float(np.nanmean(describe_smiles(best, ["sa"]))), 3),
    }


def audit(path: Path) -> list[str]:
    """Problems of a finished run, found by reading, checking and scoring its molecules again."""
    row = summary(path)
    if row is None:
        return ["not finished"]
    header, lines = _read(path)
    names = header[3:]
    goals = [name for name, _ in GOALS.get(row["task"], ((row["task"], "maximize"),))]
    problems = [] if names == goals else [f"scored by {names}, not by {goals}"]
    molecules = [parse(line[1]) for line in lines]
    valid = [molecule for molecule in molecules if is_valid(molecule)]
    if len(valid) < len(lines) or [m.smiles for m in valid] != [line[1] for line in lines]:
        problems.append("a molecule is not a canonical SMILES")
        return problems
    if len({molecule.smiles for molecule in valid}) < len(lines):
        problems.append("a molecule was charged twice")
    if [int(line[0]) for line in lines] != list(range(1, len(lines) + 1)) or len(lines) > row["budget"]:
        problems.append(f"{len(lines)} calls are not 1 to at most {row['budget']}")
    again = [ask(load_oracle(name), valid) for name in goals]
    values = [[number(score) for score in scores] for scores in zip(*again, strict=True)]
    kept = _scores(lines)
    wrong = [i for i, (a, b) in enumerate(zip(values, kept, strict=True), 1) if not _equal(a, b)]
    if wrong:
        problems.append(f"{len(wrong)} scores differ, the first at call {wrong[0]}")
    problems += [
        f"{name} is {value}, the row says {row.get(name)}"
        for name, value in figures_of(row["task"], values, row["budget"]).items()
        if row.get(name) != value
    ]
    return problems


def write(path: Path, names: Sequence[str], lines: Sequence[tuple[Any, ...]]) -> None:
    """Write the molecules of a run in the order of its calls: SMILES, source and the scores `names`."""
    with gzip.open(path.with_suffix(".csv.gz"), "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["call", "smiles", "source", *names])
        for call, line in enumerate(lines, start=1):
            writer.writerow([call, *("" if value is None else value for value in line)])


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a file written by `write`."""
    with gzip.open(path.with_suffix(".csv.gz"), "rt", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return header, lines


def _scores(lines: Sequence[Sequence[str]]) -> list[list[float | None]]:
    return [[float(text) if text else None for text in line[3:]] for line in lines]


def number(score: Score | None) -> float | None:
    """The value of a score; None if it failed."""
    return score.value if score is not None and score.is_ok else None


def _equal(a: Sequence[float | None], b: Sequence[float | None]) -> bool:
    return all(
        x is None and y is None if x is None or y is None else abs(x - y) <= 1e-6  # noqa: PLR2004
        for x, y in zip(a, b, strict=True)
    )
