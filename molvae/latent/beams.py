"""Molecules where greedy decoding gives none, or an odd one: the most likely text, by beam search."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid, parse
from molvae.tokenizers.base import TokenizationError

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
    noise: torch.Tensor | None = None,
) -> None:
    """Replace, in place, what the model cannot read back by the most likely text it can, where there is one.

    That is what is no molecule, and what is one whose own SMILES has tokens the model never saw (radicals,
    where it learned from molecules without any) or is none to RDKit. Where all texts of a beam are such,
    an odd molecule is still better than none.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        z: Latent vectors, `n x d`; nothing is looked for where a row is not finite.
        molecules: What they were decoded to, `n`.
        max_length: Longest row in tokens.
        told: Properties a conditional network sees, and which are known, `n x p` each.
        noise: Levels at which the vectors were blurred, `n`; None is 0.
    """
    wrong = np.flatnonzero(np.isfinite(z).all(axis=1)).tolist()
    for width in WIDTHS:
        wrong = [row for row in wrong if not is_known(molecules[row], tokenizer)]
        for start in range(0, len(wrong), _ROWS):
            rows = wrong[start : start + _ROWS]
            properties, observed = (None, None) if told is None else (told[0][rows], told[1][rows])
            beams = network.search(
                torch.from_numpy(z[rows]).to(next(network.parameters()).device),
                max_length=max_length,
                width=width,
                properties=properties,
                observed=observed,
                noise=None if noise is None else noise[rows],
            )
            for row, texts in zip(rows, _texts(tokenizer, beams), strict=True):
                molecules[row] = _first_known(tokenizer, texts, molecules[row])


def searched_texts(
    network: SequenceVAE,
    tokenizer: Tokenizer,
    z: NDArray[np.float32],
    texts: list[str],
    *,
    max_length: int,
    noise: torch.Tensor | None = None,
) -> list[str]:
    """Texts written from latent vectors `n x d`, those that are no molecule replaced as by `search`."""
    before = [parse(text) for text in texts]
    after = before.copy()
    search(network, tokenizer, z, after, max_length=max_length, noise=noise)
    return [
        new.smiles if is_valid(new) and new is not old else text
        for text, old, new in zip(texts, before, after, strict=True)
    ]


def is_known(item: Molecule | Invalid, tokenizer: Tokenizer) -> TypeGuard[Molecule]:
    """Whether it is a molecule, and its SMILES one that the model can read."""
    if not (is_valid(item) and is_valid(parse(item.smiles))):
        return False
    try:
        return not tokenizer.unknown(item.smiles)
    except TokenizationError:
        return False


def _first_known(tokenizer: Tokenizer, texts: list[str], before: Molecule | Invalid) -> Molecule | Invalid:
    """The first text that is a molecule the model can read; else what there was, or the first molecule."""
    found = before
    for text in texts:
        molecule = parse(text, diagnose=False)
        if is_known(molecule, tokenizer):
            return molecule
        if is_valid(molecule) and not is_valid(found):
            found = molecule
    return found


def _texts(tokenizer: Tokenizer, beams: Beams) -> list[list[str]]:
    """The texts of each latent vector, best first."""
    counts = beams.log_prob.isfinite().sum(1).tolist()
    rows = beams.tokens.cpu().numpy()
    return [tokenizer.decode_many(row[:count]) for row, count in zip(rows, counts, strict=True)]
