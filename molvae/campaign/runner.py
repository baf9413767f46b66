"""The closed loop: ask, score and tell until the budget is spent; and its result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.observations import Observation
from molvae.campaign.table import best_rows, charged_rows, columns_of_rows, rows_html, trace_of, values_of
from molvae.campaign.utility import TOP, best_of, front, hits
from molvae.chemistry.molecule import is_valid, parse
from molvae.data.columnar import arrow_stream, to_pandas
from molvae.errors import OracleError, UsageError
from molvae.oracles.base import ask as ask_oracle
from molvae.oracles.base import n_workers
from molvae.oracles.plugins import load_oracle
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.objectives import KnownScores
    from molvae.campaign.observations import Candidate
    from molvae.campaign.table import Row, TracePoint
    from molvae.oracles.base import Oracle, Score
    from molvae.progress import Progress

TASK = "optimize"
"""Name of the progress task: one step per evaluation."""
_MOST_BARREN = 20


@dataclass(frozen=True)
class Result:
    """Result of a closed loop.

    Attributes:
        path: The journal.
        settings: Of the campaign.
        n_calls: Evaluations charged, in all runs of this campaign.
        n_failed: Failed ones.
        spent: Whether the budget was spent.
        seconds_searching: Time in `ask`, in all runs of this campaign.
        seconds_scoring: Time in oracles, in this run.
        table: Every molecule of the campaign.
        best: The ten best.
        trace: Progress call by call.
        moves: Report of each source.
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
        said = f"{self.n_calls:,} calls, {self.n_failed:,} failed; "
        said += f"the {len(self.best)} best of {len(self.table):,}"
        return rows_html(self.best, self.settings.objectives, said)

    @property
    def pareto(self) -> list[Row]:
        """Feasible nondominated molecules; with one goal, the best."""
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
    """Ask, score and tell until the budget is spent, beginning with pending candidates.

    Each score is written to the journal before the next molecule is scored: a kill loses at most the calls in
    flight (`evaluation_batch`, or the number of workers of an oracle), which are repeated and charged once.

    Args:
        campaign: Open for writing, with a model.
        oracles: By objective name; others are loaded by name.
        trust: Whether to run programs, servers and code named only by a journal or an `mpo:` file.
        retry_failed: Whether to repeat failed evaluations first, without charge.
        enough: Called before each batch: stops the run if true.
        progress: Listener.

    Raises:
        OracleError: `failure_limit` evaluations in a row failed.
        UnknownNameError: An objective is not an oracle.
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
        best = best_of(campaign.history.utilities())
        progress.advance(TASK, 0, **({"best": best[0], "top10": sum(best) / len(best)} if best else {}))
        n_barren = 0 if campaign.n_calls > before or retried else n_barren + 1
        if n_barren == _MOST_BARREN:
            raise OracleError(
                f"{n_barren} batches in a row gave no chargeable score; the last molecule: "
                + candidates[-1].smiles,
                hint="The oracle returns invalid or skipped for every molecule.",
            )
    progress.finish(TASK, calls=campaign.n_calls)
    return _result_of(campaign, scoring)


def needed_oracles(
    known: KnownScores, given: Mapping[str, Oracle], *, named: Collection[str], trust: bool = False
) -> dict[str, Oracle]:
    """The oracles of the measured objectives, by name; those not given are loaded.

    Objectives that the user has `named` may be programs, servers and code; with `trust`, others too.

    Raises:
        UnknownNameError: An objective is not an oracle.
        UsageError: An oracle was given for a computed objective.
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
        elif not known.lacks_model:  # predicted objectives are loaded with the model
            loaded[name] = known.oracles[name]
    return loaded


def _score(
    candidates: Sequence[Candidate], campaign: Campaign, oracles: Mapping[str, Oracle]
) -> list[Observation]:
    """Scores of the oracles; `None` where computed or on record, as a repeated evaluation may differ."""
    molecules = [molecule for c in candidates if is_valid(molecule := parse(c.smiles))]
    columns: dict[str, list[Score]] = {}
    for name, oracle in oracles.items():
        columns[name] = ask_oracle(oracle, molecules)
    history, objectives = campaign.history, campaign.settings.objectives
    observations = []
    for candidate, *found in zip(candidates, *columns.values(), strict=True):
        new, known = dict(zip(columns, found)), history.trials[candidate.smiles].scores
        scores: list[Score | None] = [None] * len(objectives)
        for j in history.known.measured:
            old = known[j]
            scores[j] = None if old is not None and old.is_measured else new[objectives[j].name]
        observations.append(Observation(candidate.smiles, tuple(scores), candidate.identifier))
    return observations


def _give_up(campaign: Campaign) -> None:
    limit, failed = campaign.settings.failure_limit, campaign.history.n_failed_in_a_row
    if limit is None or failed < limit:
        return
    details = [s.detail for s in campaign.history.evaluated[-1].scores if s is not None and s.detail]
    raise OracleError(
        f"the oracle gave no number {failed} times in a row"
        + (f"; the last time: {details[0]}" if details else ""),
        hint="All scores are kept. Repair the oracle and run the same command again, or raise failure_limit.",
    )


def _result_of(campaign: Campaign, scoring: float) -> Result:
    table = campaign.table()
    charged = charged_rows(table)
    return Result(
        path=campaign.path,
        settings=campaign.settings,
        n_calls=campaign.n_calls,
        n_failed=sum(not any(s is not None and s.is_measured for s in row.scores) for row in charged),
        spent=campaign.n_calls >= campaign.settings.budget,
        seconds_searching=campaign.history.seconds,
        seconds_scoring=scoring,
        table=table,
        best=best_rows(table, TOP),
        trace=trace_of(table),
        moves=move_reports(table, campaign.history.state),
    )


@dataclass(frozen=True)
class MoveReport:
    """Statistics of one move, or another source (start, library, prior).

    Attributes:
        move: Its name.
        scored: Calls for its candidates.
        hits: Candidates that were among the ten best when scored.
        best: Highest utility; NaN without one.
        attempts: Attempts in inner searches.
        new: New, acceptable molecules among these.
        share: Share of the attempts of the last batch.
    """

    move: str
    scored: int
    hits: int
    best: float
    attempts: int
    new: int
    share: float

    @property
    def hit_rate(self) -> float:
        """Hits per call; NaN before the first call."""
        return self.hits / self.scored if self.scored else float("nan")


def move_reports(table: Sequence[Row], state: Mapping[str, Any]) -> list[MoveReport]:
    """Statistics of all moves that were attempted or scored, most hits first; `state` is the method's."""
    called = charged_rows(table)
    reached = hits([row.utility for row in called])
    moves: Mapping[str, Mapping[str, Any]] = state.get("sources", {}).get("moves", {})
    reports = []
    for name in dict.fromkeys([*(row.source for row in called), *moves]):
        mine = [(row.utility, hit) for row, hit in zip(called, reached) if row.source == name]
        kept = moves.get(name, {})
        reports.append(
            MoveReport(
                move=name,
                scored=len(mine),
                hits=sum(hit for _, hit in mine),
                best=max((u for u, _ in mine if np.isfinite(u)), default=float("nan")),
                attempts=int(kept.get("attempts", 0)),
                new=int(kept.get("new", 0)),
                share=float(kept.get("share", 0.0)),
            )
        )
    wanted = [report for report in reports if report.scored or report.attempts]
    return sorted(wanted, key=lambda report: (-report.hits, -report.scored, report.move))
