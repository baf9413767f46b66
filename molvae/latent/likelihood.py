"""What the model thinks of given molecules: how surprised it is to read them, and to write them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid
from molvae.tokenizers.base import TokenizationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE
    from molvae.tokenizers.base import Tokenizer

_ROWS = 512  # molecules the network works on at once


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Terms of the ELBO for each of `n` molecules; NaN for what the model cannot read.

    Attributes:
        reconstruction: -log p(x | mu), in nats, `n`.
        kl: KL(q(z|x) || N(0, I)), in nats, `n`.
        n_tokens: Tokens, the end mark included, `n`.
        mu: Posterior means, `n x d`.
    """

    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    n_tokens: NDArray[np.float64]
    mu: NDArray[np.float32]


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


def token_batches(
    tokenizer: Tokenizer, molecules: Sequence[Molecule | Invalid]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Row numbers `b`, tokens `b x t` and lengths `b` of what can be read, in batches of similar length."""
    encoded: dict[int, NDArray[np.int64]] = {}
    for row, item in enumerate(molecules):
        if not is_valid(item):
            continue
        try:
            encoded[row] = tokenizer.encode(item.smiles)
        except TokenizationError:
            continue
    order = sorted(encoded, key=lambda row: len(encoded[row]))
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        lengths = np.array([len(encoded[row]) for row in rows])
        tokens = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for line, row in enumerate(rows):
            tokens[line, : lengths[line]] = encoded[row]
        yield np.array(rows), tokens, lengths
