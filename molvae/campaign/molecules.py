"""The molecules of a campaign: standard forms, features and latent points, and the model that makes them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

import numpy as np

from molvae.chemistry.fingerprints import count_entries
from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.chemistry.profile import PROFILE, profiles
from molvae.chemistry.standardize import standardize
from molvae.optimization.similarities import Features, GramMemory, Multisets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.config import CampaignSettings


_WIDTH = 4096  # features fingerprints are folded to
_REMEMBERED = 40_000  # molecules of about 2 KB
_PARSED = 4_000  # molecules of about 20 KB


@dataclass(frozen=True, slots=True)
class Form:
    """Canonical SMILES of a standard form, and whether it was given in another: a salt, charged, solvated."""

    smiles: str
    changed: bool


@lru_cache(maxsize=65_536)
def form_of(text: str) -> Form | Invalid:
    """The standard form of a SMILES: the parent of a salt, neutralized by protons if possible.

    >>> form_of("[Na+].CC(=O)[O-]")
    Form(smiles='CC(=O)O', changed=True)
    >>> form_of("OCC")
    Form(smiles='CCO', changed=False)
    """
    read = parse(text)
    if not is_valid(read):
        return read
    made = standardize(read)
    return Form(made.smiles, made.smiles != read.smiles) if is_valid(made) else made


@lru_cache(maxsize=65_536)
def flat(smiles: str) -> str:
    """A molecule in standard form without its stereochemistry.

    >>> flat("C[C@H](N)O"), flat("CCO")
    ('CC(N)O', 'CCO')
    """
    if not any(mark in smiles for mark in "@/\\"):
        return smiles
    made = standardize(smiles, "none", keep_stereo=False)
    return made.smiles if is_valid(made) else smiles


class MoleculeMemory:
    """Cache of parsed molecules by canonical SMILES."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Molecule] = OrderedDict()

    def __getitem__(self, smiles: str) -> Molecule | None:
        known = self._known.get(smiles)
        if known is not None:
            self._known.move_to_end(smiles)
            return known
        read = parse(smiles)
        if not is_valid(read):
            return None
        self.keep(read)
        return read

    def keep(self, molecule: Molecule) -> None:
        """Add a parsed molecule."""
        self._known.setdefault(molecule.smiles, molecule)
        if len(self._known) > _PARSED:
            self._known.popitem(last=False)


class FeatureMemory:
    """Cache of the features used by the surrogates, by canonical SMILES.

    Attributes:
        views: The fingerprints.
        molecules: Cache of parsed molecules.
        grams: Cache of similarities among observations.
    """

    def __init__(self, settings: CampaignSettings) -> None:
        members = settings.search.surrogate.members
        self.views = tuple(dict.fromkeys(view for member in members for view in member.views))
        self.molecules = MoleculeMemory()
        self.grams = GramMemory()
        self._numbers = any(member.numbers for member in members)
        self._rows: OrderedDict[str, tuple[tuple[NDArray[np.int32], ...], NDArray[np.float64]]] = (
            OrderedDict()
        )

    def __call__(self, smiles: Sequence[str]) -> Features:
        """Features of `n` valid molecules."""
        missing = [text for text in dict.fromkeys(smiles) if text not in self._rows]
        self._learn([m for text in missing if (m := self.molecules[text]) is not None], missing)
        rows = [self._rows[text] for text in smiles]
        for text in smiles:
            self._rows.move_to_end(text)
        while len(self._rows) > max(_REMEMBERED, len(smiles)):
            self._rows.popitem(last=False)
        multisets = (Multisets.of_keys([keys[j] for keys, _ in rows], _WIDTH) for j in range(len(self.views)))
        width = len(PROFILE) if self._numbers else 0
        numbers = np.stack([row for _, row in rows]) if rows else np.empty((0, width))
        return Features(self.views, tuple(multisets), numbers)

    def _learn(self, molecules: Sequence[Molecule], names: Sequence[str]) -> None:
        numbers = profiles(molecules) if self._numbers else np.empty((len(molecules), 0))
        columns = []
        for view in self.views:
            entries = count_entries(molecules, view, n_features=_WIDTH)
            sets = Multisets.of_entries(*entries, width=_WIDTH)
            columns.append(np.split(sets.keys, sets.offsets[1:-1]))
        for index, name in enumerate(names):
            self._rows[name] = (tuple(column[index] for column in columns), numbers[index])


