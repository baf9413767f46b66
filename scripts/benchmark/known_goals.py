"""Compare an objective with exactly computed terms with the same objective as one black box.

Two objectives, each with one expensive term and several computed ones. One arm gives the search the `mpo:`
file, so that only the expensive term is modeled; the other gives it the whole function as a custom oracle.
Both use the same start molecules and the same number of calls.

    python scripts/benchmark/known_goals.py

Journals are saved in --work; the same command continues after an interruption.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from statistics import mean
from typing import TYPE_CHECKING, Any

from arguments import search_parser
from record import commit, record, standard_error

from molvae.api import optimize
from molvae.campaign.utility import top_auc
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.substructure import contains
from molvae.latent.codec import MolVAE
from molvae.oracles.functions import FunctionOracle
from molvae.oracles.parts import taken_apart
from molvae.oracles.plugins import computed_oracle, load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from molvae.campaign.runner import Result
    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import Oracle, Score

EXPENSIVE = "potency"
PROBLEMS = {
    "additive": """
terms = [
    "rising[5,8]:potency",
    "gaussian[2,0.75]:logp",
    "between[60,100,15]:tpsa",
    "falling[2.5,4]:sa",
]
""",
    "hidden ligand": """
terms = [
    "rising[0.1,0.6]:potency",
    "between[300,450,30]:mw",
    "falling[2.5,4]:sa",
    "qed",
]
""",
}
"""The objectives; `potency` is the expensive term."""
RULE = {
    "C(=O)[NX3;H1]": 0.8,
    "c1ccncc1": 0.7,
    "S(=O)(=O)[NX3]": 0.9,
    "c1ccc(Cl)cc1": 0.6,
    "N1CCOCC1": 0.8,
    "c1ccc2[nH]ccc2c1": 1.0,
    "C(F)(F)F": 0.5,
    "N1CCNCC1": 0.4,
    "C#N": 0.5,
    "[OX2H]": -0.3,
    "[NX3+]": -0.5,
}
"""What each group adds, once, to a potency of 4; two groups that are adjacent in this list add .3 more."""
LIGAND = "CN1CCN(CC1)Cc1ccc(cc1)C(=O)Nc1ccc(C)c(c1)Nc1nccc(n1)-c1cccnc1"  # imatinib
ARMS = ("exact", "black box")


def main() -> None:
    """Run every problem, seed and arm; print and record the table."""
    options = _options()
    started_at = commit()
    model = MolVAE.load(options.checkpoint, device="cpu")
    options.work.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, Any]] = []
    for seed in options.seeds:
        for problem, text in PROBLEMS.items():
            file = options.work / f"{problem.replace(' ', '-')}.toml"
            file.write_text(text, encoding="utf-8")
            results = {arm: _run_arm(model, problem, f"mpo:{file}", arm, seed, options) for arm in ARMS}
            table += _rows(problem, seed, results)
            for row in table[-len(ARMS) :]:
                print(row, flush=True)
    summary = [_gain(problem, table) for problem in PROBLEMS]
    for row in summary:
        print(row)
    figures = {
        f"{name}_{row['problem'].replace(' ', '_')}": row[name]
        for row in summary
        for name in ("auc_gain", "auc_gain_error", "calls_saved", "calls_saved_error")
    }
    if not options.no_record:
        seeds = list(options.seeds)
        print(
            record(
                "known_goals",
                figures=figures,
                table=table,
                summary=summary,
                seeds=seeds,
                started_at=started_at,
            )
        )


def expensive_term(problem: str) -> Oracle:
    """The expensive term of a problem: a rule of groups, or similarity to a ligand."""
    if problem == "additive":
        return FunctionOracle(_potency, EXPENSIVE)
    return _Named(load_oracle(f"similarity[atom_pair]:{LIGAND}"))


class _Named:
    """Similarity to a ligand, under a name that molvae cannot compute."""

    name = EXPENSIVE

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        return self._oracle(molecules)


@cache
def _potency(smiles: str) -> float:
    molecule = parse(smiles)
    has = [is_valid(molecule) and contains(molecule, pattern) for pattern in RULE]
    pairs = sum(first and second for first, second in pairwise(has))
    return 4.0 + sum(worth for worth, there in zip(RULE.values(), has, strict=True) if there) + 0.3 * pairs


def _whole(problem: str, text: str) -> Oracle:
    """The same objective as one function."""
    whole, expensive = taken_apart(text), expensive_term(problem)
    assert whole is not None  # noqa: S101 - one term is expensive
    oracles = {name: expensive if name == EXPENSIVE else computed_oracle(name) for name in whole.parts}

    def score(smiles: list[str]) -> list[float]:
        molecules = [molecule for text in smiles if is_valid(molecule := parse(text))]
        columns = zip(*(oracle(molecules) for oracle in oracles.values() if oracle), strict=True)
        return [whole.score(dict(zip(oracles, row, strict=True))).value for row in columns]

    return FunctionOracle(score, "whole")


def _run_arm(
    model: MolVAE, problem: str, text: str, arm: str, seed: int, options: argparse.Namespace
) -> Result:
    exact = arm == "exact"
    return optimize(
        model,
        maximize=[text if exact else "whole"],
        oracles={EXPENSIVE: expensive_term(problem)} if exact else {"whole": _whole(problem, text)},
        budget=options.budget,
        q=10,
        seed=seed,
        output=options.work / f"{problem}-{arm}-{options.budget}-{seed}".replace(" ", "-"),
    )


def _rows(problem: str, seed: int, results: dict[str, Result]) -> list[dict[str, Any]]:
    """One row for each arm; the goal is the final mean of the ten best of the black box."""
    goal = results["black box"].trace[-1].top10
    return [
        {
            "problem": problem,
            "method": arm,
            "seed": seed,
            "calls": result.n_calls,
            "best": round(result.trace[-1].best, 4),
            "top10": round(result.trace[-1].top10, 4),
            "auc_top10": round(top_auc([p.utility for p in result.trace], budget=result.settings.budget), 4),
            "calls_to_goal": next((n for n, p in enumerate(result.trace, 1) if p.top10 >= goal), None),
            "overhead_ms_per_call": round(1e3 * result.overhead_per_call, 1),
        }
        for arm, result in results.items()
    ]


def _gain(problem: str, table: list[dict[str, Any]]) -> dict[str, Any]:
    """Paired differences over the seeds, with their standard errors."""
    exact, box = ([r for r in table if (r["problem"], r["method"]) == (problem, arm)] for arm in ARMS)
    auc = [a["auc_top10"] - b["auc_top10"] for a, b in zip(exact, box, strict=True)]
    saved = [  # a search that does not reach the goal saves none
        0 if a["calls_to_goal"] is None else b["calls_to_goal"] - a["calls_to_goal"]
        for a, b in zip(exact, box, strict=True)
    ]
    row: dict[str, Any] = {"problem": problem, "seeds": len(auc)}
    for arm, rows in zip(ARMS, (exact, box), strict=True):
        row[f"auc {arm}"] = round(mean(r["auc_top10"] for r in rows), 4)
        row[f"top10 {arm}"] = round(mean(r["top10"] for r in rows), 4)
    for name, values, digits in (("auc_gain", auc, 4), ("calls_saved", saved, 1)):
        row[name] = round(mean(values), digits)
        row[f"{name}_error"] = standard_error(values, digits)
    row["not reached"] = sum(a["calls_to_goal"] is None for a in exact)
    return row


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "known_goals", data=False, seeds=(0, 1, 2, 3, 4))
    parser.add_argument("--budget", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    main()
