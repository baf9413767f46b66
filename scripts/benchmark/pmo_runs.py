"""The runs of the PMO benchmark: plan, execute and continue them."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import CHECKPOINT
from pmo_records import GOALS, PARETO, PERFECT, RANDOM_LIBRARY, figures_of, is_whole, number, summary, write
from record import ROOT, commit, smiles_in

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.runner import run
from molvae.chemistry.molecule import Invalid
from molvae.config import load_settings
from molvae.errors import LockedError, UsageError
from molvae.oracles.base import Score, ask
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.codec import MolVAE
    from molvae.oracles.base import Oracle


_TOP = 10
_ZINC = Path("zinc250k") / "zinc250k.csv.gz"


@dataclass(frozen=True)
class Run:
    """Settings of a run, and its files.

    Attributes:
        label: Name of the method in tables.
        method: Registered name, or `random-library`.
        task: Oracle, or `pareto`.
        seed: Root seed of the search and of the choice of start molecules.
        budget: Calls.
        assignments: Campaign settings that differ from the defaults, as KEY=VALUE.
        most: Calls after which the run stops for now.
        n_library: Number of start molecules, of which the first ten are scored first.
        work: Directory of all runs.
        library: File of molecules with a column `smiles`.
        checkpoint: Model.
        threads: Threads of torch.
        commit: Commit of the code.
    """

    label: str
    method: str
    task: str
    seed: int
    budget: int
    work: Path
    library: Path
    checkpoint: Path
    assignments: tuple[str, ...] = ()
    most: int | None = None
    n_library: int = 1000
    threads: int = 1
    commit: str = ""

    @property
    def path(self) -> Path:
        """Path of the run's files, without suffix."""
        return self.work / self.label / str(self.budget) / f"{self.task}-{self.seed}"

    @property
    def goals(self) -> tuple[tuple[str, str], ...]:
        """Oracle and direction of each goal."""
        return GOALS.get(self.task, ((self.task, "maximize"),))


@dataclass
class Timed:
    """An oracle that measures its own time.

    Attributes:
        oracle: The oracle.
        wall: Wall-clock seconds.
        cpu: Processor seconds of this process.
    """

    oracle: Oracle
    wall: float = 0.0
    cpu: float = 0.0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.oracle.name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The oracle's scores."""
        wall, cpu = time.perf_counter(), time.process_time()
        scores = ask(self.oracle, molecules)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return scores


class NoModel:
    """A model without any molecules, for runs that do not use one."""

    latent_size = 1

    def encode(self, molecules: Sequence[Molecule], /) -> np.ndarray:
        """No molecule has a latent vector."""
        return np.full((len(molecules), 1), np.nan, dtype=np.float32)

    def decode(self, z: np.ndarray, /) -> list[Molecule | Invalid]:
        """No latent vector is a molecule."""
        return [Invalid("", "there is no model")] * len(z)

    def sample_latent(self, n: int, /, *, generator: np.random.Generator) -> np.ndarray:
        """Zeros."""
        del generator
        return np.zeros((n, 1), dtype=np.float32)


def add_options(add: Callable[..., object], name: str) -> None:
    """Add the options that all benchmarks with PMO runs share: files, and whether to record.

    Args:
        add: `add_argument` of the parser.
        name: Name of the record and of the directory of runs.
    """
    data = os.environ.get("MOLVAE_DATA")
    add("--library", type=Path, default=Path(data) / _ZINC if data else None, help="default: ZINC250k")
    add("--checkpoint", type=Path, default=CHECKPOINT)
    add("--work", type=Path, default=ROOT / "runs" / name, help="directory of runs")
    add(
        "--most",
        type=int,
        metavar="N",
        help="calls after which runs stop for now; the same command continues",
    )
    add("--no-record", action="store_true", help=f"do not write results/{name}.json")


def plan(
    options: argparse.Namespace, tasks: Sequence[str], *, label: str, method: str, assignments: Sequence[str]
) -> list[Run]:
    """The runs of a method with these settings: every task with every seed of the options, seed by seed."""
    if options.library is None:
        sys.exit("no start molecules: set MOLVAE_DATA, or give --library FILE with a column smiles")
    standing = commit()
    return [
        Run(
            label=label,
            method=method,
            task=task,
            seed=seed,
            budget=options.budget,
            work=options.work,
            library=options.library,
            checkpoint=options.checkpoint,
            assignments=tuple(assignments),
            most=options.most,
            n_library=options.n_library,
            commit=f"{standing[:10]}{'+' * standing.endswith('+')}",
        )
        for seed in options.seeds
        for task in tasks
    ]


