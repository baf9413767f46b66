"""Baselines that ignore scores: random molecules of the start library, and prior draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.campaign.methods.base import METHODS, Batch, Draft
from molvae.campaign.methods.draws import library, prior_drafts

if TYPE_CHECKING:
    from molvae.campaign.methods.base import Situation


@METHODS.register("random")
class RandomDraws:
    """Random unseen molecules of the start library, then prior draws."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` molecules; their source says `library` or `prior`."""
        generator = situation.generator("random")
        drafts = [Draft(smiles, "library") for smiles in library(situation, n, generator)]
        if len(drafts) < n:
            taken = {draft.smiles for draft in drafts}
            drafts += prior_drafts(situation, n - len(drafts), generator, taken)
        return Batch(tuple(drafts))


@METHODS.register("prior")
class PriorDraws:
    """Draws from the model's prior."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """`n` decoded draws."""
        return Batch(tuple(prior_drafts(situation, n, situation.generator("prior"))))
