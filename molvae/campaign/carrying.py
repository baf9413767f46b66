"""The measurements of one campaign as the start of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from molvae.campaign.cells import plain
from molvae.campaign.measurements import read_molecules
from molvae.campaign.observations import StartMolecule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.history import History
    from molvae.campaign.measurements import Measurements
    from molvae.oracles.objectives import Objective

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