def execute(run_: Run) -> dict[str, Any]:
    """The row of a run, from disk if it is finished; otherwise the run is started or continued."""
    finished = summary(run_.path)
    if finished is not None and is_whole(finished, run_.most):
        return finished
    settings = _settings(run_)
    oracles = {name: Timed(load_oracle(name)) for name, _ in run_.goals}
    run_.path.parent.mkdir(parents=True, exist_ok=True)
    model = NoModel() if run_.method == RANDOM_LIBRARY else _model(run_.checkpoint, run_.threads)
    journal = run_.path.with_suffix(".sqlite")
    try:
        campaign = Campaign.create(journal, model, settings, start=start_molecules(run_))
    except LockedError:
        return {**identity(run_), "calls": None, "trouble": "another process is running it"}
    except UsageError:  # defaults have changed since
        trouble = (
            f"started with other settings; remove {journal.name} to start again, or choose another --work"
        )
        return {**identity(run_), "calls": None, "trouble": trouble}
    with campaign:
        before, wall, cpu = campaign.n_calls, time.perf_counter(), time.process_time()
        result = run(campaign, oracles, enough=lambda campaign: _is_enough(run_, campaign))
        n_new = result.n_calls - before
        exhausted = not result.spent and not _is_enough(run_, campaign)  # nothing new could be found
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        charged = sorted((row for row in result.table if row.call is not None), key=lambda row: row.call or 0)
    values = [[number(score) for score in row.scores] for row in charged]
    names = [name for name, _ in run_.goals]
    write(run_.path, names, [(row.smiles, row.source, *line) for row, line in zip(charged, values)])
    row = {
        **identity(run_),
        **figures_of(run_.task, values, run_.budget),
        "failed": sum(all(value is None for value in line) for line in values),
        "overhead_ms_per_call": round(1e3 * result.overhead_per_call, 1),
        "commit": run_.commit,
        "settings": list(run_.assignments),
        **({"exhausted": True} if exhausted else {}),
    }
    if n_new:  # times of this process only
        wall, cpu = wall - sum(o.wall for o in oracles.values()), cpu - sum(o.cpu for o in oracles.values())
        row |= {
            "overhead_ms_per_call": round(1e3 * wall / n_new, 1),
            "overhead_cpu_ms_per_call": round(1e3 * cpu / n_new, 1),
            "oracle_ms_per_call": round(1e3 * sum(o.wall for o in oracles.values()) / n_new, 2),
        }
    run_.path.with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return row


def _is_enough(run_: Run, campaign: Campaign) -> bool:
    """Whether `most` calls are made, or further calls cannot change the result.

    The latter is so if the ten best molecules have the maximum score of a PMO task.
    """
    if run_.most is not None and campaign.n_calls >= run_.most:
        return True
    best = campaign.best(_TOP) if run_.task != PARETO else []
    return len(best) == _TOP and all(row.utility >= PERFECT for row in best)


def identity(run_: Run) -> dict[str, Any]:
    """The columns that identify the run of a row."""
    return {"task": run_.task, "method": run_.label, "budget": run_.budget, "seed": run_.seed}


def _settings(run_: Run) -> CampaignSettings:
    goals = ", ".join(f'{{name = "{name}", direction = "{direction}"}}' for name, direction in run_.goals)
    given = [f"objectives=[{goals}]", f"budget={run_.budget}", f"seed={run_.seed}"]
    given += ["wild=true", *run_.assignments]  # as published: any valid molecule counts
    if run_.method == RANDOM_LIBRARY:
        given += ["method=random", f"n_initial={run_.budget}", "q=50", "evaluation_batch=50"]
    else:
        given.append(f"method={run_.method}")
    return load_settings(CampaignSettings, None, given)


def start_molecules(run_: Run) -> list[str]:
    """Random molecules of the library; the same for every method and task with the same seed."""
    library = _library(run_.library)
    n = run_.budget + run_.budget // 100 + 10 if run_.method == RANDOM_LIBRARY else run_.n_library
    order = np.random.default_rng([20250, run_.seed]).permutation(len(library))
    return [library[row] for row in order[:n]]


_library = cache(smiles_in)


def _model(path: Path, threads: int) -> MolVAE:
    import torch

    torch.set_num_threads(threads)
    return _loaded(path)


@cache
def _loaded(path: Path) -> MolVAE:
    from molvae.latent.codec import MolVAE

    return MolVAE.load(path, device="cpu")
