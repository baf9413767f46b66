"""Encode molecules and decode latent vectors in batches, by beam search if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np
import torch

from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.errors import UsageError
from molvae.models.beam import beam_search
from molvae.models.generation import generate
from molvae.models.inference import infer
from molvae.models.noise import blurred
from molvae.seeding import Seeds
from molvae.tokenizers.base import TokenizationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.standardize import Level
    from molvae.models.beam import Beams
    from molvae.models.vae import SequenceVAE
    from molvae.tokenizers.base import Tokenizer

_ROWS = 512  # molecules the network reads at once
_ROWS_INFERRED = 128  # where the decoder's states are kept for a gradient
_WRITTEN = 16_384  # rows handed to the decoder at once, which writes a window of them side by side


def standardized(
    items: Sequence[str | Molecule | Invalid], level: Level, *, keep_stereo: bool
) -> list[Molecule | Invalid]:
    """Parse and standardize text and RDKit molecules; `Molecule` and `Invalid` pass unchanged."""
    made: list[Molecule | Invalid] = []
    for item in items:
        molecule = item if isinstance(item, Molecule | Invalid) else parse(item)
        if molecule is not item and is_valid(molecule):
            molecule = standardize(molecule, level, keep_stereo=keep_stereo)
        made.append(molecule)
    return made


def several(molecules: Iterable[str | Molecule | Invalid]) -> Sequence[str | Molecule | Invalid]:
    """Molecules as a sequence; a generator is read.

    Raises:
        UsageError: It is one text, whose characters would be taken for molecules, or a table of several
            columns.
    """
    if isinstance(molecules, str):
        raise UsageError("a sequence of SMILES is expected, got one text", hint="Put it in a list.")
    sized = hasattr(molecules, "__len__")
    if hasattr(molecules, "columns") or getattr(molecules, "ndim", 1) != 1:
        raise UsageError(
            "one column of SMILES is expected, got a table", hint='For example: table["smiles"].'
        )
    return cast("Sequence[str | Molecule | Invalid]", molecules) if sized else list(molecules)


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
    for start in range(0, len(order), n_rows):
        rows = order[start : start + n_rows]
        lengths = np.array([len(encoded[row]) for row in rows])
        tokens = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for line, row in enumerate(rows):
            tokens[line, : lengths[line]] = encoded[row]
        yield np.array(rows), tokens, lengths


def posteriors(
    network: SequenceVAE,
    tokenizer: Tokenizer,
    molecules: Sequence[Molecule | Invalid],
    *,
    inference_steps: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and standard deviations of molecules' posteriors, `n x d` each; NaN rows for what is unreadable.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        molecules: `n`.
        inference_steps: Gradient steps by which each mean is moved.
    """
    device = next(network.parameters()).device
    mu = np.full((len(molecules), network.settings.latent_size), np.nan, dtype=np.float32)
    sigma = mu.copy()
    n_rows = _ROWS_INFERRED if inference_steps else _ROWS
    for rows, tokens, lengths in token_batches(tokenizer, molecules, n_rows):
        posterior = infer(
            network,
            torch.from_numpy(tokens).to(device),
            torch.from_numpy(lengths).to(device),
            n_steps=inference_steps,
        )
        mu[rows] = posterior.mu.cpu().numpy()
        sigma[rows] = posterior.logvar.mul(0.5).exp().cpu().numpy()
    return mu, sigma


