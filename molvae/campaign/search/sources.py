"""The proposal sources: moves in latent space, graph edits, start molecules and grafts of them."""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.gates import kept_smarts
from molvae.campaign.molecules import TellsPosterior, reads_noise
from molvae.campaign.search.base import N_GENERATIONS, SOURCES, Offspring
from molvae.chemistry.graph_moves import crossed, decorated, mutated
from molvae.chemistry.molecule import Invalid, parse
from molvae.optimization.proposal import NOISE, PRIOR, SHARES, Elites, Slope, propose, rank_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.campaign.molecules import Latents
    from molvae.campaign.search.base import Parents, Situation
    from molvae.chemistry.molecule import Molecule


_N_SLOPE = 2000  # number of best molecules to fit the linear model to
_GRAPH_SHARES = {"mutation": 0.45, "crossover": 0.4, "decoration": 0.15}  # initial shares
_ANOTHER = 0.25  # probability of another edit
_MOST_EDITS = 4
_NOTHING = Invalid("", "no molecule can be made")


@SOURCES.register("latent")
class LatentMoves:
    """pCN steps, posterior noise, interpolation, ascents, prior draws; `widening` is a factor on steps."""

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        self.situation = situation
        self.model = situation.model
        self.latents = latents
        self.widening = widening
        self._drawn = np.empty((0, self.model.latent_size), dtype=np.float32)

    @property
    def moves(self) -> Mapping[str, float]:
        """The moves; posterior noise only where the model has a posterior."""
        return SHARES if isinstance(self.model, TellsPosterior) else {**SHARES, NOISE: 0.0}

    def offspring(
        self, parents: Parents, counts: Mapping[str, int], generator: np.random.Generator
    ) -> list[Offspring]:
        """Decoded latent points; parents that cannot be encoded are skipped."""
        z = self.latents(parents.smiles)
        encoded = np.flatnonzero(np.isfinite(z).all(axis=1))
        names = [parents.smiles[int(row)] for row in encoded]
        deviation = self.latents.deviations(names) if counts.get("noise") else None
        slope = self._slope if counts.get("ascent") else None
        elites = Elites(z[encoded], parents.fitness[encoded], deviation, slope, reads_noise(self.model))
        n = counts.get(PRIOR, 0) if len(encoded) else sum(counts.values())
        draws = self._draws(n, generator)
        moves = propose(elites, counts, generator, draws, widening=self.widening)
        if reads_noise(self.model):
            drawn = np.array([move == PRIOR for move in moves.source], dtype=bool)
            levels = np.where(drawn, self.model.prior_level, moves.level)
            seed = int(generator.integers(2**31))
            children = self.model.decode_moved(moves.z, levels, seed=seed)
        else:
            children = self.model.decode(moves.z)
        return [
            Offspring(molecule, move, names[row] if row >= 0 else None)
            for molecule, move, row in zip(children, moves.source, moves.parent, strict=True)
        ]

    def _draws(self, n: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """Prior draws; the first ones are drawn for all generations at once, as a learned prior is slow."""
        if n > len(self._drawn):
            missing = n - len(self._drawn) if len(self._drawn) else n * N_GENERATIONS
            fresh = self.model.sample_latent(missing, generator=generator)
            self._drawn = np.concatenate([self._drawn, fresh])
        draws, self._drawn = self._drawn[:n], self._drawn[n:]
        return draws

    @cached_property
    def _slope(self) -> Slope:
        """Linear model of the best scored molecules."""
        history = self.situation.history
        trials = list(history.trials.values())
        worth = history.utilities()
        best = [row for row in np.argsort(-worth, kind="stable")[:_N_SLOPE] if np.isfinite(worth[row])]
        z = self.latents([trials[row].smiles for row in best])
        encoded = np.isfinite(z).all(axis=1)
        return Slope.fit(z[encoded], worth[best][encoded])


@SOURCES.register("graph")
class GraphMoves:
    """Mutations, decorations with common groups, and crossovers, which preserve required cores.

    `widening` is a factor on the mean number of edits beyond the first.
    """

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        self._cores = kept_smarts(situation.history.settings.objectives)
        self.latents = latents
        self._another = float(np.clip(_ANOTHER * widening, 0.0, 0.9))
        self._children: dict[str, Molecule | Invalid] = {}

    @property
    def moves(self) -> Mapping[str, float]:
        """The moves and their shares."""
        return _GRAPH_SHARES

    def offspring(
        self, parents: Parents, counts: Mapping[str, int], generator: np.random.Generator
    ) -> list[Offspring]:
        """Children of parents drawn by rank; mates of crossovers are drawn likewise."""
        moves = _spread(counts)
        if not len(parents.smiles):
            return [Offspring(_NOTHING, move) for move in moves]
        weights = rank_weights(parents.fitness)
        first, second = generator.choice(len(weights), size=(2, len(moves)), p=weights)
        rng = Random(int(generator.integers(2**63)))
        known, attempts = self.latents.molecules, []
        for move, a, b in zip(moves, first, second):
            parent, mate = known[parents.smiles[a]], known[parents.smiles[b]]
            if parent is None or mate is None:
                text = None
            elif move == "crossover":
                text = crossed(parent, mate, rng, cores=self._cores)
            elif move == "decoration":
                text = decorated(parent, rng, cores=self._cores)
            else:
                n_edits = 1
                while n_edits < _MOST_EDITS and rng.random() < self._another:
                    n_edits += 1
                text = mutated(parent, rng, n_edits=n_edits, cores=self._cores)
            if text is not None and text not in self._children:
                self._children[text] = parse(text)
            child = _NOTHING if text is None else self._children[text]
            attempts.append(Offspring(child, move, parents.smiles[a]))
        return attempts


@SOURCES.register("library")
class LibraryMoves:
    """Unseen start molecules, and crossovers of parents with any molecule of the campaign."""

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        del widening
        self.latents = latents
        self.unseen = situation.unseen(molecule.smiles for molecule in situation.history.start)
        self.mates = [*self.unseen, *situation.history.trials]

    @property
    def moves(self) -> Mapping[str, float]:
        """Half of each; only grafts once every start molecule was proposed."""
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
            return _NOTHING
        text = self.unseen[int(generator.integers(len(self.unseen)))]
        return self.latents.molecules[text] or _NOTHING

    def _grafted(self, parent: str | None, rng: Random) -> Molecule | Invalid:
        if parent is None or not self.mates:
            return _NOTHING
        molecule, mate = self.latents.molecules[parent], self.latents.molecules[rng.choice(self.mates)]
        text = crossed(molecule, mate, rng) if molecule is not None and mate is not None else None
        return _NOTHING if text is None else parse(text)


def _spread(counts: Mapping[str, int]) -> list[str]:
    """The move of each attempt.

    >>> _spread({"a": 2, "b": 1})
    ['a', 'a', 'b']
    """
    return [move for move, count in counts.items() for _ in range(count)]
