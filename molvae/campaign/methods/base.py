"""The protocol of a search method: from the history of a campaign to the next candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from molvae.campaign.features import FeatureMemory
    from molvae.campaign.gates import Gate
    from molvae.campaign.history import History
    from molvae.campaign.model import LatentModel
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.seeding import Seeds


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


@dataclass(frozen=True)
class Situation:
    """Input of a method, which is a deterministic function of it.

    Attributes:
        history: Of the campaign.
        model: Encodes and decodes.
        features: Cache of the features of molecules.
        seeds: Named generators; indices must include `history.n_asks`.
        gates: Further requirements on proposals besides filters and bounds.
    """

    history: History
    model: LatentModel
    features: FeatureMemory
    seeds: Seeds
    gates: tuple[Gate, ...] = ()

    def generator(self, name: str, *indices: int) -> np.random.Generator:
        """A generator of this batch."""
        return self.seeds.numpy(name, self.history.n_asks, *indices)

    def unseen(self, smiles: Iterable[str]) -> list[str]:
        """Those that are new to the campaign, each once, in order."""
        trials, key = self.history.trials, self.history.key
        return [text for text in dict.fromkeys(smiles) if key(text) not in trials]

    def acceptable(self, molecule: Molecule | Invalid) -> Molecule | None:
        """The molecule in standard form; `None` if invalid, too large, filtered or a known stereoisomer."""
        from molvae.campaign.forms import standard
        from molvae.chemistry.molecule import is_valid

        molecule, settings = standard(molecule), self.history.settings
        if not is_valid(molecule) or molecule.mol.GetNumHeavyAtoms() > settings.max_heavy_atoms:
            return None
        if self.history.is_redrawn(molecule.smiles):
            return None
        return molecule if not settings.filters or _passes(molecule, settings.filters) else None

    def all_acceptable(self, molecules: Iterable[Molecule | Invalid]) -> list[Molecule | None]:
        """As `acceptable` for each, and within the known bounds and the gates of the campaign.

        Cheap checks come first.
        """
        passed = [self.acceptable(molecule) for molecule in molecules]
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


@lru_cache(maxsize=4096)  # offspring repeat themselves
def _passes(molecule: Molecule, filters: tuple[str, ...]) -> bool:
    from molvae.chemistry.filters import filter_reasons

    return not filter_reasons(molecule, filters)


class SearchMethod(Protocol):
    """Finds the next candidates after the initial design."""

    def ask(self, situation: Situation, n: int) -> Batch:
        """At most `n` new molecules; fewer only if no more can be found."""


METHODS: Registry[Callable[[], SearchMethod]] = Registry("search method", "molvae.methods")
"""Name -> factory of a method."""

_MODULES = {
    "bo": "bo",
    "cma-es": "cma_es",
    "mol-ga": "genetic",
    "prior": "random_draws",
    "random": "random_draws",
    "turbo": "turbo",
}


def make_method(name: str) -> SearchMethod:
    """The search method of that name; `UnknownNameError` names the nearest match otherwise."""
    for module in [_MODULES[name]] if name in _MODULES else dict.fromkeys(_MODULES.values()):
        import_module(f"molvae.campaign.methods.{module}")  # each registers itself
    return METHODS.get(name)()
