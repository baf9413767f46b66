"""Ablate the adaptive components of the search, one at a time and all at once, on ten objectives outside PMO.

All arms of one objective and seed share start molecules and random streams. A gain is the mean over
(objective, seed) pairs of the AUC top-10 of the first arm (the default search) minus that of another, with
its standard error.

    MOLVAE_DATA=../shared/data python scripts/benchmark/ablation.py --seeds 0 1 2
    ... --noise 0.1 --arms default 'equal surrogates' --name ablation_noise --work runs/noise
    ... --arms default 'a quarter of the effort' 'four times the effort' --name effort
    ... --checkpoint checkpoints/druglike --arms 'latent moves alone' 'graph moves alone' --name latent_gain

Runs are saved in --work, and the same command continues after an interruption; `--arms` and `--seeds` can be
restricted to what is complete. A run in which the retreat from exhausted regions never began is identical to
the run without it, and is not repeated. With --noise, scores have Gaussian noise of that standard deviation;
the AUC is that of the scores without it.
"""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any
from unittest import mock

from arguments import search_parser
from record import cached, record, standard_error
from sense import objectives_in, zinc

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.runner import run
from molvae.campaign.search.base import METHODS
from molvae.campaign.search.bo import bayesian_optimization
from molvae.campaign.utility import top_auc
from molvae.latent.codec import MolVAE
from molvae.oracles.base import Score, ask
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from molvae.campaign.search.base import Batch, Situation
    from molvae.chemistry.molecule import Molecule

_SHARES = {"molvae.campaign.search.mix.FLOOR": 1.0}
_CREDIT = {"molvae.campaign.search.credit.FLOOR": 1.0}
_RETREAT = {"molvae.campaign.search.retreat.PATIENCE": 1e6}
_STEPS = {
    "molvae.campaign.search.mix._WIDEN_ABOVE": 1.0,
    "molvae.campaign.search.mix._NARROW_BELOW": 0.0,
    "molvae.campaign.search.mix._PATIENCE": 1e6,
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
    "fixed shares and steps": {**_SHARES, **_STEPS},
    "no reserve, fixed steps": _STEPS,
}
"""Constants of the search that switch off components; `all off` is also without the reserve."""
SETTINGS: dict[str, dict[str, Any]] = {
    "plain kernel alone": {"search": {"surrogate": {"members": [_PLAIN]}}},
    "mixed kernel alone": {"search": {"surrogate": {"members": [_MIXED]}}},
}
EFFORTS = {"a quarter of the effort": {"effort": 0.25}, "four times the effort": {"effort": 4.0}}
MOVES = {f"{source} moves alone": {"sources": {source: 1.0}} for source in ("latent", "graph")}
ARMS = (DEFAULT, *CONSTANTS, NO_RESERVE, *SETTINGS)
"""Arms that run by default; those of `EFFORTS` and `MOVES` have to be named."""
BATCH, N_START, EVERY = 10, 10, 10


class Noisy:
    """An oracle with Gaussian noise, drawn anew for each seed and molecule.

    Args:
        name: The oracle without noise.
        deviation: Of the noise.
        seed: Of the noise.
    """

    name = "score"

    def __init__(self, name: str, deviation: float, seed: int) -> None:
        self._oracle, self._deviation, self._seed = load_oracle(name), deviation, seed
        self.exact: dict[str, float] = {}

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """Scores of molecules."""
        exact = [score.value for score in ask(self._oracle, molecules)]
        self.exact.update(zip((molecule.smiles for molecule in molecules), exact))
        return [
            Score.of(value + random.Random(f"{self._seed} {m.smiles}").gauss(0.0, self._deviation))
            for m, value in zip(molecules, exact)
        ]


@METHODS.register("no-reserve")
def without_reserve(situation: Situation, n: int) -> Batch:
    """The default search without the leftovers of the last batch."""
    for name in ("reserve", "reserve_elsewhere"):
        situation.history.state.pop(name, None)
    return bayesian_optimization(situation, n)


