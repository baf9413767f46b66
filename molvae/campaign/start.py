"""The start of a campaign: names, start molecules, first event; and the checks when it is resumed."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molvae.campaign.cells import plain
from molvae.campaign.config import EXECUTION
from molvae.campaign.gates import gates_of
from molvae.campaign.measurements import Measurements, read_frame, read_molecules
from molvae.campaign.objectives import KnownScores, check_objectives, unfolded
from molvae.campaign.observations import StartMolecule
from molvae.campaign.records import known_to_json, start_to_json
from molvae.campaign.search.base import METHODS, SOURCES
from molvae.chemistry.filters import FILTERS
from molvae.config import differences, given
from molvae.data.columnar import is_frame
from molvae.errors import InputError, UsageError
from molvae.oracles.references import core_of, files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.history import History
    from molvae.campaign.molecules import LatentModel
    from molvae.oracles.config import Objective


def checked(
    settings: CampaignSettings, model: LatentModel, start: Any
) -> tuple[CampaignSettings, Measurements]:
    """The settings with the parts of composite objectives, and the start; checked before anything is written.

    Raises:
        InputError: Start molecules were given and none is valid.
        UnknownNameError: Unknown method, proposal source or filter, with the nearest match; or the model has
            no such head.
        UsageError: An invalid objective or start, or the model has no domain and one is needed.
    """
    METHODS.get(settings.method)
    for source in settings.sources:
        SOURCES.get(source)
    for name in settings.filters:
        FILTERS.get(name)
    settings = unfolded(settings)
    check_objectives(settings.objectives)
    KnownScores(settings.objectives, model)
    gates_of(settings, model, ())
    return settings, read_start(start, settings.objectives)


def read_start(given: Any, objectives: Sequence[Objective]) -> Measurements:
    """The start (as for `Campaign.create`) as different molecules in standard form, with known scores.

    Raises:
        InputError: No valid molecule, or a table without SMILES.
        UsageError: A single string, or scores that do not match the objectives.
    """
    if isinstance(given, str):
        raise UsageError(
            f"start is a list of SMILES or a table, got the text '{given}'",
            hint="A file is read by pandas, polars or pyarrow: start=pandas.read_csv('mine.csv').",
        )
    names = [objective.name for objective in objectives]
    if isinstance(given, Measurements):
        found = given
    else:
        asked = [names[j] for j in KnownScores(objectives).measured]
        found = read_frame(given, names, asked=asked) if is_frame(given) else read_molecules(given, names)
    if found.balance.read and not found.molecules:
        first = [*found.balance.unreadable, *found.balance.refused][:1]
        raise InputError(f"none of the {found.balance.read} start molecules is valid; the first: {first[0]}")
    return found


_LEFT = frozenset({"cancelled", "skipped"})


def carried(history: History, objectives: Sequence[Objective]) -> Measurements:
    """Molecules of a campaign, with scores for the objectives of a new one by the same name."""
    places = {plain(history.settings.objectives[j].name): j for j in history.known.measured}
    columns = [places.get(plain(objective.name)) for objective in objectives]
    names = history.names
    found = {molecule.smiles: StartMolecule(molecule.smiles, (), molecule.name) for molecule in history.start}
    for trial in history.trials.values():
        scores = [None if j is None else trial.scores[j] for j in columns]
        kept = tuple(None if score is None or score.status in _LEFT else score for score in scores)
        found[trial.smiles] = StartMolecule(trial.smiles, kept, names.get(trial.smiles, ""))
    units = {
        objective.name: unit
        for objective in objectives
        for name, unit in history.units.items()
        if plain(name) == plain(objective.name)
    }
    read = read_molecules(found.values(), [objective.name for objective in objectives])
    return replace(read, units=units)


_CARRY = "Put it back as it was; or begin a new campaign with the measurements of this one: --start {path}."


def first_event(settings: CampaignSettings, model: LatentModel, start: Measurements) -> dict[str, Any]:
    """The event that creates a campaign."""
    facts = {
        "python": platform.python_version(),
        "refused": [line.split(": ", 1) for line in [*start.balance.unreadable, *start.balance.refused]],
        "model": model_identity(model),
        "files": files_of_objectives(objective.name for objective in settings.objectives),
    }
    known = KnownScores(settings.objectives, model)
    return {
        "settings": settings.model_dump(mode="json"),
        "given": given(settings),
        "start": [start_to_json(molecule) for molecule in start.molecules],
        "facts": facts,
        "known": known_to_json(known, [molecule.smiles for molecule in start.molecules if molecule.scores]),
        "units": dict(start.units),
    }


def changes(
    history: History, settings: CampaignSettings, start: Measurements, path: Path
) -> list[tuple[str, dict[str, Any]]]:
    """Events for changes of the budget and of `EXECUTION` when a campaign is resumed.

    A setting that was never set keeps its original default, even if the default has changed.

    Raises:
        UsageError: Other settings, another start or other files than it began with.
    """
    mine, theirs = history.settings.model_dump(mode="json"), settings.model_dump(mode="json")
    parts = [o for o in mine["objectives"] if o["direction"] == "part"]  # of the same, checked file
    for dumped in (mine, theirs):
        dumped["objectives"] = [o for o in dumped["objectives"] if o["direction"] != "part"]
    asked = {name: theirs[name] for name in EXECUTION if name in given(settings)}
    changed = {name: value for name, value in asked.items() if value != mine[name]}
    cores = [[{**o, "name": core_of(o["name"])} for o in part["objectives"]] for part in (mine, theirs)]
    if mine["objectives"] != theirs["objectives"] and cores[0] == cores[1]:
        mine["objectives"] = theirs["objectives"]  # only workers or time-outs differ
        changed["objectives"] = [*theirs["objectives"], *parts]
    budgets = mine.pop("budget"), theirs.pop("budget")
    for name in EXECUTION:
        del mine[name], theirs[name]
    if different := differences(mine, theirs, {*history.given, *given(settings)}):
        raise UsageError(
            f"the campaign {path} was made with other settings: {different[0]}",
            hint="Give the settings it was made with; or begin a new campaign with what was measured "
            f"in this one: --start {path.parent}",
        )
    check_files(history.facts, [o.name for o in settings.objectives], path)
    most = len(history.settings.objectives)  # of a campaign from before parts were objectives
    now = [[row[0], row[1][:most]] for row in map(start_to_json, start.molecules)]
    if now and now != _start(history, standard=False) and now != _start(history, standard=True):
        raise UsageError(
            f"the campaign {path} began with other start molecules",
            hint="Omit the start to continue it, or choose another path; tell adds known scores.",
        )
    if budgets[1] < budgets[0]:
        raise UsageError(f"the budget of {path} is {budgets[0]} and can only grow, got {budgets[1]}")
    events: list[tuple[str, dict[str, Any]]] = []
    if budgets[1] > budgets[0]:
        events.append(("budget", {"budget": budgets[1]}))
    return [*events, ("settings", {"changed": changed})] if changed else events


def _start(history: History, *, standard: bool) -> list[list[Any]]:
    """The start on record, in `standard` form even if an earlier version wrote it."""
    names = [objective.name for objective in history.settings.objectives]
    begun = history.start
    molecules = read_molecules(begun, names).molecules if standard else begun
    return [start_to_json(molecule)[:2] for molecule in molecules]


def files_of_objectives(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """sha256 of the local files of objectives, by objective and path."""
    return {core_of(name): files for name in names if (files := files_of(name))}


def model_identity(model: LatentModel) -> str | None:
    """sha256 of the weights and the prior of a `MolVAE`; `None` for other models."""
    from molvae.latent.codec import MolVAE

    if not isinstance(model, MolVAE):
        return None
    digest = hashlib.sha256(model.tokenizer.vocabulary.to_json().encode())
    for tensors in (model.network.state_dict(), model.prior.tensors() or {}):
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_model(facts: Mapping[str, Any], model: LatentModel, path: Path) -> None:
    """Check that the model is that of the campaign.

    Raises:
        UsageError: It is another one.
    """
    begun, now = facts.get("model"), model_identity(model)
    if begun and now and begun != now:
        raise UsageError(
            f"{path} began with another model: sha256 of its weights {begun[:12]}, now {now[:12]}",
            hint=_CARRY.format(path=path.parent),
        )


def check_files(facts: Mapping[str, Any], names: Iterable[str], path: Path) -> None:
    """Check that the files of oracles are unchanged, as scores of two versions would mix.

    Raises:
        UsageError: A file has changed.
    """
    begun = facts.get("files", {})
    for name, files in files_of_objectives(names).items():
        for file, now in files.items():
            if (before := begun.get(name, {}).get(file, now)) != now:
                raise UsageError(
                    f"{file} of the objective '{name}' has changed since the campaign {path} began "
                    f"(sha256 {before[:12]}, now {now[:12]}): scores of two versions would mix",
                    hint=_CARRY.format(path=path.parent),
                )
