"""Molecules to the posteriors of their latent vectors, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.errors import UsageError
from molvae.models.inference import infer
from molvae.tokenizers.base import TokenizationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.standardize import Level
    from molvae.models.vae import SequenceVAE
    from molvae.tokenizers.base import Tokenizer

_ROWS = 512  # molecules the network reads at once
_ROWS_INFERRED = 128  # where the decoder's states are kept for a gradient


def standardized(
    molecules: Iterable[str | Molecule | Invalid], level: Level, *, keep_stereo: bool
) -> list[Molecule | Invalid]:
    """Parse and standardize text and RDKit molecules; `Molecule` and `Invalid` pass unchanged.

    Raises:
        UsageError: It is a single text, or a table of several columns.
    """
    if isinstance(molecules, str):
        raise UsageError("a sequence of SMILES is expected, got one text", hint="Put it in a list.")
    if hasattr(molecules, "columns") or getattr(molecules, "ndim", 1) != 1:
        raise UsageError(
            "one column of SMILES is expected, got a table", hint='For example: table["smiles"].'
        )
    made: list[Molecule | Invalid] = []
    for item in molecules:
        molecule = item if isinstance(item, Molecule | Invalid) else parse(item)
        if molecule is not item and is_valid(molecule):
            molecule = standardize(molecule, level, keep_stereo=keep_stereo)
        made.append(molecule)
    return made


def why_unreadable(tokenizer: Tokenizer, molecule: Molecule) -> str:
    """Why a molecule has no finite latent vector."""
    try:
        tokenizer.encode(molecule.smiles)
    except TokenizationError as error:
        return error.message
    return "the model gives no finite vector"


def token_batches(
    tokenizer: Tokenizer, molecules: Sequence[Molecule | Invalid], n_rows: int = _ROWS
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Row numbers `b`, tokens `b x t` and lengths `b` of readable molecules, batched by similar length."""
    encoded: dict[int, NDArray[np.int64]] = {}
    for row, item in enumerate(molecules):
        if not is_valid(item):
            continue
        try:
            encoded[row] = tokenizer.encode(item.smiles)
        except TokenizationError:
            continue
    order = sorted(encoded, key=lambda row: len(encoded[row]))
    for start in range(0, len(order), n_rows):
        rows = order[start : start + n_rows]
        lengths = np.array([len(encoded[row]) for row in rows])
        tokens = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for line, row in enumerate(rows):
            tokens[line, : lengths[line]] = encoded[row]
        yield np.array(rows), tokens, lengths


def posteriors(
    network: SequenceVAE, tokenizer: Tokenizer, molecules: Sequence[Molecule | Invalid], inference_steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and standard deviations of posteriors, `n x d` each: `MolVAE.posterior` of parsed molecules."""
    if inference_steps < 0:
        raise UsageError(f"inference_steps must not be negative, got {inference_steps}")
    device = next(network.parameters()).device
    mu = np.full((len(molecules), network.settings.latent_size), np.nan, dtype=np.float32)
    sigma = mu.copy()
    n_rows = _ROWS_INFERRED if inference_steps else _ROWS
    for rows, tokens, lengths in token_batches(tokenizer, molecules, n_rows):
        given = (torch.from_numpy(array).to(device) for array in (tokens, lengths))
        posterior = infer(network, *given, n_steps=inference_steps)
        mu[rows] = posterior.mu.cpu().numpy()
        sigma[rows] = posterior.logvar.mul(0.5).exp().cpu().numpy()
    return mu, sigma
