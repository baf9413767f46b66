"""The model of a campaign: its protocol, latent points of molecules, the note of its path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

import numpy as np

from molvae.persistence.files import reading, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.campaign.molecules import MoleculeMemory
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE


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


_NOTE, _COPY = "model.json", "checkpoint"


def remember_checkpoint(directory: Path, checkpoint: Path) -> None:
    """Note the path of the model of a campaign."""
    write_atomically(
        directory / _NOTE, json.dumps({"checkpoint": str(checkpoint.resolve())}, indent=2) + "\n"
    )


def remember_model(directory: Path, model: MolVAE) -> None:
    """Note the path of a model, or save a copy of one that has none."""
    if model.path is not None:
        remember_checkpoint(directory, model.path)
    elif not (directory / _COPY).exists():
        model.save(directory / _COPY)
        write_atomically(directory / _NOTE, json.dumps({"checkpoint": _COPY}, indent=2) + "\n")


def remembered(directory: Path) -> Path | None:
    """Path of the model of a campaign, if noted."""
    note = directory / _NOTE
    if not note.is_file():
        return None
    with reading(note):
        found: str = json.loads(note.read_text(encoding="utf-8"))["checkpoint"]
        return directory / found
