"""Search methods and proposal sources: protocols, registries and input."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from molvae.campaign.molecules import Latents
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import is_valid
from molvae.chemistry.standardize import standardize
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from molvae.campaign.gates import Gate
    from molvae.campaign.history import History
    from molvae.campaign.molecules import FeatureMemory, LatentModel
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.seeding import Seeds


@dataclass(frozen=True)
class Situation:
    """Input of a method, which is a deterministic function of it.

    Attributes:
        history: State of the campaign.
        model: Encodes and decodes molecules.
        features: Cache of the features of molecules.
        seeds: Named generators; indices must include `history.n_asks`.
        gates: Further requirements on proposals besides filters and bounds.
    """

    history: History
    model: LatentModel
    features: FeatureMemory
    seeds: Seeds
    gates: tuple[Gate, ...] = ()

    def latents(self) -> Latents:
        """Latent points of molecules: those of the journal, and new ones."""
        return Latents(self.model, self.history.latents, self.features.molecules)

    def generator(self, name: str, *indices: int) -> np.random.Generator:
        """A random generator for this batch."""
        return self.seeds.numpy(name, self.history.n_asks, *indices)

    def unseen(self, smiles: Iterable[str]) -> list[str]:
        """The molecules new to the campaign, each once, in order."""
        trials, key = self.history.trials, self.history.key
        return [text for text in dict.fromkeys(smiles) if key(text) not in trials]

    def acceptable(self, molecule: Molecule | Invalid) -> Molecule | None:
        """The molecule in standard form; `None` if invalid, too large, filtered or a known stereoisomer."""
        settings = self.history.settings
        molecule = standardize(molecule) if is_valid(molecule) else molecule
        if not is_valid(molecule) or molecule.mol.GetNumHeavyAtoms() > settings.max_heavy_atoms:
            return None
        if self.history.is_redrawn(molecule.smiles):
            return None
        return molecule if not settings.filters or _passes(molecule, settings.filters) else None

    def all_acceptable(self, molecules: Iterable[Molecule | Invalid]) -> list[Molecule | None]:
        """The acceptable molecules that satisfy the known bounds and the campaign's gates.

        Cheap checks come first.
        """
        passed = list(map(self.acceptable, molecules))
        for check in (self.history.known.admits, *self.gates):
            left = [molecule for molecule in passed if molecule is not None]
            if left:
                inside = iter(check(left))
                passed = [molecule if molecule is not None and next(inside) else None for molecule in passed]
        return passed

    def within_bounds(self, smiles: Iterable[str], n: int | None = None) -> list[str]:
        """The first `n` start molecules within all known bounds, in order; filters do not apply to them."""
        known = self.history.known
        found: list[str] = []
        for text in smiles:
            if n is not None and len(found) == n:
                break
            molecule = self.features.molecules[text] if known.bounds else None
            if not known.bounds or (molecule is not None and known.admits([molecule])[0]):
                found.append(text)
        return found


@lru_cache(maxsize=4096)  # offspring are often repeated
def _passes(molecule: Molecule, filters: tuple[str, ...]) -> bool:
    return not filter_reasons(molecule, filters)


@dataclass(frozen=True)
class Draft:
    """A molecule proposed by a method.

    Attributes:
        smiles: Canonical SMILES.
        source: Move that proposed it.
        parent: Canonical SMILES of its parent, if any.
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
        drafts: Distinct molecules that were never scored or proposed before.
        state: State of the method for its next call, as JSON values in the journal.
        latents: Latent points to keep in the journal, by canonical SMILES.
    """

    drafts: tuple[Draft, ...]
    state: dict[str, Any] = field(default_factory=dict)
    latents: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def after(self, first: Sequence[Draft], n: int) -> Batch:
        """The batch of `n` that begins with other molecules."""
        taken = {draft.smiles for draft in first}
        rest = [draft for draft in self.drafts if draft.smiles not in taken]
        return replace(self, drafts=(*first, *rest[: n - len(first)]))


METHODS: Registry[Callable[[Situation, int], Batch]] = Registry(
    "search method", "molvae.methods", ("molvae.campaign.search.bo", "molvae.campaign.search.baselines")
)
"""Name -> function that finds at most `n` new molecules; fewer only if no more can be found."""


N_PARENTS = 60
"""Molecules with the highest acquisition that are parents of the next generation."""
N_GENERATIONS = 4
"""Generations of offspring from which a batch is chosen."""


@dataclass(frozen=True)
class Parents:
    """Canonical SMILES of parent molecules, `e`, and the fitness of each, `e`; higher is better."""

    smiles: Sequence[str]
    fitness: NDArray[np.float64]


@dataclass(frozen=True)
class Offspring:
    """One attempt of a source: result, name of the move, canonical SMILES of the parent."""

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
        """`counts` attempts of each move, in any order; parents may be empty."""


SOURCES: Registry[Callable[[Situation, Latents, float], ProposalSource]] = Registry(
    "proposal source", "molvae.proposal_sources", ("molvae.campaign.search.sources",)
)
"""Name -> factory taking the situation, the latent points and the widening of steps."""
