"""Molecules chosen without a surrogate: from the library, from the prior, within the known bounds."""

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
    """`n` (or all) new start molecules within the known bounds, in random order.

    Fewer if there are no more among the first `most` that are checked.
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
    """`n` new molecules decoded from prior draws; fewer if no more are found."""
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
    """`n` new random molecules within the known bounds; fewer if no more are found.

    Prior draws, then, if too few of them satisfy the bounds or are near what is asked for, molecules bred
    toward the bounds from those of the campaign.
    """
    drafts = prior_drafts(situation, n, generator, taken)
    history, settings = situation.history, situation.history.settings
    narrow = bool(history.known.bounds) or settings.near is not None
    if len(drafts) == n or not narrow or settings.library_alone:
        return drafts
    found = {draft.smiles: draft for draft in drafts}
    for draft in bred(situation, n - len(drafts), generator, {*taken, *found}):
        found.setdefault(draft.smiles, draft)
    return list(found.values())
