"""Find the best 1 % of a library of docked molecules with few calls; compare with a random forest and chance.

The library is that of DOCKSTRING: 28,844 molecules with a score for each of 58 targets (14 without a score
for each are left out); lower is better. Each target is one objective. All arms of a seed start with the same
batch of 50 random molecules and then choose batches of 50, each with all earlier scores. A call is one
molecule whose score is looked up. The result is the share found of the best 1 % of the library, including
ties.

    MOLVAE_DATA=../shared/data python scripts/benchmark/dockstring_pool.py
    MOLVAE_DATA=../shared/data python scripts/benchmark/dockstring_pool.py --targets F2 DRD2 --seeds 0 1

* molvae: a campaign that proposes only unseen start molecules (`--source library`)
* forest: the 50 lowest predictions of a random forest on Morgan counts
* random

Finished runs are read from --work; the same command continues with the others.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from arguments import search_parser
from counts import count_matrix
from record import cached, record, table_rows
from sklearn.ensemble import RandomForestRegressor

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.molecules import FeatureMemory
from molvae.campaign.observations import Observation
from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.oracles.config import Objective

if TYPE_CHECKING:
    import argparse

ARMS = ("molvae", "forest", "random")
BATCH, TOP, MARKS, N_TREES = 50, 0.01, (300, 1000), 100


def main() -> None:
    """Run every target, seed and arm; print and record the table."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.data / "docking" / "dockstring.csv.gz"
    table = []
    for target in options.targets or _names(path):
        for seed in options.seeds:
            for arm in options.arms:
                asked = {"target": target, "seed": seed, "arm": arm, "calls": options.calls}
                row = cached(
                    options.work / f"{target}-{seed}-{arm}-{options.calls}.json",
                    asked,
                    partial(_run_arm, path, options.checkpoint, options.work, **asked),
                )
                table.append({**asked, **row})
                found = "  ".join(f"{mark}: {row[f'found_{mark}']:.3f}" for mark in _marks(options.calls))
                print(f"{target:10} seed {seed}  {arm:7} {found}  {row['seconds']} s", flush=True)
    if set(options.arms) < set(ARMS):
        return  # another process runs the other arms
    figures = _figures(table, options.calls)
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    if not options.no_record:
        print(record("dockstring_pool", figures=figures, table=table, seeds=list(options.seeds)))


def _run_arm(
    path: Path, checkpoint: Path, work: Path, target: str, seed: int, arm: str, calls: int
) -> dict[str, Any]:
    """Share of the best found after so many calls, and the best score."""
    pool = _pool(path, work)
    values = pool.scores[target]
    begun = time.process_time()
    journal, first = _begun(checkpoint, path, work, seed)
    if arm == "random":
        rest = np.setdiff1d(np.arange(len(values)), first)
        chosen = [*first, *np.random.default_rng(seed).permutation(rest).tolist()][:calls]
    elif arm == "forest":
        chosen = _forest(pool.smiles, values, first, seed, calls)
    else:
        chosen = _campaign(checkpoint, journal, pool.smiles, values, calls)
    assert len(set(chosen)) == len(chosen) == calls, "every call is a different molecule"  # noqa: S101
    limit = np.sort(values)[round(TOP * len(values)) - 1]
    good = values[chosen] <= limit
    n_good = int((values <= limit).sum())
    return {
        **{f"found_{mark}": round(float(good[:mark].sum() / n_good), 4) for mark in _marks(calls)},
        **{f"best_{mark}": float(values[chosen[:mark]].min()) for mark in _marks(calls)},
        "n_best": n_good,
        "seconds": round(time.process_time() - begun),
    }


@cache
def _begun(checkpoint: Path, path: Path, work: Path, seed: int) -> tuple[Path, list[int]]:
    """A journal with the library and the first batch, and that batch, which is the same for all targets."""
    journal, first = work / f"begun-{seed}.sqlite", work / f"begun-{seed}.json"
    if not first.exists():
        rows = {text: row for row, text in enumerate(_pool(path, work).smiles)}
        settings = CampaignSettings(
            objectives=(Objective(name="docking score", direction="minimize"),),
            budget=MARKS[-1],
            q=BATCH,
            seed=seed,
            n_initial=BATCH,
            sources={"library": 1.0},
        )
        with Campaign.create(journal, _model(checkpoint), settings, start=rows) as campaign:
            batch = campaign.pending or campaign.ask(BATCH)
            first.write_text(json.dumps([rows[candidate.smiles] for candidate in batch]), encoding="utf-8")
    return journal, json.loads(first.read_text(encoding="utf-8"))


