"""What the model thinks of given molecules: how surprised it is to read them, and to write them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.latent.batches import token_batches
from molvae.latent.domain import Likelihood
from molvae.models.network import Posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE


@torch.inference_mode()
def likelihood(
    model: MolVAE,
    molecules: Sequence[str | Molecule | Invalid],
    *,
    encoded: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Likelihood:
    """Likelihood terms of molecules, each encoded to its posterior mean; same length and order as given.

    Args:
        model: The model.
        molecules: SMILES or molecules, `n`.
        encoded: What `MolVAE.posterior` says of them, `n x d` each, where that is known already: half of the
            work is saved.
    """
    n = len(molecules)
    terms = np.full((3, n), np.nan)
    means = np.full((n, model.latent_size), np.nan, dtype=np.float32)
    for rows, tokens, lengths in token_batches(model.tokenizer, model.prepare(molecules)):
        given, widths = torch.from_numpy(tokens).to(model.device), torch.from_numpy(lengths).to(model.device)
        if encoded is None:
            posterior = model.network.encode(given, widths)
        else:
            mu, sigma = (torch.from_numpy(part[rows]).to(model.device) for part in encoded)
            posterior = Posterior(mu, 2.0 * sigma.log())
        written = model.network.reconstruction(given, widths, posterior.mu)
        terms[:, rows] = torch.stack([written, posterior.kl(), widths.to(written.dtype)]).cpu().numpy()
        means[rows] = posterior.mu.cpu().numpy()
    return Likelihood(terms[0], terms[1], terms[2], means)
