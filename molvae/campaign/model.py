"""What a campaign needs of a molecule model: the landing as a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from molvae.chemistry.molecule import Invalid, Molecule


class LatentModel(Protocol):
    """SMILES to latent points and back; `molvae.latent.codec.MolVAE` is one."""

    @property
    def latent_size(self) -> int:
        """Number of latent coordinates, `d`."""

    def encode(self, molecules: Sequence[Molecule], /) -> np.ndarray:
        """Latent points, `n x d` float32; NaN rows for what cannot be encoded."""

    def decode(self, z: np.ndarray, /) -> list[Molecule | Invalid]:
        """Molecules of latent points `n x d`; as many as points."""

    def sample_latent(self, n: int, /, *, generator: np.random.Generator) -> np.ndarray:
        """Draws from the default prior, `n x d` float32."""


@runtime_checkable
class TellsPosterior(Protocol):
    """A model that also says how sure its encoder is."""

    def posterior(self, molecules: Sequence[Molecule], /) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and deviations, `n x d` float32 each; NaN rows for what cannot be encoded."""
