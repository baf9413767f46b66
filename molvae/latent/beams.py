"""Molecules where greedy decoding gives none: the most likely text that is one, by beam search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.models.beam import Beams
    from molvae.models.vae import SequenceVAE
    from molvae.tokenizers.base import Tokenizer

WIDTHS = (8, 32)
"""Of the beams: the second is for what the first misses."""
_ROWS = 1024  # latent vectors searched at once


def search(
    network: SequenceVAE,
    tokenizer: Tokenizer,
    z: NDArray[np.float32],
    molecules: list[Molecule | Invalid],
    *,
    max_length: int,
    told: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> None:
    """Replace, in place, what is no molecule by the most likely text that is one, where a beam finds any.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        z: Latent vectors, `n x d`; nothing is looked for where a row is not finite.
        molecules: What they were decoded to, `n`.
        max_length: Longest row in tokens.
        told: Properties a conditional network sees, and which are known, `n x p` each.
    """
    finite = np.asarray(np.isfinite(z).all(axis=1))
    for width in WIDTHS:
        wrong = [row for row, item in enumerate(molecules) if finite[row] and not is_valid(item)]
        for start in range(0, len(wrong), _ROWS):
            rows = wrong[start : start + _ROWS]
            properties, observed = (None, None) if told is None else (told[0][rows], told[1][rows])
            beams = network.search(
                torch.from_numpy(z[rows]).to(next(network.parameters()).device),
                max_length=max_length,
                width=width,
                properties=properties,
                observed=observed,
            )
            for row, texts in zip(rows, _texts(tokenizer, beams), strict=True):
                found = next((m for text in texts if is_valid(m := parse(text))), None)
                molecules[row] = molecules[row] if found is None else found


def searched_texts(
    network: SequenceVAE, tokenizer: Tokenizer, z: NDArray[np.float32], texts: list[str], *, max_length: int
) -> list[str]:
    """Texts written from latent vectors `n x d`, those that are no molecule replaced as by `search`."""
    molecules = [parse(text) for text in texts]
    before = [is_valid(molecule) for molecule in molecules]
    search(network, tokenizer, z, molecules, max_length=max_length)
    return [
        molecule.smiles if is_valid(molecule) and not done else text
        for text, done, molecule in zip(texts, before, molecules, strict=True)
    ]


def _texts(tokenizer: Tokenizer, beams: Beams) -> list[list[str]]:
    """The texts of each latent vector, best first."""
    counts = beams.log_prob.isfinite().sum(1).tolist()
    rows = beams.tokens.cpu().numpy()
    return [tokenizer.decode_many(row[:count]) for row, count in zip(rows, counts, strict=True)]
