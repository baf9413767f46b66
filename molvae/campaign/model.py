"""What a campaign needs of a model, and the note beside its journal of which model it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from molvae.persistence.files import reading, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE


class LatentModel(Protocol):
    """Encodes and decodes molecules; implemented by `molvae.latent.codec.MolVAE`."""

    @property
    def latent_size(self) -> int:
        """Number of latent coordinates, `d`."""

    def encode(self, molecules: Sequence[Molecule], /) -> np.ndarray:
        """Latent points, `n x d` float32; NaN rows for what cannot be encoded."""

    def decode(self, z: np.ndarray, /) -> list[Molecule | Invalid]:
        """Molecules of latent points `n x d`, `n` of them."""

    def sample_latent(self, n: int, /, *, generator: np.random.Generator) -> np.ndarray:
        """Draws from the default prior, `n x d` float32."""


@runtime_checkable
class TellsPosterior(Protocol):
    """A model whose encoder has a posterior."""

    def posterior(self, molecules: Sequence[Molecule], /) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and deviations, `n x d` float32 each; NaN rows for what cannot be encoded."""


@runtime_checkable
class ReadsNoise(Protocol):
    """A model whose decoder may be conditioned on noise levels, such as the length of a pCN step."""

    @property
    def noise_levels(self) -> bool:
        """Whether it does."""

    @property
    def prior_level(self) -> float:
        """Level at which draws of the prior are decoded."""

    def decode_moved(self, z: np.ndarray, level: np.ndarray, /, *, seed: int) -> list[Molecule | Invalid]:
        """Molecules of latent points `n x d` after pCN steps of these lengths, `n`."""


def decoded(
    model: LatentModel, z: np.ndarray, level: np.ndarray, generator: np.random.Generator
) -> list[Molecule | Invalid]:
    """Molecules of latent points `n x d` at noise levels `n`, if the decoder has them."""
    if isinstance(model, ReadsNoise) and model.noise_levels:
        return model.decode_moved(z, level, seed=int(generator.integers(2**31)))
    return model.decode(z)


def drawn(model: LatentModel, n: int, generator: np.random.Generator) -> list[Molecule | Invalid]:
    """`n` molecules of a model's prior."""
    z = model.sample_latent(n, generator=generator)
    level = model.prior_level if isinstance(model, ReadsNoise) else 0.0
    return decoded(model, z, np.full(n, level), generator)


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
