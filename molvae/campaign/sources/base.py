"""The protocol of proposal sources, which make molecules from molecules."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np

from molvae.campaign.model import TellsPosterior
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.methods.base import Situation
    from molvae.chemistry.molecule import Invalid, Molecule


N_PARENTS = 60
"""Molecules with the highest acquisition that are parents of the next generation."""


@dataclass(frozen=True)
class Parents:
    """Parent molecules.

    Attributes:
        smiles: Canonical SMILES, `e`.
        fitness: Of each, `e`; higher is better.
    """

    smiles: Sequence[str]
    fitness: NDArray[np.float64]


@dataclass(frozen=True)
class Offspring:
    """One attempt of a source.

    Attributes:
        molecule: The result, or why there is none.
        move: Name of the move.
        parent: Canonical SMILES it was made from, if any.
    """

    molecule: Molecule | Invalid
    move: str
    parent: str | None = None


class ProposalSource(Protocol):
    """Makes molecules from molecules."""

    @property
    def moves(self) -> Mapping[str, float]:
        """Its moves and their initial shares."""

    def offspring(
        self, parents: Parents, counts: Mapping[str, int], generator: np.random.Generator
    ) -> list[Offspring]:
        """`counts` attempts of each move, in any order; there may be no parents."""


class Latents:
    """Latent points of molecules, from the journal or encoded for this batch.

    Attributes:
        known: By canonical SMILES.
        molecules: Cache of parsed molecules.
    """

    def __init__(self, situation: Situation) -> None:
        self.model = situation.model
        self.known = dict(situation.history.latents)
        self.molecules = situation.features.molecules
        self._deviations: dict[str, NDArray[np.float32]] = {}

    def __call__(self, smiles: Sequence[str]) -> NDArray[np.float32]:
        """Latent points, `n x d`, new ones encoded in one batch; NaN rows for what cannot be encoded."""
        missing = [text for text in dict.fromkeys(smiles) if text not in self.known]
        if missing:
            self.known.update(self._encoded(missing))
        rows = [self.known[text] for text in smiles]
        return np.stack(rows) if rows else np.empty((0, self.model.latent_size), dtype=np.float32)

    def deviations(self, smiles: Sequence[str]) -> NDArray[np.float32] | None:
        """Posterior deviations of encoded molecules, `n x d`; `None` if the model has none."""
        if not isinstance(self.model, TellsPosterior):
            return None
        missing = [text for text in dict.fromkeys(smiles) if text not in self._deviations]
        if missing:
            self._encoded(missing)
        rows = [self._deviations[text] for text in smiles]
        return np.stack(rows) if rows else np.empty((0, self.model.latent_size), dtype=np.float32)

    def _encoded(self, smiles: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Latent points of molecules, encoded in one batch; their deviations are kept."""
        molecules = [m for s in smiles if (m := self.molecule(s)) is not None]
        names = [molecule.smiles for molecule in molecules]
        if not isinstance(self.model, TellsPosterior):
            return dict(zip(names, np.asarray(self.model.encode(molecules), dtype=np.float32), strict=True))
        points, deviations = (np.asarray(part, dtype=np.float32) for part in self.model.posterior(molecules))
        self._deviations.update(zip(names, deviations, strict=True))
        return dict(zip(names, points, strict=True))

    def molecule(self, smiles: str) -> Molecule | None:
        """The molecule of a canonical SMILES."""
        return self.molecules[smiles]


SOURCES: Registry[Callable[[Situation, Latents, float], ProposalSource]] = Registry(
    "proposal source", "molvae.proposal_sources"
)
"""Name -> factory taking the situation, the latent points and the widening of steps."""

_MODULES = ("latent", "graph", "library")


def find_source(name: str) -> Callable[[Situation, Latents, float], ProposalSource]:
    """The factory of that name; `UnknownNameError` names the nearest match otherwise."""
    for module in [name] if name in _MODULES else _MODULES:
        import_module(f"molvae.campaign.sources.{module}")  # each registers itself
    return SOURCES.get(name)


def make_source(name: str, situation: Situation, latents: Latents, widening: float) -> ProposalSource:
    """The proposal source of that name."""
    return find_source(name)(situation, latents, widening)


def spread(counts: Mapping[str, int]) -> list[str]:
    """The move of each attempt.

    >>> spread({"a": 2, "b": 1})
    ['a', 'a', 'b']
    """
    return [move for move, count in counts.items() for _ in range(count)]
