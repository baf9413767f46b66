"""The initial design: the user's molecules first, then draws from the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from molvae.campaign.methods.base import Batch, Draft, Situation, make_method
from molvae.campaign.observations import StartMolecule
from molvae.campaign.sources.base import find_source
from molvae.chemistry.filters import FILTERS
from molvae.chemistry.molecule import Invalid, is_valid, parse
from molvae.data.columns import is_smiles_name
from molvae.data.frames import columns_of, is_frame
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from molvae.campaign.config import CampaignSettings, Objective

_PRIOR_ROUNDS = 20
_SMALLEST_DRAW = 16


def check_names(settings: CampaignSettings) -> None:
    """Refuse a search method, proposal source or filter there is none of, before anything is begun.

    Raises:
        UnknownNameError: Names the nearest match.
    """
    make_method(settings.method)
    for source in settings.sources:
        find_source(source)
    for name in settings.filters:
        FILTERS.get(name)


def start_of(given: Any, objectives: Sequence[Objective]) -> Iterable[StartMolecule | str]:
    """The start as molecules; of a table in memory, its SMILES, and known scores by the names of objectives.

    Raises:
        InputError: No column of the table is called like SMILES.
        UsageError: It is one text.
    """
    if isinstance(given, str):
        raise UsageError(
            f"start is a list of SMILES or a table, got the text '{given}'",
            hint="A file is read by pandas, polars or pyarrow: start=pandas.read_csv('mine.csv').",
        )
    if not is_frame(given):
        return cast("Iterable[StartMolecule | str]", given)
    columns = columns_of(given)
    smiles = next((name for name in columns if is_smiles_name(name)), None)
    if smiles is None:
        raise InputError(
            f"no column of the start is called smiles; there are {', '.join(columns)}",
            hint="Rename it, or give the column itself.",
        )
    known = [columns.get(objective.name, [None] * len(columns[smiles])) for objective in objectives]
    return [
        StartMolecule(text or "", scores if any(s is not None for s in scores) else ())
        for text, *row in zip(columns[smiles], *known, strict=True)
        for scores in [tuple(None if value is None else float(value) for value in row)]
    ]


def read_start(
    molecules: Iterable[StartMolecule | str], n_objectives: int
) -> tuple[list[StartMolecule], list[Invalid]]:
    """The start as canonical, different molecules; and what could not be used.

    Scores of a molecule that is given twice are joined, the first value counts.

    Raises:
        InputError: Molecules were given and none of them is valid.
        UsageError: Known scores that do not match the objectives in number.
    """
    kept: dict[str, tuple[float | None, ...]] = {}
    refused: list[Invalid] = []
    for given in molecules:
        start = StartMolecule(given) if isinstance(given, str) else given
        if start.scores and len(start.scores) != n_objectives:
            raise UsageError(
                f"{start.smiles} comes with {len(start.scores)} scores, "
                f"but the campaign has {n_objectives} objectives"
            )
        molecule = parse(start.smiles)
        if not is_valid(molecule):
            refused.append(molecule)
            continue
        scores = start.scores or (None,) * n_objectives
        earlier = kept.get(molecule.smiles, (None,) * n_objectives)
        kept[molecule.smiles] = tuple(new if old is None else old for old, new in zip(earlier, scores))
    if refused and not kept:
        raise InputError(
            f"none of the {len(refused)} start molecules is valid; "
            f"the first: {refused[0].text!r}, {refused[0].reason}"
        )
    return [StartMolecule(smiles, scores) for smiles, scores in kept.items()], refused


def library(situation: Situation) -> list[str]:
    """Start molecules that were not handed out and have no known score."""
    return situation.unseen(molecule.smiles for molecule in situation.history.start)


def n_initial_left(situation: Situation) -> int:
    """How many molecules of the initial design are still to be handed out.

    Known scores of the start count as done, as do molecules handed out already.
    """
    return max(0, situation.history.settings.n_initial - len(situation.history.trials))


def initial_batch(situation: Situation, n: int) -> Batch:
    """The next `n` molecules of the initial design.

    Start molecules in the order given if there are no more of them than the design takes, else a random
    choice of them; when they are used up, draws from the prior.
    """
    start = [molecule.smiles for molecule in situation.history.start]
    if len(start) > situation.history.settings.n_initial:
        order = situation.seeds.numpy("start").permutation(len(start))
        start = [start[row] for row in order]
    drafts = [Draft(smiles, "start") for smiles in situation.unseen(start)[:n]]
    if len(drafts) < n:
        taken = {draft.smiles for draft in drafts}
        drafts += prior_drafts(situation, n - len(drafts), situation.generator("initial"), taken)
    return Batch(tuple(drafts), state=situation.history.state)


def prior_drafts(
    situation: Situation,
    n: int,
    generator: np.random.Generator,
    taken: set[str] | frozenset[str] = frozenset(),
) -> list[Draft]:
    """`n` new molecules decoded from prior draws; fewer, or none, if there are no more to be had."""
    found: dict[str, Draft] = {}
    if situation.history.settings.library_alone:
        return []
    for _ in range(_PRIOR_ROUNDS):
        missing = n - len(found)
        if missing <= 0:
            break
        z = situation.model.sample_latent(max(_SMALLEST_DRAW, 2 * missing), generator=generator)
        decoded = situation.all_acceptable(situation.model.decode(z))
        fresh: Sequence[str] = situation.unseen(m.smiles for m in decoded if m is not None)
        for smiles in fresh:
            if smiles not in taken and len(found) < n:
                found.setdefault(smiles, Draft(smiles, "prior"))
    return list(found.values())
