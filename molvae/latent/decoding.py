"""Latent vectors to texts and molecules, in batches; a beam search for what is no molecule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch

from molvae.chemistry.depiction import MoleculeList
from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.errors import UsageError
from molvae.models.beam import beam_search
from molvae.models.generation import generate
from molvae.models.noise import blurred
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.tokenizers.base import TokenizationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.models.beam import Beams
    from molvae.models.vae import SequenceVAE
    from molvae.progress import Progress
    from molvae.tokenizers.base import Tokenizer

    Points = NDArray[np.float32]
    Condition = tuple[torch.Tensor, torch.Tensor]

WIDTHS = (8, 32)
"""Of the beams: the second is for what the first misses."""
_SEARCHED = 1024  # latent vectors searched at once
_WRITTEN = 16_384  # rows handed to the decoder at once, which writes a window of them side by side
_SHOWN = 4096  # rows between two reports of progress


@dataclass(frozen=True, slots=True)
class TextDecoder:
    """A network that writes molecules, and the tokenizer it writes them with.

    Latent vectors are `n x d`; the levels `n` at which they were blurred (`noise`) are None for 0. A
    `condition` are the properties a conditional network sees, and which are known, `n x p` each.

    Attributes:
        network: The network.
        tokenizer: Its tokenizer.
        max_length: Longest text in tokens.
    """

    network: SequenceVAE
    tokenizer: Tokenizer
    max_length: int

    def at_level(
        self, z: Points, noise: float | NDArray[np.floating], seed: int
    ) -> tuple[Points, torch.Tensor | None]:
        """Latent vectors as the decoder reads them at noise levels; and these, `n`, None if all are 0.

        Args:
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
        if not self.network.settings.noise_levels:
            raise UsageError(
                "this model's decoder was not trained with noise levels",
                hint="Train one with --set model.noise_levels=true.",
            )
        device = next(self.network.parameters()).device
        asked = torch.from_numpy(levels.copy()).to(device)
        read = blurred(torch.from_numpy(z).to(device), asked, Seeds(seed).torch("noise"))
        return read.cpu().numpy(), asked

    def write(
        self,
        z: NDArray[np.floating],
        *,
        temperature: float = 0.0,
        seed: int = 0,
        beam: bool = False,
        noise: float = 0.0,
        progress: Progress = SILENT,
        task: str = "decode",
    ) -> list[str]:
        """The texts written from latent vectors, valid or not; empty where a row is not finite.

        Args:
            z: Latent vectors.
            temperature: 0 is greedy; otherwise tokens are drawn.
            seed: Root of the draws.
            beam: As for `MolVAE.decode`.
            noise: Likewise.
            progress: Where progress is reported.
            task: Under which name.
        """
        points, levels = self.at_level(np.asarray(z, dtype=np.float32), noise, seed)
        generator = Seeds(seed).torch("write")
        texts: list[str] = []
        progress.start(task, len(points))
        for start in range(0, len(points), _SHOWN):
            part = points[start : start + _SHOWN]
            at = None if levels is None else levels[start : start + _SHOWN]
            own = self.texts(part, temperature=temperature, generator=generator, noise=at)
            texts += self._searched(part, own, at) if beam else own
            progress.advance(task, len(part))
        progress.finish(task)
        return texts

    def _searched(self, z: Points, texts: list[str], noise: torch.Tensor | None) -> list[str]:
        """Texts, those that are no molecule replaced as by `search`."""
        before = [parse(text) for text in texts]
        after = before.copy()
        self.search(z, after, noise=noise)
        return [
            new.smiles if is_valid(new) and new is not old else text
            for text, old, new in zip(texts, before, after, strict=True)
        ]

    def molecules(
        self,
        z: Points,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        beam: bool = False,
        condition: Condition | None = None,
        noise: torch.Tensor | None = None,
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors that were blurred already; arguments as for `MolVAE.decode`."""
        generator = Seeds(seed).torch("decode")
        texts = self.texts(z, temperature=temperature, generator=generator, condition=condition, noise=noise)
        finite = np.asarray(np.isfinite(z).all(axis=1))
        molecules = MoleculeList(
            parse(text) if ok else Invalid("", "the latent vector is not finite")
            for text, ok in zip(texts, finite, strict=True)
        )
        if beam:
            self.search(z, molecules, condition=condition, noise=noise)
        return molecules

    def moved(self, z: Points, levels: Points, seed: int) -> list[Molecule | Invalid]:
        """Molecules from latent vectors that hold noise of these levels: drawn at level 1, greedy below."""
        molecules: list[Molecule | Invalid] = [Invalid("", "not decoded")] * len(z)
        for temperature, rows in ((0.0, np.flatnonzero(levels < 1.0)), (1.0, np.flatnonzero(levels == 1.0))):
            at = torch.from_numpy(levels[rows]).to(next(self.network.parameters()).device)
            made = self.molecules(z[rows], temperature=temperature, seed=seed, noise=at)
            for row, molecule in zip(rows, made, strict=True):
                molecules[row] = molecule
        return molecules

    def texts(
        self,
        z: Points,
        *,
        temperature: float,
        generator: torch.Generator,
        condition: Condition | None = None,
        noise: torch.Tensor | None = None,
    ) -> list[str]:
        """What is written from latent vectors, molecule or not; nothing from a row that is not finite.

        Args:
            z: Latent vectors.
            temperature: 0 is greedy; otherwise tokens are drawn.
            generator: Source of the draws.
            condition: Of a conditional network.
            noise: Of a network with noise levels.
        """
        decoder, length = self.network.decoder, self.max_length
        texts: list[str] = []
        for start in range(0, len(z), _WRITTEN):
            read = self._read(z, slice(start, start + _WRITTEN), condition, noise)
            written = generate(decoder, read, max_length=length, temperature=temperature, generator=generator)
            texts += self.tokenizer.decode_many(written.tokens.cpu().numpy())
        finite = np.asarray(np.isfinite(z).all(axis=1))
        return [text if fine else "" for text, fine in zip(texts, finite, strict=True)]

    def search(
        self,
        z: Points,
        molecules: list[Molecule | Invalid],
        *,
        condition: Condition | None = None,
        noise: torch.Tensor | None = None,
    ) -> None:
        """Replace, in place, what the model cannot read back by the most likely text it can, if there is one.

        Replaced are invalid molecules, and molecules whose SMILES RDKit cannot read or that has tokens the
        model has not seen (radicals, for example). If a beam has no better text, such a molecule is kept.

        Args:
            z: Latent vectors; nothing is looked for where a row is not finite.
            molecules: What they were decoded to, `n`.
            condition: Of a conditional network.
            noise: Of a network with noise levels.
        """
        wrong = np.flatnonzero(np.isfinite(z).all(axis=1)).tolist()
        for width in WIDTHS:
            wrong = [row for row in wrong if not is_known(molecules[row], self.tokenizer)]
            for start in range(0, len(wrong), _SEARCHED):
                rows = wrong[start : start + _SEARCHED]
                read = self._read(z, rows, condition, noise)
                beams = beam_search(self.network.decoder, read, max_length=self.max_length, width=width)
                for row, texts in zip(rows, _texts(self.tokenizer, beams), strict=True):
                    molecules[row] = _first_known(self.tokenizer, texts, molecules[row])

    def _read(
        self, z: Points, rows: slice | list[int], condition: Condition | None, noise: torch.Tensor | None
    ) -> torch.Tensor:
        """What the decoder reads for some rows of latent vectors; what is not finite is read as 0."""
        points = torch.from_numpy(np.nan_to_num(z[rows])).to(next(self.network.parameters()).device)
        properties = None if condition is None else (condition[0][rows], condition[1][rows])
        return self.network.decoder_input(points, properties, None if noise is None else noise[rows])


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
