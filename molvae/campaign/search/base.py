"""The protocols of search methods and of proposal sources, and their registries."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from molvae.campaign.search.situation import Latents, Situation
    from molvae.chemistry.molecule import Invalid, Molecule


@dataclass(frozen=True)
class Draft:
    """A molecule proposed by a method.

    Attributes:
        smiles: Canonical SMILES.
        source: Move that proposed it.
        parent: Canonical SMILES it was made from, if any.
        surrogate: Name of the surrogate that chose it, if any.
        ancestor: Canonical SMILES of the measured molecule it descends from, if any.
    """

    smiles: str
    source: str
    parent: str | None = None
    surrogate: str | None = None
    ancestor: str | None = None


@dataclass(frozen=True)
class Batch:
    """Result of a method.

    Attributes:
        drafts: New, different molecules, never scored nor handed out before.
        state: State of the method for its next call, as JSON values in the journal.
        latents: Latent points to keep in the journal, by canonical SMILES.
    """

    drafts: tuple[Draft, ...]
    state: dict[str, Any] = field(default_factory=dict)
    latents: dict[str, NDArray[np.float32]] = field(default_factory=dict)


class SearchMethod(Protocol):
    """Finds the next candidates after the initial design."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """At most `n` new molecules; fewer only if no more can be found."""


METHODS: Registry[Callable[[], SearchMethod]] = Registry("search method", "molvae.methods")
"""Name -> factory of a method."""

_METHODS_IN = {
    "bo": "bo",
    "cma-es": "baselines",
    "mol-ga": "baselines",
    "prior": "baselines",
    "random": "baselines",
    "turbo": "turbo",
}


def make_method(name: str) -> SearchMethod:
    """The search method of that name; `UnknownNameError` names the nearest match otherwise."""
    _register(name, _METHODS_IN)
    return METHODS.get(name)()


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


SOURCES: Registry[Callable[[Situation, Latents, float], ProposalSource]] = Registry(
    "proposal source", "molvae.proposal_sources"
)
"""Name -> factory taking the situation, the latent points and the widening of steps."""

_SOURCES_IN = {"latent": "latent", "graph": "graph", "library": "graph"}


def find_source(name: str) -> Callable[[Situation, Latents, float], ProposalSource]:
    """The factory of that name; `UnknownNameError` names the nearest match otherwise."""
    _register(name, _SOURCES_IN)
    return SOURCES.get(name)


def _register(name: str, modules: Mapping[str, str]) -> None:
    """Import the module of a built-in method or source, which registers itself; all for other names."""
    for module in [modules[name]] if name in modules else dict.fromkeys(modules.values()):
        import_module(f"molvae.campaign.search.{module}")
