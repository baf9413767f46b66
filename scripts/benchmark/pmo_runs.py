"""One run of the PMO benchmark: play it or go on with it, keep what it scored, score that again."""

from __future__ import annotations

import csv
import gzip
import json
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.runner import run
from molvae.campaign.trace import running_top, top_auc
from molvae.chemistry.molecule import Invalid, is_valid, parse
from molvae.config import load_settings
from molvae.errors import LockedError, UsageError
from molvae.oracles.base import Score, ask
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.codec import MolVAE
    from molvae.oracles.base import Oracle

PARETO = "pareto"
"""Not a task of PMO: three goals at once, judged by hypervolume."""
CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
GOALS = {PARETO: (("qed", "maximize"), (f"similarity:{CELECOXIB}", "maximize"), ("sa", "minimize"))}
_EASY, _HARD = 1.0, 10.0  # ends of the scale of synthetic accessibility
RANDOM_LIBRARY = "random-library"
"""Not a registered method: molecules of the library in random order, all of the budget."""


@dataclass(frozen=True)
class Run:
    """What identifies a run, and where it lies.

    Attributes:
        label: What the method is called in tables: its name, or that of a variant.
        method: Registered name, or `random-library`.
        task: Oracle, or `pareto`.
        seed: Root seed of the search and of the choice of start molecules.
        budget: Calls.
        assignments: Campaign settings that differ from the defaults, as KEY=VALUE.
        n_library: Molecules of the library that come along, of which the first ten are scored first.
        work: Directory of all runs.
        library: File of molecules, a column `smiles`.
        checkpoint: Model.
        commit: The code stands at.
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
    n_library: int = 1000
    commit: str = ""

    @property
    def path(self) -> Path:
        """Of the run's files, without suffix."""
        return self.work / self.label / str(self.budget) / f"{self.task}-{self.seed}"

    @property
    def goals(self) -> tuple[tuple[str, str], ...]:
        """Oracle and direction of each goal."""
        return GOALS.get(self.task, ((self.task, "maximize"),))