def main() -> None:
    """Run every seed, objective and arm; print and record the gains."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    train = zinc(options.data / "zinc250k" / "zinc250k.csv.gz")["train"]
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    noise = {"noise": options.noise} if options.noise else {}
    for seed in options.seeds:
        start = random.Random(seed).sample(train, N_START)
        for arm in options.arms:
            for name, objective in objectives_in(options.work).items():
                default = rows.get((name, seed, DEFAULT))
                if arm == NO_RETREAT and default is not None and not default["retreated"]:
                    rows[name, seed, arm] = default
                    continue
                rows[name, seed, arm] = cached(
                    options.work / f"{name}-{seed}-{_key(arm)}.json",
                    {"objective": name, "seed": seed, "arm": arm, "calls": options.calls, **noise},
                    lambda o=objective, s=seed, a=arm, b=start: _run_arm(model, o, s, a, b, options),  # type: ignore[misc]
                )
                print(f"{name:20} seed {seed} {arm:20} {rows[name, seed, arm]['auc']:.3f}", flush=True)
    summary = [_gain(arm, options.arms[0], rows) for arm in options.arms]
    for row in summary:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    figures = {f"{_key(row['arm'])}_{what}": row[what] for row in summary for what in ("gain", "error")}
    table = [{"objective": n, "seed": s, "arm": a, **row} for (n, s, a), row in rows.items()]
    if not options.no_record:
        print(record(options.name, figures=figures, table=table, seeds=list(options.seeds), summary=summary))


def _run_arm(
    model: MolVAE, objective: str, seed: int, arm: str, start: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    noisy = Noisy(objective, options.noise, seed) if options.noise else None
    settings = CampaignSettings.model_validate(
        {
            "objectives": [{"name": objective if noisy is None else noisy.name}],
            "budget": options.calls,
            "q": BATCH,
            "seed": seed,
            "method": "no-reserve" if arm.startswith((NO_RESERVE, "all off")) else "bo",
            **(SETTINGS | MOVES | EFFORTS).get(arm, {}),
        }
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
        result = run(campaign, None if noisy is None else {noisy.name: noisy}, enough=watch)
    utilities = [p.utility if noisy is None else noisy.exact[p.smiles] for p in result.trace]
    return {
        "auc": round(top_auc(utilities, budget=options.calls, frequency=EVERY), 4),
        "best": round(max(utilities), 4),
        "retreated": any(retreated),
        "cpu_ms_per_call": round(1e3 * (time.process_time() - begun) / options.calls, 1),
    }


@contextmanager
def switched_off(constants: dict[str, float]) -> Iterator[None]:
    """Replace constants of modules."""
    with ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(mock.patch(name, value))
        yield


def _gain(arm: str, first: str, rows: dict[tuple[str, int, str], dict[str, Any]]) -> dict[str, Any]:
    """The gain of the first arm over an arm, in pairs of runs of the same objective and seed."""
    mine = {(name, seed): row for (name, seed, of), row in rows.items() if of == arm}
    gains = [rows[*pair, first]["auc"] - row["auc"] for pair, row in mine.items()]
    return {
        "arm": arm,
        "auc": round(mean(row["auc"] for row in mine.values()), 4),
        "gain": round(mean(gains), 4),
        "error": standard_error(gains, 4),
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
        "pairs": len(gains),
        "cpu_ms_per_call": round(mean(row["cpu_ms_per_call"] for row in mine.values()), 1),
    }


def _key(arm: str) -> str:
    return arm.replace(" ", "_")


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "ablation", seeds=(0, 1, 2))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), metavar="ARM")
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--name", default="ablation", help="of the record")
    parser.add_argument("--noise", type=float, default=0.0, metavar="SD")
    return parser.parse_args()


if __name__ == "__main__":
    main()
