"""Moves in latent space, decoded in one batch."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.model import ReadsNoise, TellsPosterior, decoded
from molvae.campaign.search.base import SOURCES, Offspring
from molvae.optimization.proposal import NOISE, PRIOR, SHARES, Elites, Slope, propose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.campaign.model import Latents
    from molvae.campaign.search.base import Parents, Situation
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.optimization.proposal import Proposals


_N_SLOPE = 2000


@SOURCES.register("latent")
class LatentMoves:
    """pCN steps, posterior noise, interpolation, ascents, prior draws.

    Args:
        situation: Has model and settings.
        latents: Latent points of the parents.
        widening: Factor on the steps.
    """

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
        elites = Elites(z[encoded], parents.fitness[encoded], deviation, slope)
        n = counts.get(PRIOR, 0) if len(encoded) else sum(counts.values())
        draws = self._draws(n, generator)
        moves = propose(elites, counts, generator, draws, widening=self.widening)
        return [
            Offspring(molecule, move, names[row] if row >= 0 else None)
            for molecule, move, row in zip(
                self._decoded(moves, generator), moves.source, moves.parent, strict=True
            )
        ]

    def _decoded(self, moves: Proposals, generator: np.random.Generator) -> list[Molecule | Invalid]:
        level = self.model.prior_level if isinstance(self.model, ReadsNoise) else 0.0
        drawn = np.array([move == PRIOR for move in moves.source], dtype=bool)
        return decoded(self.model, moves.z, np.where(drawn, level, moves.level), generator)

    def _draws(self, n: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """Prior draws; the first are drawn for all generations at once, as a learned prior is slow."""
        if n > len(self._drawn):
            generations = self.situation.history.settings.search.n_generations
            missing = n - len(self._drawn) if len(self._drawn) else n * generations
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
