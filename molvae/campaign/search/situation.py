"""What search methods and proposal sources work with: the situation of a campaign, latent points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.model import TellsPosterior
from molvae.campaign.molecules import standard
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.gates import Gate
    from molvae.campaign.history import History
    from molvae.campaign.model import LatentModel
    from molvae.campaign.molecules import FeatureMemory
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.seeding import Seeds


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
    return not filter_reasons(molecule, filters)


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