@dataclass
class Timed:
    """An oracle and the time spent in it.

    Attributes:
        oracle: What is timed.
        wall: Seconds by the clock.
        cpu: Seconds of this process.
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


class Blind:
    """Stands where a model would, for a run that has nothing to ask of one."""

    latent_size = 1

    def encode(self, molecules: Sequence[Molecule], /) -> np.ndarray:
        """Nothing is known of any molecule."""
        return np.full((len(molecules), 1), np.nan, dtype=np.float32)

    def decode(self, z: np.ndarray, /) -> list[Molecule | Invalid]:
        """No latent point is a molecule."""
        return [Invalid("", "there is no model")] * len(z)

    def sample_latent(self, n: int, /, *, generator: np.random.Generator) -> np.ndarray:
        """Nothing to draw from."""
        del generator
        return np.zeros((n, 1), dtype=np.float32)


def play(run_: Run) -> dict[str, Any]:
    """The row of a run: what is on disk if it is finished, else played or gone on with until it is."""
    finished = summary(run_.path)
    if finished is not None:
        return finished
    settings = _settings(run_)
    oracles = {name: Timed(load_oracle(name)) for name, _ in run_.goals}
    run_.path.parent.mkdir(parents=True, exist_ok=True)
    model = Blind() if run_.method == RANDOM_LIBRARY else _model(run_.checkpoint)
    journal = run_.path.with_suffix(".sqlite")
    try:
        campaign = Campaign.create(journal, model, settings, start=_start(run_))
    except LockedError:
        return {**identity(run_), "calls": None, "trouble": "another process is at it"}
    except UsageError:  # defaults have changed since
        trouble = f"begun with other settings; remove {journal.name} to begin again, or choose another --work"
        return {**identity(run_), "calls": None, "trouble": trouble}
    with campaign:
        before, wall, cpu = campaign.n_calls, time.perf_counter(), time.process_time()
        result = run(campaign, oracles)
        played = max(1, result.n_calls - before)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        charged = sorted((row for row in result.table if row.call is not None), key=lambda row: row.call or 0)
    values = [[_number(score) for score in row.scores] for row in charged]
    names = [name for name, _ in run_.goals]
    _write(run_.path, names, [(row.smiles, row.source, *line) for row, line in zip(charged, values)])
    row = {
        **identity(run_),
        **judged(run_.task, values, run_.budget),
        "failed": sum(all(value is None for value in line) for line in values),
        "overhead_ms_per_call": round(1e3 * (wall - sum(o.wall for o in oracles.values())) / played, 1),
        "overhead_cpu_ms_per_call": round(1e3 * (cpu - sum(o.cpu for o in oracles.values())) / played, 1),
        "oracle_ms_per_call": round(1e3 * sum(o.wall for o in oracles.values()) / played, 2),
        "commit": run_.commit,
        "settings": list(run_.assignments),
    }
    run_.path.with_suffix(".json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return row


def identity(run_: Run) -> dict[str, Any]:
    """The columns that say which run a row is of."""
    return {"task": run_.task, "method": run_.label, "budget": run_.budget, "seed": run_.seed}


def summary(path: Path) -> dict[str, Any] | None:
    """The row of a finished run, if it is one."""
    file = path.with_suffix(".json")
    if not file.is_file():
        return None
    row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return row


def begun_as(path: Path, budget: int) -> dict[str, Any] | None:
    """The row of what a finished run with more calls was after `budget` of them: no search knows its budget.

    Nothing if the run is no longer than that, or scored its whole budget in one batch (`random-library`).
    """
    row = summary(path)
    if row is None or row["budget"] <= budget or row["method"] == RANDOM_LIBRARY or row["task"] == PARETO:
        return None
    with gzip.open(path.with_suffix(".csv.gz"), "rt", encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    values = [[float(text) if text else None for text in line[3:]] for line in lines[:budget]]
    kept = {key: row[key] for key in ("task", "method", "seed", "commit", "settings")}
    return {**kept, "budget": budget, **judged(row["task"], values, budget), "first_calls_of": row["budget"]}


def judged(task: str, values: Sequence[Sequence[float | None]], budget: int) -> dict[str, Any]:
    """The figures of a run from its scores in call order: best, top-10, AUC; or the hypervolume."""
    if task == PARETO:
        import torch

        from molvae.optimization.pareto import hypervolume

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


def audit(path: Path) -> list[str]:
    """What is wrong with a finished run, whose molecules are read, checked and scored again."""
    row = summary(path)
    if row is None:
        return ["not finished"]
    with gzip.open(path.with_suffix(".csv.gz"), "rt", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
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
    values = [[_number(score) for score in scores] for scores in zip(*again, strict=True)]
    kept = [[float(text) if text else None for text in line[3:]] for line in lines]
    wrong = [i for i, (a, b) in enumerate(zip(values, kept, strict=True), 1) if not _equal(a, b)]
    if wrong:
        problems.append(f"{len(wrong)} scores differ, the first at call {wrong[0]}")
    problems += [
        f"{name} is {value}, the row says {row.get(name)}"
        for name, value in judged(row["task"], values, row["budget"]).items()
        if row.get(name) != value
    ]
    return problems


def _settings(run_: Run) -> CampaignSettings:
    goals = ", ".join(f'{{name = "{name}", direction = "{wish}"}}' for name, wish in run_.goals)
    given = [f"objectives=[{goals}]", f"budget={run_.budget}", f"seed={run_.seed}", *run_.assignments]
    if run_.method == RANDOM_LIBRARY:
        given += ["method=random", f"n_initial={run_.budget}", "q=50", "evaluation_batch=50"]
    else:
        given.append(f"method={run_.method}")
    return load_settings(CampaignSettings, None, given)


def _start(run_: Run) -> list[str]:
    """Molecules of the library at random; the same seed draws the same for every method and task."""
    library = _library(run_.library)
    n = run_.budget + run_.budget // 100 + 10 if run_.method == RANDOM_LIBRARY else run_.n_library
    order = np.random.default_rng([20250, run_.seed]).permutation(len(library))
    return [library[row] for row in order[:n]]


def _write(path: Path, names: Sequence[str], lines: Sequence[tuple[Any, ...]]) -> None:
    with gzip.open(path.with_suffix(".csv.gz"), "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["call", "smiles", "source", *names])
        for call, line in enumerate(lines, start=1):
            writer.writerow([call, *("" if value is None else value for value in line)])


def _number(score: Score | None) -> float | None:
    return score.value if score is not None and score.is_ok else None


def _equal(a: Sequence[float | None], b: Sequence[float | None]) -> bool:
    return all(
        x is None and y is None if x is None or y is None else abs(x - y) <= 1e-6  # noqa: PLR2004
        for x, y in zip(a, b, strict=True)
    )


@cache
def _library(path: Path) -> list[str]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as file:
        return [row["smiles"] for row in csv.DictReader(file)]


@cache
def _model(path: Path) -> MolVAE:
    import torch

    from molvae.latent.codec import MolVAE

    torch.set_num_threads(1)  # processes are what a machine's cores are for
    return MolVAE.load(path, device="cpu")