class LatentModel(Protocol):
    """Encodes and decodes molecules; implemented by `molvae.latent.codec.MolVAE`."""

    @property
    def latent_size(self) -> int:
        """Number of latent coordinates, `d`."""

    def encode(self, molecules: Sequence[Molecule], /) -> np.ndarray:
        """Latent points, `n x d` float32; NaN rows where encoding fails."""

    def decode(self, z: np.ndarray, /) -> list[Molecule | Invalid]:
        """Molecules of latent points `n x d`, `n` of them."""

    def sample_latent(self, n: int, /, *, generator: np.random.Generator) -> np.ndarray:
        """Draws from the default prior, `n x d` float32."""


@runtime_checkable
class TellsPosterior(Protocol):
    """A model whose encoder has a posterior."""

    def posterior(self, molecules: Sequence[Molecule], /) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and deviations, `n x d` float32 each; NaN rows where encoding fails."""


@runtime_checkable
class ReadsNoise(Protocol):
    """A model whose decoder may be conditioned on noise levels, such as the length of a pCN step."""

    @property
    def noise_levels(self) -> bool:
        """Whether its decoder is conditioned."""

    @property
    def prior_level(self) -> float:
        """Noise level for decoding prior draws."""

    def decode_moved(self, z: np.ndarray, level: np.ndarray, /, *, seed: int) -> list[Molecule | Invalid]:
        """Molecules of latent points `n x d` after pCN steps of these lengths, `n`."""


def reads_noise(model: LatentModel) -> TypeGuard[ReadsNoise]:
    """Whether the decoder of a model is conditioned on noise levels."""
    return isinstance(model, ReadsNoise) and model.noise_levels


def drawn(model: LatentModel, n: int, generator: np.random.Generator) -> list[Molecule | Invalid]:
    """`n` molecules of a model's prior."""
    z = model.sample_latent(n, generator=generator)
    if not reads_noise(model):
        return model.decode(z)
    return model.decode_moved(z, np.full(n, model.prior_level), seed=int(generator.integers(2**31)))


class Latents:
    """Latent points of molecules, known or encoded on first use.

    Attributes:
        known: All points so far, by canonical SMILES.
        molecules: Cache of parsed molecules.
    """

    def __init__(
        self, model: LatentModel, known: Mapping[str, NDArray[np.float32]], molecules: MoleculeMemory
    ) -> None:
        self.model = model
        self.known = dict(known)
        self.molecules = molecules
        self._deviations: dict[str, NDArray[np.float32]] = {}

    def __call__(self, smiles: Sequence[str]) -> NDArray[np.float32]:
        """Latent points, `n x d`, new ones encoded in one batch; NaN rows where encoding fails."""
        molecules = self._missing(smiles, self.known)
        if molecules:
            if isinstance(self.model, TellsPosterior):
                points, deviations = self.model.posterior(molecules)
                self._keep(self._deviations, molecules, deviations)
            else:
                points = self.model.encode(molecules)
            self._keep(self.known, molecules, points)
        rows = [self.known[text] for text in smiles]
        return np.stack(rows) if rows else np.empty((0, self.model.latent_size), dtype=np.float32)

    def deviations(self, smiles: Sequence[str]) -> NDArray[np.float32] | None:
        """Posterior deviations of encoded molecules, `n x d`; `None` if the model has none."""
        if not isinstance(self.model, TellsPosterior):
            return None
        molecules = self._missing(smiles, self._deviations)
        if molecules:
            self._keep(self._deviations, molecules, self.model.posterior(molecules)[1])
        rows = [self._deviations[text] for text in smiles]
        return np.stack(rows) if rows else np.empty((0, self.model.latent_size), dtype=np.float32)

    def _missing(self, smiles: Sequence[str], known: Mapping[str, object]) -> list[Molecule]:
        missing = [text for text in dict.fromkeys(smiles) if text not in known]
        return [molecule for text in missing if (molecule := self.molecules[text]) is not None]

    @staticmethod
    def _keep(
        known: dict[str, NDArray[np.float32]], molecules: Sequence[Molecule], rows: NDArray[np.floating]
    ) -> None:
        names = (molecule.smiles for molecule in molecules)
        known.update(zip(names, np.asarray(rows, dtype=np.float32), strict=True))
