"""What the model thinks of given molecules: how surprised it is to read them, and to write them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.latent.batches import token_batches
from molvae.latent.domain import Likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE


@torch.inference_mode()
def likelihood(model: MolVAE, molecules: Sequence[str | Molecule | Invalid]) -> Likelihood:
    """Likelihood terms of molecules, each encoded to its posterior mean; same length and order as given."""
    n = len(molecules)
    terms = np.full((3, n), np.nan)
    means = np.full((n, model.latent_size), np.nan, dtype=np.float32)
    for rows, tokens, lengths in token_batches(model.tokenizer, model.prepare(molecules)):
        given, widths = torch.from_numpy(tokens).to(model.device), torch.from_numpy(lengths).to(model.device)
        posterior = model.network.encode(given, widths)
        written = model.network.reconstruction(given, widths, posterior.mu)
        terms[:, rows] = torch.stack([written, posterior.kl(), widths.to(written.dtype)]).cpu().numpy()
        means[rows] = posterior.mu.cpu().numpy()
    return Likelihood(terms[0], terms[1], terms[2], means)
