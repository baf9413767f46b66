"""The start of a campaign, and its next batch: the initial design, then the search method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molvae.campaign.cells import plain
from molvae.campaign.known import KnownScores
from molvae.campaign.measurements import Measurements, read_frame, read_molecules
from molvae.campaign.observations import StartMolecule
from molvae.campaign.search.base import find_source, make_method
from molvae.chemistry.filters import FILTERS
from molvae.data.columnar import is_frame
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.history import History
    from molvae.oracles.config import Objective


def check_names(settings: CampaignSettings) -> None:
    """Check the names of the search method, proposal sources and filters.

    Raises:
        UnknownNameError: Names the nearest match.
    """
    make_method(settings.method)
    for source in settings.sources:
        find_source(source)
    for name in settings.filters:
        FILTERS.get(name)


def read_start(given: Any, objectives: Sequence[Objective]) -> Measurements:
    """The start as different molecules in standard form, with known scores.

    Args:
        given: SMILES or `StartMolecule`s, a table in memory, or `Measurements`.
        objectives: Of the campaign.

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
    """Molecules of a campaign with the scores of objectives that share a name.

    Args:
        history: Of the campaign.
        objectives: Of the new one.
    """
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
