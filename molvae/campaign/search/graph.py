"""Moves on molecular graphs: edits, crossovers, unseen start molecules and grafts of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.gates import kept_smarts
from molvae.campaign.search.base import SOURCES, Offspring
from molvae.chemistry.graph_moves import crossed, decorated, mutated
from molvae.chemistry.molecule import Invalid, parse
from molvae.optimization.proposal import rank_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.campaign.model import Latents
    from molvae.campaign.search.base import Parents, Situation
    from molvae.chemistry.molecule import Molecule


SHARES = {"mutation": 0.45, "crossover": 0.4, "decoration": 0.15}
"""Shares of the moves before experience changes them."""
_ANOTHER = 0.25  # probability that an edit is followed by one more
_MOST_EDITS = 4
_NO_PARENTS = Invalid("", "there is no molecule to change")
_NO_CHILD = Invalid("", "no edit of the parent gives a molecule")
_NO_GRAFT = Invalid("", "the two molecules have no child")
_NOTHING_LEFT = Invalid("", "every start molecule was proposed")


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
        moves = _spread(counts)
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
        molecule, other = self.latents.molecules[parent], self.latents.molecules[mate]
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
        moves = _spread(counts)
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
        return self.latents.molecules[text] or _NOTHING_LEFT

    def _grafted(self, parent: str | None, rng: Random) -> Molecule | Invalid:
        if parent is None or not self.mates:
            return _NO_GRAFT
        molecule, mate = self.latents.molecules[parent], self.latents.molecules[rng.choice(self.mates)]
        text = crossed(molecule, mate, rng) if molecule is not None and mate is not None else None
        return _NO_GRAFT if text is None else parse(text)


def _spread(counts: Mapping[str, int]) -> list[str]:
    """The move of each attempt.

    >>> _spread({"a": 2, "b": 1})
    ['a', 'a', 'b']
    """
    return [move for move, count in counts.items() for _ in range(count)]