def at_level(
    network: SequenceVAE, z: NDArray[np.float32], noise: float | NDArray[np.floating], seed: int
) -> tuple[NDArray[np.float32], torch.Tensor | None]:
    """Latent vectors `n x d` as a decoder reads them at noise levels; and these, `n`, None if all are 0.

    Args:
        network: Whose decoder it is.
        z: Latent vectors.
        noise: One level, or `n` of them.
        seed: Of the noise.

    Raises:
        UsageError: A level is outside 0 to 1, or above 0 without a decoder trained with noise levels.
    """
    levels = np.broadcast_to(np.asarray(noise, dtype=np.float32), (len(z),))
    if not ((levels >= 0.0) & (levels <= 1.0)).all():
        raise UsageError(f"a noise level lies between 0 and 1, got {noise}")
    if not levels.any():
        return z, None
    if not network.settings.noise_levels:
        raise UsageError(
            "this model's decoder was not trained with noise levels",
            hint="Train one with --set model.noise_levels=true.",
        )
    device = next(network.parameters()).device
    asked = torch.from_numpy(levels.copy()).to(device)
    read = blurred(torch.from_numpy(z).to(device), asked, Seeds(seed).torch("noise"))
    return read.cpu().numpy(), asked


def written_texts(
    network: SequenceVAE,
    tokenizer: Tokenizer,
    z: NDArray[np.float32],
    *,
    max_length: int,
    temperature: float,
    generator: torch.Generator,
    condition: tuple[torch.Tensor, torch.Tensor] | None = None,
    noise: torch.Tensor | None = None,
) -> list[str]:
    """What a network writes from latent vectors `n x d`, molecule or not; nothing from a row not finite.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        z: Latent vectors.
        max_length: Longest row in tokens.
        temperature: 0 is greedy; otherwise tokens are drawn.
        generator: Source of the draws.
        condition: Properties a conditional network sees, and which are known, `n x p` each.
        noise: Levels at which the vectors were blurred, `n`; None is 0.
    """
    texts: list[str] = []
    for start in range(0, len(z), _WRITTEN):
        read = _read(network, z, slice(start, start + _WRITTEN), condition, noise)
        written = generate(
            network.decoder, read, max_length=max_length, temperature=temperature, generator=generator
        )
        texts += tokenizer.decode_many(written.tokens.cpu().numpy())
    finite = np.asarray(np.isfinite(z).all(axis=1))
    return [text if fine else "" for text, fine in zip(texts, finite, strict=True)]


def _read(
    network: SequenceVAE,
    z: NDArray[np.float32],
    rows: slice | list[int],
    condition: tuple[torch.Tensor, torch.Tensor] | None,
    noise: torch.Tensor | None,
) -> torch.Tensor:
    """What the decoder reads for some rows of latent vectors; what is not finite is read as 0."""
    points = torch.from_numpy(np.nan_to_num(z[rows])).to(next(network.parameters()).device)
    properties = None if condition is None else (condition[0][rows], condition[1][rows])
    return network.decoder_input(points, properties, None if noise is None else noise[rows])


WIDTHS = (8, 32)
"""Of the beams: the second is for what the first misses."""
_SEARCHED = 1024  # latent vectors searched at once


def search(
    network: SequenceVAE,
    tokenizer: Tokenizer,
    z: NDArray[np.float32],
    molecules: list[Molecule | Invalid],
    *,
    max_length: int,
    condition: tuple[torch.Tensor, torch.Tensor] | None = None,
    noise: torch.Tensor | None = None,
) -> None:
    """Replace, in place, what the model cannot read back by the most likely text it can, where there is one.

    Replaced are invalid molecules, and molecules whose SMILES RDKit cannot read or that has tokens the model
    has not seen (radicals, for example). If a beam has no better text, such a molecule is kept.

    Args:
        network: The network.
        tokenizer: Its tokenizer.
        z: Latent vectors, `n x d`; nothing is looked for where a row is not finite.
        molecules: What they were decoded to, `n`.
        max_length: Longest row in tokens.
        condition: Properties a conditional network sees, and which are known, `n x p` each.
        noise: Levels at which the vectors were blurred, `n`; None is 0.
    """
    wrong = np.flatnonzero(np.isfinite(z).all(axis=1)).tolist()
    for width in WIDTHS:
        wrong = [row for row in wrong if not is_known(molecules[row], tokenizer)]
        for start in range(0, len(wrong), _SEARCHED):
            rows = wrong[start : start + _SEARCHED]
            read = _read(network, z, rows, condition, noise)
            beams = beam_search(network.decoder, read, max_length=max_length, width=width)
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
