"""The closed loop: ask, score and tell until the budget is spent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from molvae.campaign.observations import Observation
from molvae.campaign.result import result_of
from molvae.chemistry.molecule import is_valid, parse
from molvae.errors import OracleError, UsageError
from molvae.oracles.base import ask as ask_oracle
from molvae.oracles.base import n_workers
from molvae.oracles.plugins import load_oracle
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.objectives import KnownScores
    from molvae.campaign.observations import Candidate
    from molvae.campaign.result import Result
    from molvae.oracles.base import Oracle, Score
    from molvae.progress import Progress

TASK = "optimize"
"""Name of the progress task: one step per evaluation."""
_MOST_BARREN = 20


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
        progress.advance(TASK, 0, **_standing(campaign))
        n_barren = 0 if campaign.n_calls > before or retried else n_barren + 1
        if n_barren == _MOST_BARREN:
            raise OracleError(
                f"{n_barren} batches in a row were scored and nothing could be charged; the last molecule: "
                + candidates[-1].smiles,
                hint="The oracle calls every molecule invalid or skips it.",
            )
    result = result_of(campaign, scoring)
    progress.finish(TASK, calls=result.n_calls)
    return result


def needed_oracles(
    known: KnownScores,
    given: Mapping[str, Oracle],
    *,
    named: Collection[str],
    trust: bool = False,
) -> dict[str, Oracle]:
    """The oracles of the measured objectives, by name: the given ones, and others loaded by name.

    Args:
        known: The objectives.
        given: Oracles by objective name.
        named: Objectives named by the user, not only by a file.
        trust: Whether to run programs, servers and code named only by a file.

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
        elif known.has_model or not known.needs_model:  # predicted objectives are loaded with the model
            loaded[name] = known.oracles[name]
    return loaded


def _score(
    candidates: Sequence[Candidate], campaign: Campaign, oracles: Mapping[str, Oracle]
) -> list[Observation]:
    """Scores of the oracles; computed objectives are `None`."""
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
    """Scores that are not on record yet, as a repeated evaluation may differ."""
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
        hint="All scores are kept. Repair the oracle and run the same command again, or raise failure_limit.",
    )
