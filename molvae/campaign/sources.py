"""Where new molecules come from: moves in latent space, and whatever else registers as a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from molvae.campaign.methods.base import Draft
from molvae.chemistry.molecule import is_valid, parse
from molvae.optimization.proposal import propose
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.methods.base import Situation
    from molvae.chemistry.molecule import Invalid, Molecule


@dataclass(frozen=True)
class Parents:
    """Molecules to start from.

    Attributes:
        smiles: Canonical SMILES, `e`.
        fitness: Worth of each, `e`; higher is better.
    """

    smiles: Sequence[str]
    fitness: NDArray[np.float64]


@dataclass(frozen=True)
class Offspring:
    """What a source brought: one entry per attempt.

    Attributes:
        molecules: Molecules or reasons why there is none.
        sources: The move that made each.
        parents: Canonical SMILES each was made from, `None` for the prior.
    """

    molecules: Sequence[Molecule | Invalid]
    sources: Sequence[str]
    parents: Sequence[str | None]

    def drafts(self) -> list[tuple[Molecule | Invalid, str, str | None]]:
        """Molecule, source and parent of each attempt."""
        return list(zip(self.molecules, self.sources, self.parents, strict=True))


class Latents:
    """Latent points of molecules: those on record, and those encoded while this batch is searched for.

    Attributes:
        known: By canonical SMILES.
        molecules: Molecules already parsed, by canonical SMILES; others are parsed when they are encoded.
    """

    def __init__(self, situation: Situation) -> None:
        self.model = situation.model
        self.known = dict(situation.history.latents)
        self.molecules: dict[str, Molecule] = {}

    def __call__(self, smiles: Sequence[str]) -> NDArray[np.float32]:
        """Latent points, `n x d`, new ones encoded in one batch; NaN rows where that is impossible."""
        missing = [text for text in dict.fromkeys(smiles) if text not in self.known]
        if missing:
            molecules = [m for s in missing if is_valid(m := self.molecules.get(s) or parse(s))]
            points = np.asarray(self.model.encode(molecules), dtype=np.float32)
            self.known.update(zip((molecule.smiles for molecule in molecules), points, strict=True))
        rows = [self.known[text] for text in smiles]
        return np.stack(rows) if rows else np.empty((0, self.model.latent_size), dtype=np.float32)


class ProposalSource(Protocol):
    """Makes molecules out of molecules."""

    def offspring(self, parents: Parents, n: int, generator: np.random.Generator) -> Offspring:
        """`n` attempts."""


SOURCES: Registry[Callable[[Situation, Latents, float], ProposalSource]] = Registry(
    "proposal source", "molvae.proposal_sources"
)
"""Name -> factory taking the situation, the latent points and the widening of steps."""


@SOURCES.register("latent")
class LatentMoves:
    """pCN moves around parents, slerp between them, prior draws: one batch of latent points, one decode.

    Args:
        situation: Has model and settings.
        latents: Latent points of the parents.
        widening: Factor on the steps.
    """

    def __init__(self, situation: Situation, latents: Latents, widening: float) -> None:
        self.situation = situation
        self.latents = latents
        self.widening = widening

    def offspring(self, parents: Parents, n: int, generator: np.random.Generator) -> Offspring:
        """`n` decoded latent points; parents the model cannot encode are left out."""
        model, settings = self.situation.model, self.situation.history.settings.search.proposal
        z = self.latents(parents.smiles)
        encoded = np.flatnonzero(np.isfinite(z).all(axis=1))
        draws = model.sample_latent(n, generator=generator)
        moves = propose(
            z[encoded], parents.fitness[encoded], settings, generator, draws, n=n, widening=self.widening
        )
        names = [parents.smiles[int(row)] for row in encoded]
        return Offspring(
            molecules=model.decode(moves.z),
            sources=moves.source,
            parents=[names[row] if row >= 0 else None for row in moves.parent],
        )


def breed(
    sources: dict[str, ProposalSource],
    shares: dict[str, float],
    parents: Parents,
    n: int,
    generator: np.random.Generator,
) -> list[tuple[Molecule | Invalid, Draft]]:
    """`n` attempts in all, divided among the sources by their shares."""
    names = sorted(sources)
    weights = np.array([shares[name] for name in names])
    attempts: list[tuple[Molecule | Invalid, Draft]] = []
    for name, count in zip(names, generator.multinomial(n, weights / weights.sum())):
        if count:
            for molecule, source, parent in sources[name].offspring(parents, int(count), generator).drafts():
                text = getattr(molecule, "smiles", "")
                attempts.append((molecule, Draft(text, source, parent)))
    return attempts
