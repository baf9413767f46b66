"""The state of a campaign, rebuilt by replaying its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.config import EXECUTION, CampaignSettings
from molvae.campaign.events import understood
from molvae.campaign.forms import flat
from molvae.campaign.known import KnownScores
from molvae.campaign.observations import EVALUATED, Candidate, StartMolecule, merge, score_of
from molvae.campaign.records import known_from_json, latent_from_text, scores_from_json, start_from_json
from molvae.campaign.utility import utilities
from molvae.chemistry.molecule import is_valid, parse
from molvae.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.model import LatentModel
    from molvae.campaign.storage import Event
    from molvae.oracles.base import Score


@dataclass
class Trial:
    """One molecule of the campaign and what is known of it.

    Attributes:
        smiles: Canonical SMILES.
        scores: One per objective; `None` where not measured.
        candidate: How it was handed out; absent for what the user brought along.
        batch: Number of the `ask` that handed it out, counted from 0; -1 for what the user brought along.
        call: Number of its evaluation, counted from 0, when it was charged.
        name: What the user calls it.
        measured: Positions of the scores that are asked for; the others are computed. Absent: all.
    """

    smiles: str
    scores: list[Score | None]
    candidate: Candidate | None = None
    batch: int = -1
    call: int | None = None
    name: str = ""
    measured: tuple[int, ...] | None = None

    @property
    def asked(self) -> list[Score | None]:
        """Scores of the objectives that are asked for, not computed."""
        return self.scores if self.measured is None else [self.scores[j] for j in self.measured]

    @property
    def complete(self) -> bool:
        """Whether every objective that is asked for has a score or a failure on record."""
        return all(score is not None for score in self.asked)

    @property
    def pending(self) -> bool:
        """Whether it was handed out and its scores are still awaited."""
        return self.candidate is not None and not self.complete

    @property
    def values(self) -> NDArray[np.float64]:
        """One number per objective, NaN where there is none."""
        return np.array([s.value if s is not None and s.status == "ok" else np.nan for s in self.scores])


@dataclass
class History:
    """Everything the journal says, in order.

    Attributes:
        settings: Of the campaign; the budget may have been raised since.
        known: Objectives that molvae computes itself: every trial has their scores.
        given: Keys of the settings that were set when it began, not left to the defaults of that day.
        start: Molecules the user brought along.
        facts: About the model and the program that made the campaign.
        trials: By canonical SMILES, in order of appearance.
        latents: Latent points on record, by canonical SMILES.
        state: What the search method wrote down at its last `ask`.
        n_asks: How many batches have been handed out.
        n_calls: Evaluations charged.
        n_failed_in_a_row: Evaluations since the last one that gave a number.
        seconds: Time spent in `ask`, in all.
        units: Unit of the values of an objective, where a table has said so.
        identifiers: Canonical SMILES of the candidates, by identifier.
        model: Whose heads may predict objectives, if it is there.
    """

    settings: CampaignSettings
    known: KnownScores
    given: tuple[str, ...] = ()
    start: tuple[StartMolecule, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    latents: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    n_asks: int = 0
    n_candidates: int = 0
    n_calls: int = 0
    n_failed_in_a_row: int = 0
    seconds: float = 0.0
    units: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)
    model: LatentModel | None = field(default=None, repr=False)
    _forms: dict[str, str] = field(default_factory=dict, repr=False)
    _flat: set[str] = field(default_factory=set)
    _n_formed: int = field(default=0, repr=False)

    @classmethod
    def replay(cls, events: Sequence[Event], model: LatentModel | None = None) -> History:
        """The state after `events`, the first of which creates the campaign; a `model` may have heads."""
        if not events or events[0].kind != "create":
            raise JournalError("the journal does not begin with the creation of a campaign")
        with understood(events[0]):
            history = cls._created(events[0].payload, model)
        for event in events[1:]:
            with understood(event):
                history.apply(event)
        return history

    @classmethod
    def _created(cls, payload: dict[str, Any], model: LatentModel | None) -> History:
        # a campaign from before there was a gate goes on without one
        settings = CampaignSettings.model_validate({"wild": True, **payload["settings"]})
        history = cls(
            settings=settings,
            known=KnownScores(settings.objectives, model),
            model=model,
            given=tuple(payload.get("given", ())),
            start=tuple(start_from_json(row) for row in payload["start"]),
            facts=payload["facts"],
            units=dict(payload.get("units", {})),
        )
        for molecule in history.start:
            if molecule.scores and any(molecule.scores[j] is not None for j in history.known.measured):
                trial = history.trial(molecule.smiles, known_from_json(payload, molecule.smiles))
                trial.name = molecule.name
                for j in history.known.measured:
                    trial.scores[j] = score_of(molecule.scores[j], molecule.smiles)
                trial.scores = history.known.completed(trial.scores)
        return history

    def apply(self, event: Event) -> None:
        """Take one more event into account."""
        if event.kind == "ask":
            self._asked(event.payload)
        elif event.kind in {"tell", "correct"}:
            self.units.update(event.payload.get("units", {}))
            for row in event.payload["observations"]:
                scores = scores_from_json(row["scores"])
                self.trial(row["smiles"], known_from_json(event.payload, row["smiles"]))
                self.told(row["smiles"], scores, row.get("name", ""), correct=event.kind == "correct")
        elif event.kind == "budget":
            self.settings = self.settings.model_copy(update={"budget": int(event.payload["budget"])})
        elif event.kind == "settings":
            dumped = self.settings.model_dump(mode="json")
            known = {*EXECUTION, "objectives"}
            changed = {name: value for name, value in event.payload["changed"].items() if name in known}
            self.settings = CampaignSettings.model_validate({**dumped, **changed})
            if "objectives" in changed:
                self.known = KnownScores(self.settings.objectives, self.model)
        else:
            raise JournalError(f"the journal has an event of an unknown kind: '{event.kind}'")

    def _asked(self, payload: dict[str, Any]) -> None:
        for row in payload["candidates"]:
            candidate = Candidate.from_json(row)
            trial = self.trial(candidate.smiles, known_from_json(payload, candidate.smiles))
            self.identifiers[candidate.identifier] = candidate.smiles
            if trial.candidate is None:
                trial.candidate, trial.batch = candidate, self.n_asks
        self.latents.update({smiles: latent_from_text(text) for smiles, text in payload["latents"].items()})
        self.state = payload["state"]
        self.n_asks += 1
        self.n_candidates += len(payload["candidates"])
        self.seconds += payload["seconds"]

    def told(
        self, smiles: str, scores: Sequence[Score | None], name: str = "", *, correct: bool = False
    ) -> None:
        """Merge scores into the trial of a molecule; charge it when an oracle first worked for it."""
        trial = self.trial(smiles)
        trial.scores = self.merged(smiles, scores, correct=correct)
        trial.name = trial.name or name
        evaluated = any(score is not None and score.status in EVALUATED for score in trial.asked)
        if trial.candidate is None or not evaluated:
            return
        successful = any(score is not None and score.is_measured for score in trial.asked)
        if trial.call is None:
            trial.call = self.n_calls
            self.n_calls += 1
            self.n_failed_in_a_row = 0 if successful else self.n_failed_in_a_row + 1
        elif successful:  # asked again
            self.n_failed_in_a_row = 0

    def merged(
        self, smiles: str, scores: Sequence[Score | None], *, correct: bool = False
    ) -> list[Score | None]:
        """The scores on record joined with `scores`, or replaced by them to `correct` them.

        What is computed stays as computed, whatever a file says of it.

        Raises:
            JournalError: They contradict one another.
        """
        trial = self.trials.get(smiles)
        joined: list[Score | None] = [None] * len(scores) if trial is None else list(trial.scores)
        for j in self.known.measured:
            name, new = self.settings.objectives[j].name, scores[j]
            replaced = correct and new is not None
            joined[j] = new if replaced else merge(joined[j], new, f"{name} of {smiles}")
        return self.known.completed(joined)

    def trial(self, smiles: str, recorded: Sequence[Score | None] | None = None) -> Trial:
        """The trial of a canonical SMILES, a new one if there is none yet.

        Args:
            smiles: Canonical SMILES.
            recorded: Its known scores as they were computed when it came in, if that is on record.
        """
        if smiles not in self.trials:
            scores: list[Score | None] = [None] * len(self.settings.objectives)
            if recorded is not None:
                for j, score in zip(self.known.columns, recorded):
                    scores[j] = score
            elif self.known.columns and is_valid(molecule := parse(smiles)):
                scores = self.known.filled(molecule, scores)
            self.trials[smiles] = Trial(smiles, scores, measured=self.known.measured)
            self._flat.add(flat(smiles))
        return self.trials[smiles]

    def is_redrawn(self, smiles: str) -> bool:
        """Whether a molecule is one of the campaign but for its stereochemistry, drawn or left out.

        Surrogates see no stereochemistry, so they would ask for such a molecule because of itself.
        """
        return smiles not in self.trials and flat(smiles) in self._flat and smiles not in self._brought

    @cached_property
    def _brought(self) -> set[str]:
        return {molecule.smiles for molecule in self.start}

    def key(self, smiles: str) -> str:
        """The SMILES under which a molecule, given in standard form, is on record; itself where it is not.

        What a journal of an earlier version holds may be in another form.
        """
        if smiles in self.trials:
            return smiles
        if self._n_formed < len(self.trials):
            from molvae.campaign.forms import Form, form_of

            for text in islice(self.trials, self._n_formed, None):
                form = form_of(text)
                if isinstance(form, Form):
                    self._forms.setdefault(form.smiles, text)
            self._n_formed = len(self.trials)
        return self._forms.get(smiles, smiles)

    @property
    def names(self) -> dict[str, str]:
        """What the user calls the molecules, by canonical SMILES."""
        named = {molecule.smiles: molecule.name for molecule in self.start if molecule.name}
        return named | {trial.smiles: trial.name for trial in self.trials.values() if trial.name}

    @property
    def pending(self) -> list[Trial]:
        """Trials handed out and not complete, oldest first."""
        return [trial for trial in self.trials.values() if trial.pending]

    @property
    def evaluated(self) -> list[Trial]:
        """Charged trials in the order of their calls."""
        charged = [trial for trial in self.trials.values() if trial.call is not None]
        return sorted(charged, key=lambda trial: trial.call or 0)

    def utilities(self, trials: Sequence[Trial] | None = None) -> NDArray[np.float64]:
        """Utilities of some trials, or of all, `n`; NaN where a score is missing or a bound is broken."""
        chosen = list(self.trials.values()) if trials is None else trials
        values = np.array([trial.values for trial in chosen])
        return utilities(values, self.settings.objectives) if len(chosen) else np.empty(0)

    @property
    def remaining(self) -> int:
        """Evaluations that may still be handed out: the budget less what is charged and what is pending."""
        waiting = sum(trial.call is None for trial in self.pending)
        return max(0, self.settings.budget - self.n_calls - waiting)
