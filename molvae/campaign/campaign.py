"""A campaign: `ask` for candidates, `tell` their scores, at any time, in any order, across processes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from molvae.campaign.gates import gates_of
from molvae.campaign.history import History
from molvae.campaign.measurements import Measurements, read_frame
from molvae.campaign.molecules import FeatureMemory, Form, form_of
from molvae.campaign.objectives import wanted
from molvae.campaign.observations import Candidate, Forecast, Observation, Receipt, StartMolecule
from molvae.campaign.records import going_on_from
from molvae.campaign.search.base import METHODS, Batch, Situation
from molvae.campaign.search.design import initial_design
from molvae.campaign.search.forecast import Forecaster, candidates_of
from molvae.campaign.start import changes, check_files, check_model, checked, first_event
from molvae.campaign.storage import Event, Journal
from molvae.campaign.table import Candidates, Row, TracePoint, all_rows, best_rows, rows_html, trace_of
from molvae.campaign.telling import Recognizer, news, one_by_one, tell_event, usable
from molvae.data.columnar import is_frame
from molvae.errors import UsageError
from molvae.persistence.locations import JOURNAL
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.molecules import LatentModel
    from molvae.chemistry.molecule import Invalid, Molecule

    Deliver = Callable[[Candidates], None]


class Campaign:
    """A search for molecules in one journal file.

    Its candidates are a function of its settings, seed and journal: it can be killed at any moment and
    resumed without a difference. Use it as a context manager, or `close` it.

    >>> # with Campaign.create(path, model, settings, start=["CCO"]) as campaign:
    >>> #     candidates = campaign.ask()
    >>> #     campaign.tell([Observation(c.smiles, (measure(c),), c.identifier) for c in candidates])
    """

    def __init__(self, journal: Journal, model: LatentModel | None) -> None:
        self._journal = journal
        self._model = model
        self.path = journal.path
        """The journal file."""
        self.history = History.replay(list(journal.events()), model)
        """The state in the journal; read only."""
        self._features = FeatureMemory(self.settings)
        start = [molecule.smiles for molecule in self.history.start]
        self._gates = gates_of(self.settings, model, start) if model is not None else ()
        self._seeds = Seeds(self.settings.seed)
        self.named: frozenset[str] = frozenset()
        """Objectives named by the caller, not only by the journal: their oracles may be run."""

    @classmethod
    def create(
        cls,
        path: Path | str,
        model: LatentModel,
        settings: CampaignSettings,
        *,
        start: Iterable[StartMolecule | str] | Measurements = (),
    ) -> Campaign:
        """Begin a campaign, or resume it with the same call on the same path.

        Args:
            path: The journal file.
            model: Proposes molecules.
            settings: Objectives, budget, method. On resuming, explicitly set ones must be unchanged, except
                that the budget may grow and `EXECUTION` may change.
            start: Start molecules, with or without known scores: SMILES, `StartMolecule`s, or a table
                (pandas, polars, Arrow) with a column `smiles`, and scores in columns named like objectives.
                Salts and charged forms are standardized; repeated measurements are averaged.

        Raises:
            InputError: Start molecules were given and none is valid.
            UsageError: The settings, the start, the model or a file of an oracle differ from those in the
                journal; or `in_domain` is set and the model is not calibrated.
            UnknownNameError: Unknown method, proposal source or filter.
        """
        settings, found = checked(settings, model, start)
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
            path: The journal file, or its directory.
            model: Required by `ask` only.
            writable: Whether to write; a reader needs no lock.

        Raises:
            JournalError: There is no campaign, or its file is damaged.
            LockedError: Another process is writing it.
            UsageError: The model or a file of an oracle has changed since it began.
        """
        file = Path(path) / JOURNAL if Path(path).is_dir() else Path(path)
        journal = Journal(file, writable=writable and file.is_file())  # do not create a missing one
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
    def settings(self) -> CampaignSettings:
        """The settings, with the current budget."""
        return self.history.settings

    @property
    def pending(self) -> Candidates:
        """Candidates without scores, oldest first."""
        waiting = [trial.candidate for trial in self.history.pending if trial.candidate is not None]
        return Candidates(waiting, self.history)

    @property
    def failed(self) -> list[Candidate]:
        """Candidates with a failed evaluation, oldest first."""
        return [
            trial.candidate
            for trial in self.history.trials.values()
            if trial.candidate is not None
            and any(score is not None and score.status in {"failed", "timeout"} for score in trial.asked)
        ]

    @property
    def n_calls(self) -> int:
        """Evaluations charged so far."""
        return self.history.n_calls

    @property
    def remaining(self) -> int:
        """Remaining budget."""
        return self.history.remaining

    def ask(self, n: int | None = None, *, deliver: Deliver | None = None) -> Candidates:
        """The next candidates, now in the journal: distinct molecules, never scored or proposed before.

        There are none if the budget is spent or nothing new is found.

        Args:
            n: Maximum number, within the budget; default: `q`, growing to `q_most`.
            deliver: Called with the candidates before they are in the journal. If it fails or is killed,
                the next `ask` returns the same ones.

        Raises:
            UsageError: The campaign was opened without a model, or `n` is not positive.
        """
        if n is not None and n < 1:
            raise UsageError(f"ask for at least 1 candidate, got {n}")
        if self._model is None:
            raise UsageError("this campaign was opened without a model, so it cannot ask")
        size = min(n or self.settings.batch_size(self.history.n_calls), self.history.remaining)
        if size == 0:
            return Candidates([], self.history)
        begun = time.perf_counter()
        self.history.known.refused.clear()
        situation = self._situation()
        with going_on_from(self.path):
            first, enough = initial_design(situation, size, whole=n is not None)
            batch = Batch(tuple(first), self.history.state)
            if not enough:
                batch = METHODS.get(self.settings.method)(situation, size).after(first, size)
        if not batch.drafts:
            return Candidates([], self.history)
        candidates, payload = candidates_of(situation, batch, size)
        payload["seconds"] = round(time.perf_counter() - begun, 6)
        return self._handed_out(candidates, payload, deliver)

    def _handed_out(
        self, candidates: list[Candidate], payload: dict[str, Any], deliver: Deliver | None
    ) -> Candidates:
        """Write candidates to the journal, after they were delivered."""
        if deliver is None:
            self.history.apply(self._journal.append("ask", payload))
            return Candidates(candidates, self.history)
        payload = json.loads(json.dumps(payload))
        self.history.apply(Event(len(self._journal) + 1, "ask", payload, written_at=""))
        try:
            handed = Candidates(candidates, self.history)
            deliver(handed)
            self._journal.append("ask", payload)
        except BaseException:
            self.history = History.replay(list(self._journal.events()), self._model)
            raise
        return handed

    @property
    def turned_away(self) -> dict[str, int]:
        """Number of molecules that violated each known bound in the last `ask`."""
        return dict(self.history.known.refused)

    def tell(self, observations: Iterable[Observation] | Measurements, *, correct: bool = False) -> Receipt:
        """Report scores: late, in part, repeatedly, in any order.

        A failure is replaced by a later number. Molecules that were not candidates are not charged. Salts and
        charged forms are standardized.

        Args:
            observations: All are accepted, or none. Or a table (pandas, polars, Arrow) with SMILES and
                columns named like objectives, whose rows are accepted or refused one by one.
            correct: Replace scores on record; the journal keeps the earlier ones.

        Raises:
            JournalError: A score contradicts the one on record.
            UsageError: Not a molecule, not a score, or an identifier of another molecule.
        """
        if is_frame(observations):
            names = [objective.name for objective in self.settings.objectives]
            observations = read_frame(observations, names, asked=self.asked, **self.reading())
        units: Mapping[str, str] = {}
        balance = None
        if isinstance(observations, Measurements):
            units, balance = observations.units, observations.balance
            taken = usable(self.history, observations, correct=correct)
        else:
            taken = one_by_one(self.history, observations)
        rows, before = news(self.history, taken, correct=correct), self.history.n_calls
        if rows:
            self.history.apply(self._journal.append(*tell_event(self.history, rows, units, correct=correct)))
        return Receipt(len(rows), len(taken) - len(rows), self.history.n_calls - before, balance)

    @property
    def asked(self) -> list[str]:
        """Names of the measured objectives; the others are computed."""
        return [self.settings.objectives[j].name for j in self.history.known.measured]

    def reading(self) -> dict[str, Any]:
        """Options of `molvae.campaign.measurements.read_rows` for this campaign."""
        return {"recognize": Recognizer(self.history), "stated": self.history.units, "expected": True}

    def predict(self, molecules: Sequence[str | Molecule]) -> list[Forecast | Invalid]:
        """Forecasts for any molecules, standardized, in order; `Invalid` for invalid ones."""
        forms = [form_of(m if isinstance(m, str) else m.smiles) for m in molecules]
        read = [self._features.molecules[f.smiles] for f in forms if isinstance(f, Form)]
        forecaster = Forecaster(self._situation(), self.history.state.get("fits"))
        forecasts = iter(forecaster([m for m in read if m is not None]))
        return [next(forecasts) if isinstance(form, Form) else form for form in forms]

    def best(self, k: int = 10) -> list[Row]:
        """The `k` best feasible molecules, highest utility first; ties in order of scoring."""
        return best_rows(self.table(), k)

    def table(self) -> list[Row]:
        """Every molecule of the campaign, in order of appearance; start molecules only once scored."""
        return all_rows(self.history)

    def trace(self) -> list[TracePoint]:
        """Best and top-10 mean after each charged call; several goals are scaled by their current ranges."""
        return trace_of(self.table())

    def _repr_html_(self) -> str:
        goals = ", ".join(map(str, self.settings.objectives))
        caption = f"{goals}: {self.n_calls:,} of {self.settings.budget:,} calls, {len(self.pending)} pending"
        return rows_html(self.best(10), self.settings.objectives, caption)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, error, trace)

    def _situation(self) -> Situation:
        model = cast("LatentModel", self._model)  # required by `ask`, not by forecasts
        return Situation(self.history, model, self._features, self._seeds, self._gates)
