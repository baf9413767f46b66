"""Edits and crossovers of molecular graphs."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.gates import kept_smarts
from molvae.campaign.sources.base import SOURCES, Offspring, spread
from molvae.chemistry.graph_moves import crossed, decorated, mutated
from molvae.chemistry.molecule import Invalid, parse
from molvae.optimization.proposal import rank_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.campaign.methods.base import Situation
    from molvae.campaign.sources.base import Latents, Parents
    from molvae.chemistry.molecule import Molecule

SHARES = {"mutation": 0.45, "crossover": 0.4, "decoration": 0.15}
"""Shares of the moves before experience changes them."""
_ANOTHER = 0.25  # probability that an edit is followed by one more
_MOST_EDITS = 4
_NO_PARENTS = Invalid("", "there is no molecule to change")
_NO_CHILD = Invalid("", "no edit of the parent gives a molecule")


@SOURCES.register("graph")
class GraphMoves:
    """Mutations, decorations with common groups, and crossovers.

    Cores to keep are never changed.

    Args:
        situation: Has the cores.
        latents: Keeps parsed molecules.
        widening: Factor on the mean number of edits beyond the first.
    """

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        self._cores = kept_smarts(situation.history.settings.objectives)
        self.latents = latents
        self.widening = widening
        self._children: dict[str, Molecule | Invalid] = {}

    @property
    def moves(self) -> Mapping[str, float]:
        """The moves and their shares."""
        return SHARES

    def offspring(
        self, parents: Parents, counts: Mapping[str, int], generator: np.random.Generator
    ) -> list[Offspring]:
        """Children of parents drawn by rank; mates of crossovers are drawn likewise."""
        moves = spread(counts)
        if not len(parents.smiles):
            return [Offspring(_NO_PARENTS, move) for move in moves]
        weights = rank_weights(parents.fitness)
        first, second = generator.choice(len(weights), size=(2, len(moves)), p=weights)
        rng = Random(int(generator.integers(2**63)))
        return [
            Offspring(self._child(move, parents.smiles[a], parents.smiles[b], rng), move, parents.smiles[a])
            for move, a, b in zip(moves, first, second)
        ]

    def _child(self, move: str, parent: str, mate: str, rng: Random) -> Molecule | Invalid:
        molecule, other = self.latents.molecule(parent), self.latents.molecule(mate)
        if molecule is None or other is None:
            return _NO_CHILD
        if move == "crossover":
            text = crossed(molecule, other, rng, cores=self._cores)
        elif move == "decoration":
            text = decorated(molecule, rng, cores=self._cores)
        else:
            n_edits = 1
            while n_edits < _MOST_EDITS and rng.random() < self._another:
                n_edits += 1
            text = mutated(molecule, rng, n_edits=n_edits, cores=self._cores)
        if text is None:
            return _NO_CHILD
        if text not in self._children:
            self._children[text] = parse(text)
        return self._children[text]

    @property
    def _another(self) -> float:
        """Probability of one more edit."""
        return float(np.clip(_ANOTHER * self.widening, 0.0, 0.9))
