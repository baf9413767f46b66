"""Switch off the controllers of the search, one at a time and all at once, on ten objectives outside PMO.

All arms of one objective and seed share start molecules and random streams. The gain of a controller is the
mean over (objective, seed) pairs of the default's AUC top-10 minus the arm's, with its standard error.

    MOLVAE_DATA=../shared/data python scripts/benchmark/ablation.py --seeds 0 1 2

Runs are kept under --work, and an interrupted command goes on; `--arms` and `--seeds` can be reduced to what
is complete. A run in which the retreat never began is the run without it, bit for bit, and is not repeated.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any
from unittest import mock

from record import ROOT, kept, record
from sense import objectives_in, zinc

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.methods.base import METHODS
from molvae.campaign.methods.bo import BayesianOptimization
from molvae.campaign.runner import run
from molvae.campaign.trace import top_auc
from molvae.latent.codec import MolVAE
from molvae.optimization.config import SearchSettings
from molvae.oracles.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molvae.campaign.methods.base import Batch, Situation

_SHARES = {"molvae.campaign.sources.shares.FLOOR": 1.0}
_CREDIT = {"molvae.optimization.credit.FLOOR": 1.0}
_RETREAT = {"molvae.campaign.methods.retreat.PATIENCE": 1e6}
_STEPS = {
    "molvae.campaign.sources.mix._WIDEN_ABOVE": 1.0,
    "molvae.campaign.sources.mix._NARROW_BELOW": 0.0,
    "molvae.campaign.sources.mix._PATIENCE": 1e6,
}
_PLAIN = {"name": "plain"}
_MIXED = {
    "name": "mixed",
    "views": ["morgan", "feature_morgan", "atom_pair"],
    "numbers": True,
    "hyperparameters": "map",
}
DEFAULT, NO_RETREAT, NO_RESERVE = "default", "no retreat", "no reserve"
CONSTANTS: dict[str, dict[str, float]] = {
    "all off": {**_SHARES, **_CREDIT, **_RETREAT, **_STEPS},
    "fixed move shares": _SHARES,
    "equal surrogates": _CREDIT,
    "fixed steps": _STEPS,
    NO_RETREAT: _RETREAT,
}
"""Constants of the search that switch off controllers; `all off` is without the reserve, too."""
SETTINGS: dict[str, dict[str, Any]] = {
    "plain kernel alone": {"surrogate": {"members": [_PLAIN]}},
    "mixed kernel alone": {"surrogate": {"members": [_MIXED]}},
    "noisy batches": {"acquisition": {"batch": "noisy"}},
}
ARMS = (DEFAULT, *CONSTANTS, NO_RESERVE, *SETTINGS)
BATCH, N_START, EVERY = 10, 10, 10


@METHODS.register("no-reserve")
class NoReserve(BayesianOptimization):
    """The default search without the leftovers of the last batch."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules."""
        for name in ("reserve", "reserve_elsewhere"):
            situation.history.state.pop(name, None)
        return super().ask(situation, n)


def main() -> None:
    """Run every seed, objective and arm; print and record the gains."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    train = zinc(options.data / "zinc250k" / "zinc250k.csv.gz")["train"]
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    for seed in options.seeds:
        start = random.Random(seed).sample(train, N_START)
        for arm in options.arms:
            for name, objective in objectives_in(options.work).items():
                default = rows.get((name, seed, DEFAULT))
                if arm == NO_RETREAT and default is not None and not default["retreated"]:
                    rows[name, seed, arm] = default
                    continue
                rows[name, seed, arm] = kept(
                    options.work / f"{name}-{seed}-{_key(arm)}.json",
                    {"objective": name, "seed": seed, "arm": arm, "calls": options.calls},
                    lambda o=objective, s=seed, a=arm, b=start: _play(model, o, s, a, b, options),  # type: ignore[misc]
                )
                print(f"{name:20} seed {seed} {arm:20} {rows[name, seed, arm]['auc']:.3f}", flush=True)
    summary = [_gain(arm, rows) for arm in options.arms]
    for row in summary:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    figures = {f"{_key(row['arm'])}_{what}": row[what] for row in summary for what in ("gain", "error")}
    table = [{"objective": n, "seed": s, "arm": a, **row} for (n, s, a), row in rows.items()]
    if not options.no_record:
        print(record("ablation", figures=figures, table=table, seeds=list(options.seeds), summary=summary))


def _play(
    model: MolVAE, objective: str, seed: int, arm: str, start: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    settings = CampaignSettings(
        objectives=(Objective(name=objective),),
        budget=options.calls,
        q=BATCH,
        seed=seed,
        method="no-reserve" if arm in {NO_RESERVE, "all off"} else "bo",
        search=SearchSettings.model_validate(SETTINGS.get(arm, {})),
    )
    retreated: list[bool] = []

    def watch(campaign: Campaign) -> bool:
        retreated.append(bool(campaign.history.state.get("retreat", {}).get("centers")))
        return False

    begun = time.process_time()
    with (
        switched_off(CONSTANTS.get(arm, {})),
        tempfile.TemporaryDirectory(dir=options.work) as place,
        Campaign.create(Path(place) / "journal.sqlite", model, settings, start=start) as campaign,
    ):
        result = run(campaign, enough=watch)
    return {
        "auc": round(
            top_auc([point.utility for point in result.trace], budget=options.calls, frequency=EVERY), 4
        ),
        "best": round(result.trace[-1].best, 4),
        "top10": round(result.trace[-1].top10, 4),
        "retreated": any(retreated),
        "cpu_ms_per_call": round(1e3 * (time.process_time() - begun) / options.calls, 1),
    }


@contextmanager
def switched_off(constants: dict[str, float]) -> Iterator[None]:
    """Let constants of modules have other values."""
    with ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(mock.patch(name, value))
        yield


def _gain(arm: str, rows: dict[tuple[str, int, str], dict[str, Any]]) -> dict[str, Any]:
    """The default's gain over an arm, in pairs of runs of the same objective and seed."""
    mine = {(name, seed): row for (name, seed, of), row in rows.items() if of == arm}
    gains = [rows[*pair, DEFAULT]["auc"] - row["auc"] for pair, row in mine.items()]
    return {
        "arm": arm,
        "auc": round(mean(row["auc"] for row in mine.values()), 4),
        "gain": round(mean(gains), 4),
        "error": round(stdev(gains) / len(gains) ** 0.5, 4) if len(gains) > 1 else None,
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
        "pairs": len(gains),
        "cpu_ms_per_call": round(mean(row["cpu_ms_per_call"] for row in mine.values()), 1),
    }


def _key(arm: str) -> str:
    return arm.replace(" ", "_")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "zinc250k")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MOLVAE_DATA", "../shared/data")))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "ablation")
    parser.add_argument("--no-record", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
