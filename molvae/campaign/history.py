"""The state of a campaign, replayed from its journal."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.config import EXECUTION, CampaignSettings
from molvae.campaign.molecules import Form, flat, form_of
from molvae.campaign.objectives import KnownScores
from molvae.campaign.observations import EVALUATED, Candidate, StartMolecule, merge, score_of
from molvae.campaign.records import (
    known_from_json,
    latent_from_text,
    scores_from_json,
    start_from_json,
    understood,
)
from molvae.campaign.utility import utilities
from molvae.chemistry.molecule import is_valid, parse
from molvae.config import retired_changes, without_retired
from molvae.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.molecules import LatentModel
    from molvae.campaign.storage import Event
    from molvae.oracles.base import Score

_LOG = logging.getLogger("molvae")


@dataclass
class Trial:
    """One molecule of the campaign and its scores.

    Attributes:
        smiles: Canonical SMILES.
        scores: One per objective; `None` if not measured.
        candidate: The candidate; `None` for molecules of the user.
        call: Number of its evaluation, from 0, if charged.
        name: Name given by the user.
        measured: Positions of the measured scores; the others are computed.
    """

    smiles: str
    scores: list[Score | None]
    measured: tuple[int, ...]
    candidate: Candidate | None = None
    call: int | None = None
    name: str = ""

    @property
    def asked(self) -> list[Score | None]:
        """Scores of the measured objectives."""
        return [self.scores[j] for j in self.measured]

    @property
    def complete(self) -> bool:
        """Whether every measured objective has a score or a failure."""
        return all(score is not None for score in self.asked)

    @property
    def pending(self) -> bool:
        """Whether it is a candidate without all scores."""
        return self.candidate is not None and not self.complete

    @property
    def values(self) -> NDArray[np.float64]:
        """One number per objective, NaN if there is none."""
        return np.array([s.value if s is not None and s.status == "ok" else np.nan for s in self.scores])


@dataclass
class History:
    """State of a campaign.

    Attributes:
        known: Computed objectives: every trial has their scores.
        given: Keys of the settings set explicitly when it began.
        facts: Identity of the model, version of Python.
        trials: By canonical SMILES, in order of appearance.
        latents: Latent points, by canonical SMILES.
        state: State of the search method after the last `ask`.
        n_asks: Number of batches.
        n_calls: Evaluations charged.
        n_failed_in_a_row: Evaluations since the last successful one.
        seconds: Total time in `ask`.
        units: Units of objectives, if a table has them.
        identifiers: Canonical SMILES of the candidates, by identifier.
        model: Model whose heads may predict objectives.
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
        """The state after `events`, the first of which creates the campaign."""
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
        stored = payload["settings"]
        if changed := retired_changes(CampaignSettings, stored):
            _LOG.warning("ignored, as these settings no longer exist: %s", ", ".join(changed))
        # campaigns of versions without the precedent gate continue without it
        kept = {"wild": True, **without_retired(CampaignSettings, stored)}
        settings = CampaignSettings.model_validate(kept)
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
        """Apply one event."""
        if event.kind == "ask":
            self._asked(event.payload)
        elif event.kind in {"tell", "correct"}:
            self.units.update(event.payload.get("units", {}))
            for row in event.payload["observations"]:
                scores = scores_from_json(row["scores"])
                self.trial(row["smiles"], known_from_json(event.payload, row["smiles"]))
                self._add_scores(row["smiles"], scores, row.get("name", ""), correct=event.kind == "correct")
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
                trial.candidate = candidate
        self.latents.update({smiles: latent_from_text(text) for smiles, text in payload["latents"].items()})
        self.state = payload["state"]
        self.n_asks += 1
        self.n_candidates += len(payload["candidates"])
        self.seconds += payload["seconds"]

    def _add_scores(
        self, smiles: str, scores: Sequence[Score | None], name: str = "", *, correct: bool = False
    ) -> None:
        """Merge reported scores into the trial of a molecule; its first evaluation is charged."""
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
        elif successful:  # evaluated again
            self.n_failed_in_a_row = 0

    def merged(
        self, smiles: str, scores: Sequence[Score | None], *, correct: bool = False
    ) -> list[Score | None]:
        """The scores on record merged with `scores`, or replaced by them if `correct`.

        Computed scores are never replaced.

        Raises:
            JournalError: They contradict one another.
        """
        blank: list[Score | None] = [None] * len(scores)
        joined = list(self.trials[smiles].scores) if smiles in self.trials else blank
        for j in self.known.measured:
            name, new = self.settings.objectives[j].name, scores[j]
            replaced = correct and new is not None
            joined[j] = new if replaced else merge(joined[j], new, f"{name} of {smiles}")
        return self.known.completed(joined)

    def trial(self, smiles: str, recorded: Sequence[Score | None] | None = None) -> Trial:
        """The trial of a canonical SMILES, created if necessary with recorded computed scores."""
        if smiles not in self.trials:
            scores: list[Score | None] = [None] * len(self.settings.objectives)
            if recorded is not None:
                for j, score in zip(self.known.columns, recorded):
                    scores[j] = score
            elif self.known.columns and is_valid(molecule := parse(smiles)):
                scores = self.known.filled(molecule, scores)
            self.trials[smiles] = Trial(smiles, scores, self.known.measured)
            self._flat.add(flat(smiles))
        return self.trials[smiles]

    def is_redrawn(self, smiles: str) -> bool:
        """Whether a molecule is a stereoisomer of one in the campaign.

        Features ignore stereochemistry, so surrogates would propose stereoisomers of the best molecules.
        """
        return smiles not in self.trials and flat(smiles) in self._flat and smiles not in self._brought

    @cached_property
    def _brought(self) -> set[str]:
        return {molecule.smiles for molecule in self.start}

    def key(self, smiles: str) -> str:
        """The SMILES on record of a molecule in standard form; the same SMILES if it is new.

        Journals of earlier versions may hold other forms.
        """
        if smiles in self.trials:
            return smiles
        if self._n_formed < len(self.trials):
            for text in islice(self.trials, self._n_formed, None):
                form = form_of(text)
                if isinstance(form, Form):
                    self._forms.setdefault(form.smiles, text)
            self._n_formed = len(self.trials)
        return self._forms.get(smiles, smiles)

    @property
    def names(self) -> dict[str, str]:
        """Names given by the user, by canonical SMILES."""
        named = {molecule.smiles: molecule.name for molecule in self.start if molecule.name}
        return named | {trial.smiles: trial.name for trial in self.trials.values() if trial.name}

    @property
    def pending(self) -> list[Trial]:
        """Candidates without all scores, oldest first."""
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
        """Remaining evaluations: the budget minus charged and pending ones."""
        waiting = sum(trial.call is None for trial in self.pending)
        return max(0, self.settings.budget - self.n_calls - waiting)