def _campaign(
    checkpoint: Path, journal: Path, smiles: list[str], values: np.ndarray[Any, Any], calls: int
) -> list[int]:
    rows = {text: row for row, text in enumerate(smiles)}
    chosen: list[int] = []
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copy(journal, place))
        with Campaign.open(copy, _model(checkpoint)) as campaign:
            campaign._features = _features()  # noqa: SLF001 - they depend on the surrogates alone
            while len(chosen) < calls:
                batch = [
                    (c.identifier, c.smiles, rows[c.smiles]) for c in campaign.pending or campaign.ask(BATCH)
                ]
                chosen += [row for _, _, row in batch]
                campaign.tell([Observation(text, (float(values[row]),), name) for name, text, row in batch])
    return chosen[:calls]


def _forest(
    smiles: list[str], values: np.ndarray[Any, Any], first: list[int], seed: int, calls: int
) -> list[int]:
    counts = _counts(tuple(smiles))
    chosen = list(first)
    left = np.setdiff1d(np.arange(len(values)), first)
    while len(chosen) < calls:
        varied = np.flatnonzero(np.ptp(counts[chosen], axis=0) > 0)  # the others cannot split
        forest = RandomForestRegressor(N_TREES, max_features=0.3, random_state=seed, n_jobs=1)
        forest.fit(counts[chosen][:, varied], values[chosen])
        best = np.argsort(forest.predict(counts[left][:, varied]), kind="stable")[:BATCH]
        chosen += left[best].tolist()
        left = np.delete(left, best)
    return chosen[:calls]


class _Pool(NamedTuple):
    smiles: list[str]
    scores: dict[str, np.ndarray[Any, Any]]


@cache
def _pool(path: Path, work: Path) -> _Pool:
    """Standard SMILES and the scores of each target; of duplicates, the first."""
    names = _names(path)
    stored = work / "pool.npz"
    if not stored.exists():
        found: dict[str, list[float]] = {}
        for row in table_rows(path):
            scores = [float(row[name] or "nan") for name in names]
            molecule = standardize(row["smiles"])
            if isinstance(molecule, Molecule) and np.isfinite(scores).all():
                found.setdefault(molecule.smiles, scores)
        np.savez(stored, smiles=np.array(list(found)), scores=np.array(list(found.values())))
    with np.load(stored) as arrays:
        return _Pool(arrays["smiles"].tolist(), dict(zip(names, arrays["scores"].T, strict=True)))


@cache
def _counts(smiles: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """Morgan counts, `n x f`."""
    molecules = [m for text in smiles if isinstance(m := parse(text), Molecule)]
    parts = [count_matrix(molecules[i : i + 1000]).astype(np.uint8) for i in range(0, len(molecules), 1000)]
    return np.concatenate(parts)


@cache
def _features() -> FeatureMemory:
    """Features of the library, computed once for all targets."""
    return FeatureMemory(
        CampaignSettings(objectives=(Objective(name="docking score", direction="minimize"),))
    )


@cache
def _model(checkpoint: Path) -> MolVAE:
    return MolVAE.load(checkpoint, device="cpu")


def _names(path: Path) -> list[str]:
    return sorted(next(table_rows(path)).keys() - {"smiles"})


def _marks(calls: int) -> list[int]:
    return [mark for mark in MARKS if mark <= calls]


def _figures(table: list[dict[str, Any]], calls: int) -> dict[str, float | int | None]:
    """Means over targets of each arm, and on how many targets molvae is ahead of both others."""
    targets = sorted({row["target"] for row in table})
    figures: dict[str, float | int | None] = {}
    for mark in _marks(calls):
        share = {
            arm: [
                mean(row[f"found_{mark}"] for row in table if (row["target"], row["arm"]) == (target, arm))
                for target in targets
            ]
            for arm in ARMS
        }
        figures |= {
            f"top1pct_{'found' if arm == 'molvae' else arm}_{mark}": round(mean(found), 4)
            for arm, found in share.items()
        }
        figures[f"ahead_of_both_{mark}"] = sum(
            ours > max(forest, chance) for ours, forest, chance in zip(*share.values(), strict=True)
        )
    return {**figures, "n_targets": len(targets)}


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "dockstring_pool", seeds=(0,))
    parser.add_argument("--targets", nargs="+", help="default: all of the file")
    parser.add_argument("--calls", type=int, default=MARKS[-1])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
