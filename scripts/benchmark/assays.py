"""Choose the next plates from a collection of real measurements, and count how many of the best are found.

For each target, a tenth of the molecules, drawn from the earlier part of a simulated time split, is
measured at the start. Five batches of 24 are then chosen from the rest, each with all earlier measurements.
All arms of a seed start from the same measurements. The result is the share of the best 5 % of the remaining
molecules that is found.

    MOLVAE_DATA=../shared/data python scripts/benchmark/assays.py

* molvae: a campaign that proposes only unmeasured start molecules (`sources={"library": 1}`)
* molvae-censored: the same, with everything below the 30th percentile reported as `<` that value
* molvae-dropped: the same, without those measurements
* forest: the 24 highest predictions of a random forest on Morgan counts
* random
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import search_parser
from counts import count_matrix
from record import cached, record, standard_error, table_rows
from sklearn.ensemble import RandomForestRegressor

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import Observation, StartMolecule
from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.oracles.base import Score
from molvae.oracles.config import Objective

if TYPE_CHECKING:
    import argparse

ARMS = ("molvae", "molvae-censored", "molvae-dropped", "forest", "random")
BATCH, ROUNDS, MEASURED, TOP, CENSORED = 24, 5, 0.1, 0.05, 0.3
_LOST = Score.failed("not determined")


def main() -> None:
    """Run every target, seed and arm; print and record the table."""
    options = _options()
    data = _targets(options.data / "bioactivity" / "ki_time_split.csv.gz", options.n_targets)
    model = MolVAE.load(options.checkpoint, device="cpu")
    options.work.mkdir(parents=True, exist_ok=True)
    table = []
    for target, rows in data.items():
        for seed in options.seeds:
            for arm in options.arms:
                asked = {"target": target, "seed": seed, "arm": arm, "n": len(rows)}
                row = cached(
                    options.work / f"{target}-{seed}-{arm}.json",
                    asked,
                    lambda rows=rows, seed=seed, arm=arm: _run_arm(model, rows, seed, arm),  # type: ignore[misc]
                )
                table.append({**asked, **row})
                print(f"{target:16} seed {seed}  {arm:16} found {row['found']:.3f}", flush=True)
    figures = _figures(table, options.arms)
    print("  ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None))
    if not options.no_record:
        print(record("assays", figures=figures, table=table, seeds=list(options.seeds)))


def _run_arm(model: MolVAE, rows: list[tuple[str, float, str]], seed: int, arm: str) -> dict[str, Any]:
    """Share of the best that an arm finds in all rounds, and after the first."""
    generator = np.random.default_rng(seed)
    early = [i for i, row in enumerate(rows) if row[2] == "train"]
    begun = generator.permutation(early)[: round(MEASURED * len(rows))].tolist()
    rest = [i for i in range(len(rows)) if i not in set(begun)]
    values = np.array([row[1] for row in rows])
    best = set(sorted(rest, key=lambda i: -values[i])[: round(TOP * len(rest))])
    if arm == "random":
        rounds = [generator.permutation(rest)[: BATCH * ROUNDS].tolist()]
    elif arm == "forest":
        rounds = _forest(rows, values, begun, rest, seed)
    else:
        rounds = _campaign(model, rows, values, begun, rest, seed, arm)
    chosen = [i for batch in rounds for i in batch]
    return {
        "found": round(len(best & set(chosen)) / len(best), 4),
        "found_first_round": round(len(best & set(chosen[:BATCH])) / len(best), 4),
        "n_best": len(best),
        "n_chosen": len(chosen),
    }


def _campaign(
    model: MolVAE,
    rows: list[tuple[str, float, str]],
    values: np.ndarray[Any, Any],
    begun: list[int],
    rest: list[int],
    seed: int,
    arm: str,
) -> list[list[int]]:
    limit = float(np.quantile(values[begun], CENSORED))
    names = {_standard(row[0]).smiles: i for i, row in enumerate(rows)}
    start = [StartMolecule(rows[i][0], (_reported(values[i], limit, arm),)) for i in begun]
    start = [molecule for molecule in start if molecule.scores[0] != _LOST]
    start += [StartMolecule(rows[i][0]) for i in rest]
    settings = CampaignSettings(
        objectives=(Objective(name="pKi"),),
        budget=BATCH * ROUNDS,
        q=BATCH,
        seed=seed,
        n_initial=1,
        sources={"library": 1.0},
    )
    rounds = []
    with (
        tempfile.TemporaryDirectory() as place,
        Campaign.create(Path(place) / "journal.sqlite", model, settings, start=start) as campaign,
    ):
        for _ in range(ROUNDS):
            batch = campaign.ask(BATCH)
            rounds.append([names[candidate.smiles] for candidate in batch])
            campaign.tell(
                [
                    Observation(c.smiles, (_reported(values[names[c.smiles]], limit, arm),), c.identifier)
                    for c in batch
                ]
            )
    return rounds


def _reported(value: float, limit: float, arm: str) -> Score:
    """The score that the laboratory reports for a value."""
    if value >= limit or arm == "molvae":
        return Score.ok(float(value))
    return Score(limit, "below") if arm == "molvae-censored" else _LOST


def _forest(
    rows: list[tuple[str, float, str]],
    values: np.ndarray[Any, Any],
    begun: list[int],
    rest: list[int],
    seed: int,
) -> list[list[int]]:
    features = count_matrix([_standard(row[0]) for row in rows])
    known, left, rounds = list(begun), list(rest), []
    for _ in range(ROUNDS):
        forest = RandomForestRegressor(500, min_samples_leaf=1, random_state=seed, n_jobs=1)
        forest.fit(features[known], values[known])
        order = np.argsort(-forest.predict(features[left]), kind="stable")[:BATCH]
        batch = [left[j] for j in order]
        rounds.append(batch)
        known += batch
        left = [i for i in left if i not in set(batch)]
    return rounds


def _standard(smiles: str) -> Molecule:
    molecule = standardize(parse(smiles))  # type: ignore[arg-type]
    assert isinstance(molecule, Molecule), smiles  # noqa: S101 - the set was read before
    return molecule


def _targets(path: Path, n: int) -> dict[str, list[tuple[str, float, str]]]:
    """The `n` largest targets: standard SMILES, mean pKi, and the part of the time split."""
    found: dict[str, dict[str, tuple[list[float], str]]] = {}
    for row in table_rows(path):
        molecule = standardize(row["smiles"])
        if isinstance(molecule, Molecule):
            known = found.setdefault(row["target"], {})
            known.setdefault(molecule.smiles, ([], row["split"]))[0].append(float(row["pKi"]))
    largest = sorted(found, key=lambda target: (-len(found[target]), target))[:n]
    return {t: [(s, mean(v), split) for s, (v, split) in found[t].items()] for t in largest}


def _figures(table: list[dict[str, Any]], arms: list[str]) -> dict[str, float | int | None]:
    """Mean over targets of the share that each arm finds, and molvae's lead with its standard error."""
    targets = sorted({row["target"] for row in table})
    share = {
        arm: [mean(r["found"] for r in table if r["target"] == t and r["arm"] == arm) for t in targets]
        for arm in arms
    }
    figures: dict[str, float | int | None] = {
        f"top5_{'found' if arm == 'molvae' else arm.removeprefix('molvae-')}": round(mean(share[arm]), 4)
        for arm in arms
    }
    for arm in arms[1:]:
        leads = [a - b for a, b in zip(share["molvae"], share[arm])]
        figures[f"lead_{arm.removeprefix('molvae-')}"] = round(mean(leads), 4)
        figures[f"lead_{arm.removeprefix('molvae-')}_error"] = standard_error(leads, 4)
    return {**figures, "n_targets": len(targets)}


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "assays", seeds=(0, 1))
    parser.add_argument("--n-targets", type=int, default=12)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
