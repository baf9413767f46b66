"""Unseen start molecules, as they are or grafted on parents."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from molvae.campaign.sources.base import SOURCES, Offspring, spread
from molvae.chemistry.graph_moves import crossed
from molvae.chemistry.molecule import Invalid, parse
from molvae.optimization.proposal import rank_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from molvae.campaign.methods.base import Situation
    from molvae.campaign.sources.base import Latents, Parents
    from molvae.chemistry.molecule import Molecule

_NOTHING_LEFT = Invalid("", "every start molecule was proposed")
_NO_CHILD = Invalid("", "the two molecules have no child")


@SOURCES.register("library")
class LibraryMoves:
    """Unseen start molecules, and crossovers of parents with any molecule of the campaign.

    Args:
        situation: Has the start.
        latents: Keeps parsed molecules.
        widening: Ignored.
    """

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        del widening
        self.latents = latents
        self.unseen = situation.unseen(molecule.smiles for molecule in situation.history.start)
        self.mates = [*self.unseen, *situation.history.trials]

    @property
    def moves(self) -> Mapping[str, float]:
        """Half of each; grafts only once every start molecule was proposed."""
        return {"library": 1.0 if self.unseen else 0.0, "graft": 1.0}

    def offspring(
        self, parents: Parents, counts: Mapping[str, int], generator: np.random.Generator
    ) -> list[Offspring]:
        """Random molecules of the library, and grafts of such molecules on parents drawn by rank."""
        moves = spread(counts)
        weights = rank_weights(parents.fitness) if len(parents.smiles) else None
        rng = Random(int(generator.integers(2**63)))
        attempts = []
        for move in moves:
            if move == "library":
                attempts.append(Offspring(self._drawn(generator), move))
                continue
            row = None if weights is None else int(generator.choice(len(weights), p=weights))
            parent = None if row is None else parents.smiles[row]
            attempts.append(Offspring(self._grafted(parent, rng), move, parent))
        return attempts

    def _drawn(self, generator: np.random.Generator) -> Molecule | Invalid:
        if not self.unseen:
            return _NOTHING_LEFT
        text = self.unseen[int(generator.integers(len(self.unseen)))]
        return self.latents.molecule(text) or _NOTHING_LEFT

    def _grafted(self, parent: str | None, rng: Random) -> Molecule | Invalid:
        if parent is None or not self.mates:
            return _NO_CHILD
        molecule, mate = self.latents.molecule(parent), self.latents.molecule(rng.choice(self.mates))
        text = crossed(molecule, mate, rng) if molecule is not None and mate is not None else None
        return _NO_CHILD if text is None else parse(text)
