"""Matches reported scores to the molecules of a campaign and checks them against its record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from molvae.campaign.measurements import CHANGED, recognized
from molvae.campaign.molecules import Form, flat, form_of
from molvae.campaign.observations import Observation, merge, score_of
from molvae.campaign.records import known_to_json, scores_to_json
from molvae.errors import MolvaeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from molvae.campaign.history import History
    from molvae.campaign.measurements import Measurements
    from molvae.data.records import Row


def usable(history: History, measurements: Measurements, *, correct: bool) -> list[Observation]:
    """The rows without contradictions; others are listed in the balance."""
    balance, taken = measurements.balance, []
    for molecule, line in zip(measurements.molecules, measurements.lines, strict=True):
        name = "" if molecule.name in history.identifiers else molecule.name
        try:
            observation = checked(history, Observation(molecule.smiles, molecule.scores, name=name))
            scores = [score_of(score, line) for score in observation.scores]
            history.merged(observation.smiles, scores, correct=correct)
        except MolvaeError as error:
            balance.used -= 1
            balance.refused.append(f"{line}: {error.message}")
        else:
            taken.append(observation)
    return taken


def one_by_one(history: History, observations: Iterable[Observation]) -> list[Observation]:
    """Observations of different molecules; those of one molecule are merged.

    Raises:
        JournalError: Two of one molecule are contradictory.
        UsageError: One cannot belong to this campaign.
    """
    merged: dict[str, Observation] = {}
    for observation in observations:
        found = checked(history, observation)
        earlier = merged.get(found.smiles)
        merged[found.smiles] = found if earlier is None else _joined(history, earlier, found)
    return list(merged.values())


def news(history: History, observations: Sequence[Observation], *, correct: bool) -> list[dict[str, Any]]:
    """The new observations, as JSON values for the journal.

    Raises:
        JournalError: One contradicts the record, without `correct`.
    """
    rows = []
    for new in observations:
        scores = [score_of(score, new.smiles) for score in new.scores]
        merged = scores_to_json(history.merged(new.smiles, scores, correct=correct))
        trial = history.trials.get(new.smiles)
        if merged != scores_to_json(trial.scores if trial is not None else [None] * len(merged)):
            row = {"smiles": new.smiles, "scores": scores_to_json(scores)}
            rows.append({**row, "name": new.name} if new.name else row)
    return rows


def tell_event(
    history: History, rows: Sequence[dict[str, Any]], units: Mapping[str, str], *, correct: bool
) -> tuple[str, dict[str, Any]]:
    """Kind and payload of the event for rows of `news`."""
    fresh = {name: unit for name, unit in units.items() if name not in history.units}
    payload: dict[str, Any] = {"observations": rows, "units": fresh}
    if history.known.needs_model:  # readers may not have the model
        payload["known"] = known_to_json(history.known, [row["smiles"] for row in rows])
    return "correct" if correct else "tell", payload


def checked(history: History, observation: Observation) -> Observation:
    """The observation with the SMILES on record; an error if it cannot belong to this campaign."""
    objectives = history.settings.objectives
    form = form_of(observation.smiles)
    if not isinstance(form, Form):
        raise UsageError(f"{observation.smiles!r} is not a molecule: {form.reason}")
    if len(observation.scores) != len(objectives):
        raise UsageError(
            f"{observation.smiles} has {len(observation.scores)} scores, "
            f"expected {len(objectives)}: " + ", ".join(objective.name for objective in objectives)
        )
    pairs = zip(objectives, observation.scores)
    scores = tuple(score_of(score, f"{o.name} of {observation.smiles}") for o, score in pairs)
    smiles, identifier = history.key(form.smiles), observation.identifier
    if identifier is not None:
        if identifier not in history.identifiers:
            raise UsageError(f"{identifier} is not the identifier of a candidate of this campaign")
        if problem := mismatch(history, identifier, smiles):
            raise UsageError(problem)
    return Observation(smiles, scores, identifier, observation.name)


def _joined(history: History, first: Observation, second: Observation) -> Observation:
    whats = [f"{objective.name} of {first.smiles}" for objective in history.settings.objectives]
    reports = zip(first.scores, second.scores, whats, strict=True)
    scores = tuple(merge(score_of(a, what), score_of(b, what), what) for a, b, what in reports)
    return Observation(first.smiles, scores, first.identifier, first.name or second.name)


class Recognizer:
    """Recognizes the molecules of a campaign by structure, identifier or name."""

    def __init__(self, history: History) -> None:
        self._history = history
        names = history.names
        counts = Counter(names.values())
        self._named = {name: smiles for smiles, name in names.items() if counts[name] == 1}

    def __call__(self, row: Row) -> tuple[str, str, str]:
        """As `molvae.campaign.measurements.recognized`, with the SMILES the campaign keeps."""
        word = row.identifier
        if row.text.strip() in {"", word}:
            known = self._history.identifiers.get(word) or self._named.get(word)
            return (known, "", "") if known else ("", f"'{word}' is not an identifier of this campaign", "")
        smiles, problem, changed = recognized(row)
        if problem:
            return "", problem, ""
        smiles = self._history.key(smiles)
        if problem := mismatch(self._history, word, smiles):
            return smiles, problem, ""
        if changed == CHANGED and smiles in self._history.trials:
            return smiles, "", f"{row.text} is another form of {smiles}"
        return smiles, "", changed


def mismatch(history: History, identifier: str, smiles: str) -> str:
    """The problem with a molecule reported under the identifier of a candidate; "" if none."""
    asked = history.identifiers.get(identifier, smiles)
    if asked == smiles:
        return ""
    other = "another stereoisomer of it" if flat(asked) == flat(smiles) else "another compound"
    return (
        f"{identifier} is {asked} in this campaign, {smiles} is {other}. If that is what was made, "
        f"leave its identifier out, and report {identifier} as cancelled"
    )
