"""Molecules no surrogate has a say in: of the library, of the prior, and within the known bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.campaign.methods.approach import bred
from molvae.campaign.methods.base import Draft
from molvae.campaign.model import drawn
from molvae.optimization.baselines import random_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from molvae.campaign.methods.base import Situation

_PRIOR_ROUNDS = 20
_SMALLEST_DRAW = 16


def library(
    situation: Situation, n: int | None, generator: np.random.Generator, *, most: int | None = None
) -> list[str]:
    """`n` (or all) start molecules, in random order, that are within the known bounds, new and not scored.

    Fewer if there are no more, or if no more are among the first `most` that were looked at.
    """
    rest = situation.unseen(molecule.smiles for molecule in situation.history.start)
    order = (rest[row] for row in random_rows(len(rest), most or len(rest), generator))
    return situation.within_bounds(order, n)


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
        molecules = drawn(situation.model, max(_SMALLEST_DRAW, 2 * missing), generator)
        accepted = situation.all_acceptable(molecules)
        fresh: Sequence[str] = situation.unseen(m.smiles for m in accepted if m is not None)
        for smiles in fresh:
            if smiles not in taken and len(found) < n:
                found.setdefault(smiles, Draft(smiles, "prior"))
    return list(found.values())


def new_drafts(
    situation: Situation,
    n: int,
    generator: np.random.Generator,
    taken: set[str] | frozenset[str] = frozenset(),
) -> list[Draft]:
    """`n` new molecules that nothing but chance and the known bounds decide.

    Draws from the prior; where too few of them are within the bounds, molecules bred toward the bounds. Fewer
    than `n` where that leads nowhere.
    """
    drafts = prior_drafts(situation, n, generator, taken)
    history = situation.history
    if len(drafts) == n or not history.known.bounds or history.settings.library_alone:
        return drafts
    found = {draft.smiles: draft for draft in drafts}
    for draft in bred(situation, n - len(drafts), generator, {*taken, *found}):
        found.setdefault(draft.smiles, draft)
    return list(found.values())
