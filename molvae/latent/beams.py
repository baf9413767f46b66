"""Molecules where greedy decoding gives none: the most likely text that is one, by beam search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE

WIDTHS = (8, 32)
"""Of the beams: the second is for what the first misses."""
_ROWS = 1024  # latent vectors searched at once


def search(
    model: MolVAE,
    z: NDArray[np.float32],
    molecules: list[Molecule | Invalid],
    told: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> None:
    """Replace, in place, what is no molecule by the most likely text that is one, where a beam finds any.

    Args:
        model: The model.
        z: Latent vectors, `n x d`; nothing is looked for where a row is not finite.
        molecules: What they were decoded to, `n`.
        told: Properties a conditional network sees, and which are known, `n x p` each.
    """
    finite = np.asarray(np.isfinite(z).all(axis=1))
    for width in WIDTHS:
        wrong = [row for row, item in enumerate(molecules) if finite[row] and not is_valid(item)]
        for start in range(0, len(wrong), _ROWS):
            rows = wrong[start : start + _ROWS]
            seen = None if told is None else (told[0][rows], told[1][rows])
            for row, texts in zip(rows, likely_texts(model, z[rows], width, seen), strict=True):
                found = next((m for text in texts if is_valid(m := parse(text))), None)
                molecules[row] = molecules[row] if found is None else found


def likely_texts(
    model: MolVAE,
    z: NDArray[np.float32],
    width: int,
    told: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> list[list[str]]:
    """The most likely texts of latent vectors `n x d`, all finite, best first, molecules or not."""
    properties, observed = (None, None) if told is None else told
    found = model.network.search(
        torch.from_numpy(z).to(model.device),
        max_length=model.settings.max_length,
        width=width,
        properties=properties,
        observed=observed,
    )
    counts = found.log_prob.isfinite().sum(1).tolist()
    rows = found.tokens.cpu().numpy()
    return [model.tokenizer.decode_many(row[:count]) for row, count in zip(rows, counts, strict=True)]


def searched_texts(model: MolVAE, z: NDArray[np.float32], texts: list[str]) -> list[str]:
    """Texts written from latent vectors `n x d`, those that are no molecule replaced as by `search`."""
    molecules = [parse(text) for text in texts]
    before = [is_valid(molecule) for molecule in molecules]
    search(model, z, molecules)
    return [
        molecule.smiles if is_valid(molecule) and not done else text
        for text, done, molecule in zip(texts, before, molecules, strict=True)
    ]
