"""The start of a campaign, and its next batch: the initial design, then the search method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molvae.campaign.cells import plain
from molvae.campaign.known import KnownScores
from molvae.campaign.measurements import Measurements, read_frame, read_molecules
from molvae.campaign.methods.base import Batch, Draft, Situation, make_method
from molvae.campaign.methods.draws import new_drafts
from molvae.campaign.observations import StartMolecule
from molvae.campaign.sources.base import find_source
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


def next_batch(situation: Situation, n: int, *, whole: bool) -> Batch:
    """The next batch; one that ends the initial design is short, unless `n` are wanted as a `whole`."""
    left = n_initial_left(situation)
    scored = any(trial.complete for trial in situation.history.trials.values())
    batch = initial_batch(situation, min(n, left) if scored else n) if left else Batch(())
    if left and (not scored or len(batch.drafts) == n or (batch.drafts and not whole)):
        return batch
    first = {draft.smiles: draft for draft in batch.drafts}
    found = make_method(situation.history.settings.method).ask(situation, n)
    rest = [draft for draft in found.drafts if draft.smiles not in first]
    return replace(found, drafts=(*batch.drafts, *rest[: n - len(first)]))


def n_initial_left(situation: Situation) -> int:
    """Number of molecules left in the initial design; start molecules with scores count as done."""
    return max(0, situation.history.settings.n_initial - len(situation.history.trials))


def initial_batch(situation: Situation, n: int) -> Batch:
    """The next `n` molecules of the initial design, all within the known bounds.

    Start molecules in order, or a random choice if there are more than `n_initial`; then prior draws.
    """
    start = [molecule.smiles for molecule in situation.history.start]
    if len(start) > situation.history.settings.n_initial:
        order = situation.seeds.numpy("start").permutation(len(start))
        start = [start[row] for row in order]
    drafts = [Draft(smiles, "start") for smiles in situation.within_bounds(situation.unseen(start), n)]
    if len(drafts) < n:
        taken = {draft.smiles for draft in drafts}
        drafts += new_drafts(situation, n - len(drafts), situation.generator("initial"), taken)
    return Batch(tuple(drafts), state=situation.history.state)


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
