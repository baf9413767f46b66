"""A campaign: ask what to score next, tell what came out, at any time and in any order, across processes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from molvae.campaign.agreement import changes, first_event
from molvae.campaign.batch import Candidates
from molvae.campaign.contradictions import check_objectives
from molvae.campaign.events import going_on_from
from molvae.campaign.features import FeatureMemory
from molvae.campaign.forecast import Forecaster, forecasts_of
from molvae.campaign.forms import Form, form_of
from molvae.campaign.gates import gates_of
from molvae.campaign.history import History
from molvae.campaign.identity import check_files, check_model
from molvae.campaign.initialization import check_names, next_batch, read_start
from molvae.campaign.known import KnownScores
from molvae.campaign.measurements import Measurements, read_frame
from molvae.campaign.methods.base import Situation
from molvae.campaign.observations import (
    Candidate,
    Forecast,
    Observation,
    Receipt,
    StartMolecule,
)
from molvae.campaign.parts import unfolded, wanted
from molvae.campaign.recognition import Recognizer
from molvae.campaign.records import known_to_json, latent_to_text
from molvae.campaign.storage import Event, Journal
from molvae.campaign.table import Row, all_rows, best_rows, values_of
from molvae.campaign.telling import news, one_by_one, tell_event, usable
from molvae.campaign.trace import TracePoint, trace_of
from molvae.chemistry.depiction import table_html
from molvae.chemistry.molecule import parse
from molvae.data.frames import is_frame
from molvae.errors import UsageError
from molvae.persistence.locations import JOURNAL
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.model import LatentModel
    from molvae.chemistry.molecule import Invalid, Molecule


class Campaign:
    """A search for molecules, kept in one journal file.

    What it asks is a function of its settings, its seed and its journal: killed at any moment and opened
    again, it goes on as if nothing had happened. Use it as a context manager, or `close` it.

    >>> # with Campaign.create(path, model, settings, start=["CCO"]) as campaign:
    >>> #     candidates = campaign.ask()
    >>> #     campaign.tell([Observation(c.smiles, (measure(c),), c.identifier) for c in candidates])
    """

    def __init__(self, journal: Journal, model: LatentModel | None) -> None:
        self._journal = journal
        self._model = model
        self._history = History.replay(list(journal.events()), model)
        self._features = FeatureMemory(self.settings)
        start = [molecule.smiles for molecule in self._history.start]
        self._gates = gates_of(self.settings, model, start) if model is not None else ()
        self._seeds = Seeds(self.settings.seed)
        self.named: frozenset[str] = frozenset()
        """Objectives that the caller has named, not only the journal: their oracles may be run."""

    @classmethod
    def create(
        cls,
        path: Path | str,
        model: LatentModel,
        settings: CampaignSettings,
        *,
        start: Iterable[StartMolecule | str] | Measurements = (),
    ) -> Campaign:
        """Begin a campaign, or go on with the same one: the same call on the same path resumes it.

        Args:
            path: The journal file.
            model: Proposes molecules.
            settings: Objectives, budget, method. On an existing journal those that somebody set must be those
                it was made with; but the budget may grow, and how it is carried out may change (`EXECUTION`).
            start: Molecules to begin with, with or without known scores: SMILES, `StartMolecule`s, or a table
                (pandas, polars, Arrow) with a column `smiles`, and scores in columns named like objectives.
                Salts and charged forms of a molecule are that molecule; repeated measurements are averaged.

        Raises:
            InputError: Start molecules were given and none is valid.
            UsageError: The journal was made with other settings, another start or model, or an oracle's file
                has changed since; or the model does not know its domain and is to stay inside.
            UnknownNameError: A method, proposal source or filter there is none of.
        """
        check_names(settings)
        settings = unfolded(settings)
        check_objectives(settings.objectives)
        KnownScores(settings.objectives, model)  # before anything is written, refuse a missing head
        gates_of(settings, model, ())  # and a model without a domain
        found = read_start(start, settings.objectives)
        journal = Journal(Path(path))
        try:
            if len(journal) == 0:
                journal.append("create", first_event(settings, model, found))
                campaign = cls(journal, model)
            else:
                campaign = cls(journal, model)
                check_model(campaign.history.facts, model, campaign.path)
                for kind, payload in changes(campaign.history, settings, found, campaign.path):
                    campaign.history.apply(journal.append(kind, payload))
        except BaseException:
            journal.close()
            raise
        campaign.named = frozenset(objective.name for objective in wanted(settings.objectives))
        return campaign

    @classmethod
    def open(cls, path: Path | str, model: LatentModel | None = None, *, writable: bool = True) -> Campaign:
        """Open a campaign's journal.

        Args:
            path: The journal file, or the directory it is in.
            model: Needed to `ask`; reading and telling do without.
            writable: A reader may look on while another process writes.

        Raises:
            JournalError: There is no campaign, or its file is damaged.
            LockedError: Another process is writing it.
            UsageError: The model, or the file of an oracle, is not what it began with.
        """
        file = Path(path) / JOURNAL if Path(path).is_dir() else Path(path)
        # where there is no file nothing must be created: the journal explains that there is none
        journal = Journal(file, writable=writable and file.is_file())
        try:
            campaign = cls(journal, model)
            if model is not None:
                check_model(campaign.history.facts, model, file)
                check_files(campaign.history.facts, [o.name for o in campaign.settings.objectives], file)
        except BaseException:
            journal.close()
            raise
        return campaign

    @property
    def path(self) -> Path:
        """The journal file."""
        return self._journal.path

    @property
    def settings(self) -> CampaignSettings:
        """The settings, with the budget as it is now."""
        return self._history.settings

    @property
    def history(self) -> History:
        """Everything the journal says; to be read only."""
        return self._history

    @property
    def pending(self) -> Candidates:
        """Candidates handed out whose scores are awaited, oldest first."""
        waiting = [trial.candidate for trial in self._history.pending if trial.candidate is not None]
        return Candidates(waiting, self._history)

    @property
    def failed(self) -> list[Candidate]:
        """Candidates that an oracle failed on, oldest first."""
        return [
            trial.candidate
            for trial in self._history.trials.values()
            if trial.candidate is not None
            and any(score is not None and score.status in {"failed", "timeout"} for score in trial.asked)
        ]

    @property
    def n_calls(self) -> int:
        """Evaluations charged so far."""
        return self._history.n_calls

    @property
    def remaining(self) -> int:
        """Evaluations that can still be handed out."""
        return self._history.remaining

    def ask(self, n: int | None = None, *, deliver: Callable[[Candidates], None] | None = None) -> Candidates:
        """Hand out the next candidates: never scored, never handed out before, all different.

        Args:
            n: How many; what the settings say by default (`q`, growing to `q_most`). Never more than the
                budget leaves.
            deliver: Given the candidates before they are written down: whoever is killed or fails while it
                hands them over is given the same ones by the next `ask`.

        Returns:
            The candidates, written to the journal before this returns. Empty when the budget is handed out,
            or when nothing new can be found.

        Raises:
            UsageError: The campaign was opened without a model, or `n` is not positive.
        """
        if n is not None and n < 1:
            raise UsageError(f"ask for at least 1 candidate, got {n}")
        if self._model is None:
            raise UsageError("this campaign was opened without a model, so it cannot ask")
        q = self.settings.batch_size(self._history.n_calls)
        wanted = min(q if n is None else n, self._history.remaining)
        if wanted == 0:
            return Candidates([], self._history)
        begun = time.perf_counter()
        self._history.known.refused.clear()
        situation = self._situation()
        with going_on_from(self.path):
            batch = next_batch(situation, wanted, whole=n is not None)
        if not batch.drafts:
            return Candidates([], self._history)
        number = self._history.n_candidates
        drafts = batch.drafts[:wanted]
        forecasts, fits = forecasts_of(situation, drafts, batch.state)
        candidates = [
            Candidate(f"c{number + i:05d}", **asdict(draft), forecast=forecasts.get(draft.smiles))
            for i, draft in enumerate(drafts)
        ]
        payload = {
            "candidates": [asdict(candidate) for candidate in candidates],
            "state": batch.state | fits,
            "known": known_to_json(self._history.known, [candidate.smiles for candidate in candidates]),
            "latents": {smiles: latent_to_text(z) for smiles, z in batch.latents.items()},
            "seconds": round(time.perf_counter() - begun, 6),
        }
        if deliver is None:
            self._history.apply(self._journal.append("ask", payload))
            return Candidates(candidates, self._history)
        payload = json.loads(json.dumps(payload))
        self._history.apply(Event(len(self._journal) + 1, "ask", payload, written_at=""))
        try:
            handed = Candidates(candidates, self._history)
            deliver(handed)
            self._journal.append("ask", payload)
        except BaseException:
            self._history = History.replay(list(self._journal.events()), self._model)
            raise
        return handed

    @property
    def turned_away(self) -> dict[str, int]:
        """How many molecules each known bound has turned away in the last `ask`: why it found nothing."""
        return dict(self._history.known.refused)

    def tell(self, observations: Iterable[Observation] | Measurements, *, correct: bool = False) -> Receipt:
        """Bring back scores: late, in part, repeatedly, in any order.

        A failure stands until a number comes. A molecule the campaign did not ask for is used, not charged.
        A salt or charged form of a molecule is that molecule.

        Args:
            observations: All of them are taken or none. Or a table (pandas, polars, Arrow) with SMILES and
                columns named like objectives: its rows are taken or refused one by one, as the receipt says.
            correct: Replace what is on record. The journal keeps what was told before.

        Raises:
            JournalError: A score contradicts the one on record; nothing is changed.
            UsageError: Not a molecule, not an objective's score, or an identifier of another molecule.
        """
        if is_frame(observations):
            names = [objective.name for objective in self.settings.objectives]
            observations = read_frame(observations, names, asked=self.asked, **self.reading())
        if isinstance(observations, Measurements):
            taken = usable(self._history, observations, correct=correct)
            receipt = self._told(taken, observations.units, correct=correct)
            return replace(receipt, balance=observations.balance)
        return self._told(one_by_one(self._history, observations), {}, correct=correct)

    @property
    def asked(self) -> list[str]:
        """Names of the objectives whose scores are asked for; the others are computed."""
        return [self.settings.objectives[j].name for j in self._history.known.measured]

    def reading(self) -> dict[str, Any]:
        """How `molvae.campaign.measurements.read_rows` reads tables of results for this campaign."""
        return {"recognize": Recognizer(self._history), "stated": self._history.units, "expected": True}

    def _told(
        self, observations: Sequence[Observation], units: Mapping[str, str], *, correct: bool
    ) -> Receipt:
        rows = news(self._history, observations, correct=correct)
        before = self._history.n_calls
        if rows:
            event = tell_event(self._history, rows, units, correct=correct)
            self._history.apply(self._journal.append(*event))
        n_repeated = len(observations) - len(rows)
        return Receipt(accepted=len(rows), repeated=n_repeated, charged=self._history.n_calls - before)

    def predict(self, molecules: Sequence[str | Molecule]) -> list[Forecast | Invalid]:
        """What the campaign expects of any molecules: yours, a supplier's, its own candidates.

        Args:
            molecules: SMILES or molecules; a salt or charged form is taken for its parent.

        Returns:
            One forecast each, in order; what is not a molecule stays `Invalid`, with its reason.
        """
        forms = [form_of(m if isinstance(m, str) else m.smiles) for m in molecules]
        read = [self._features.molecules[f.smiles] for f in forms if isinstance(f, Form)]
        fits = self._history.state.get("fits")
        forecasts = iter(Forecaster(self._situation(), fits)([m for m in read if m is not None]))
        return [next(forecasts) if isinstance(form, Form) else form for form in forms]

    def best(self, k: int = 10) -> list[Row]:
        """The `k` best feasible molecules, highest utility first; of equal ones the one scored first."""
        return best_rows(self._history, k)

    def table(self) -> list[Row]:
        """Every molecule of the campaign, in order of appearance; molecules of the start only once scored."""
        return all_rows(self._history)

    def trace(self) -> list[TracePoint]:
        """Best and top-10 mean after each charged call; with several goals, utilities as they look now."""
        charged = sorted((row for row in self.table() if row.call is not None), key=lambda row: row.call or 0)
        return trace_of([row.smiles for row in charged], [row.utility for row in charged])

    def _repr_html_(self) -> str:
        names = [objective.name for objective in self.settings.objectives]
        rows = [[parse(row.smiles), *values_of(row), row.utility, row.smiles] for row in self.best(10)]
        wishes = ", ".join(map(str, self.settings.objectives))
        said = f"{wishes}: {self.n_calls:,} of {self.settings.budget:,} calls, {len(self.pending)} awaited"
        return table_html(["molecule", *names, "utility", "SMILES"], rows, said)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, error, trace)

    def _situation(self) -> Situation:
        model = cast("LatentModel", self._model)  # `ask` has checked that there is one, a forecast needs none
        return Situation(self._history, model, self._features, self._seeds, self._gates)
