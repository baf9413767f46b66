"""Decode latent vectors to texts and molecules in batches, with a beam search where decoding fails."""

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

_WIDTHS = (8, 32)  # beam widths; the second is tried where the first finds nothing
_SEARCHED = 1024  # latent vectors searched at once
_WRITTEN = 16_384  # rows handed to the decoder at once, which writes a window of them side by side
_SHOWN = 4096  # rows between two reports of progress


@dataclass(frozen=True, slots=True)
class TextDecoder:
    """The decoder of a network with its tokenizer.

    Latent vectors are `n x d`; their noise levels (`levels`, `n`) are None for 0. A `condition` is the
    properties of a conditional network and the mask of known ones, `n x p` each.
    """

    network: SequenceVAE
    tokenizer: Tokenizer
    max_length: int  # tokens of the longest text

    def at_level(
        self, z: NDArray[np.floating], noise: float | NDArray[np.floating], seed: int
    ) -> tuple[Points, torch.Tensor | None]:
        """Latent vectors with noise (`MolVAE.decode`), and its levels, `n`; None if all are 0."""
        points, size = np.asarray(z, dtype=np.float32), self.network.settings.latent_size
        if points.ndim != 2 or points.shape[1] != size:  # noqa: PLR2004 - rows and columns
            raise UsageError(f"latent vectors must be n x {size}, got shape {points.shape}")
        levels = np.broadcast_to(np.asarray(noise, dtype=np.float32), (len(points),))
        if not ((levels >= 0.0) & (levels <= 1.0)).all():
            raise UsageError(f"a noise level must be between 0 and 1, got {noise}")
        if not levels.any():
            return points, None
        if not self.network.settings.noise_levels:
            raise UsageError(
                "this model's decoder was not trained with noise levels",
                hint="Train one with --set model.noise_levels=true.",
            )
        asked = self._tensor(levels.copy())
        return blurred(self._tensor(points), asked, Seeds(seed).torch("noise")).cpu().numpy(), asked

    def molecules(
        self,
        z: Points,
        levels: torch.Tensor | None,
        temperature: float,
        seed: int,
        condition: Condition | None = None,
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors that have noise of these levels."""
        texts = self._texts(z, levels, temperature, Seeds(seed).torch("decode"), condition)
        finite = np.asarray(np.isfinite(z).all(axis=1))
        return MoleculeList(
            parse(text) if ok else Invalid("", "the latent vector is not finite")
            for text, ok in zip(texts, finite, strict=True)
        )

    def moved(
        self, z: NDArray[np.floating], levels: NDArray[np.floating], seed: int
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors that have noise of these levels: sampled at level 1, greedy below."""
        points, given = np.asarray(z, dtype=np.float32), np.asarray(levels, dtype=np.float32)
        molecules: list[Molecule | Invalid] = [Invalid("", "not decoded")] * len(points)
        for temperature, rows in ((0.0, np.flatnonzero(given < 1.0)), (1.0, np.flatnonzero(given == 1.0))):
            made = self.molecules(points[rows], self._tensor(given[rows]), temperature, seed)
            for row, molecule in zip(rows, made, strict=True):
                molecules[row] = molecule
        return molecules

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
        """Texts decoded from latent vectors, valid or not; empty where a row is not finite.

        Arguments are those of `MolVAE.decode`; progress is reported under the name `task`.
        """
        points, levels = self.at_level(z, noise, seed)
        generator = Seeds(seed).torch("write")
        texts: list[str] = []
        progress.start(task, len(points))
        for start in range(0, len(points), _SHOWN):
            part = points[start : start + _SHOWN]
            at = None if levels is None else levels[start : start + _SHOWN]
            own = self._texts(part, at, temperature, generator)
            if beam:
                before = [parse(text) for text in own]
                after = before.copy()
                self.search(part, after, at)
                for row, (old, new) in enumerate(zip(before, after, strict=True)):
                    if new is not old and is_valid(new):
                        own[row] = new.smiles
            texts += own
            progress.advance(task, len(part))
        progress.finish(task)
        return texts

    def _texts(
        self,
        z: Points,
        levels: torch.Tensor | None,
        temperature: float,
        generator: torch.Generator,
        condition: Condition | None = None,
    ) -> list[str]:
        """Texts decoded from latent vectors, valid or not; empty where a row is not finite."""
        decoder, length = self.network.decoder, self.max_length
        texts: list[str] = []
        for start in range(0, len(z), _WRITTEN):
            read = self._read(z, slice(start, start + _WRITTEN), levels, condition)
            written = generate(decoder, read, max_length=length, temperature=temperature, generator=generator)
            texts += self.tokenizer.decode_many(written.tokens.cpu().numpy())
        finite = np.asarray(np.isfinite(z).all(axis=1))
        return [text if fine else "" for text, fine in zip(texts, finite, strict=True)]

    def search(
        self,
        z: Points,
        molecules: list[Molecule | Invalid],
        levels: torch.Tensor | None,
        condition: Condition | None = None,
    ) -> None:
        """Replace, in place, what the model cannot encode by the most likely text it can, if there is one.

        Replaces invalid molecules, and molecules whose SMILES RDKit cannot parse or that contain unknown
        tokens (radicals, for example). Such a molecule is kept if the beam finds none better. Rows of `z`
        that are not finite are skipped.
        """
        wrong = np.flatnonzero(np.isfinite(z).all(axis=1)).tolist()
        for width in _WIDTHS:
            wrong = [row for row in wrong if not is_known(molecules[row], self.tokenizer)]
            for start in range(0, len(wrong), _SEARCHED):
                rows = wrong[start : start + _SEARCHED]
                read = self._read(z, rows, levels, condition)
                beams = beam_search(self.network.decoder, read, max_length=self.max_length, width=width)
                for row, texts in zip(rows, _texts_of(beams, self.tokenizer), strict=True):
                    molecules[row] = _first_known(self.tokenizer, texts, molecules[row])

    def _read(
        self, z: Points, rows: slice | list[int], levels: torch.Tensor | None, condition: Condition | None
    ) -> torch.Tensor:
        """The decoder's input for some rows of latent vectors; values that are not finite become 0."""
        points = self._tensor(np.nan_to_num(z[rows]))
        properties = None if condition is None else (condition[0][rows], condition[1][rows])
        return self.network.decoder_input(points, properties, None if levels is None else levels[rows])

    def _tensor(self, values: Points) -> torch.Tensor:
        """Values as a tensor on the network's device."""
        return torch.from_numpy(values).to(next(self.network.parameters()).device)


def is_known(item: Molecule | Invalid, tokenizer: Tokenizer) -> TypeGuard[Molecule]:
    """Whether it is a molecule whose SMILES the model can encode."""
    if not (is_valid(item) and is_valid(parse(item.smiles))):
        return False
    try:
        return not tokenizer.unknown(item.smiles)
    except TokenizationError:
        return False


def _first_known(tokenizer: Tokenizer, texts: list[str], before: Molecule | Invalid) -> Molecule | Invalid:
    """The first molecule the model can encode; else `before` if valid, or the first molecule."""
    found = before
    for text in texts:
        molecule = parse(text, diagnose=False)
        if is_known(molecule, tokenizer):
            return molecule
        if is_valid(molecule) and not is_valid(found):
            found = molecule
    return found


def _texts_of(beams: Beams, tokenizer: Tokenizer) -> list[list[str]]:
    """The texts of each latent vector, best first."""
    counts = beams.log_prob.isfinite().sum(1).tolist()
    rows = beams.tokens.cpu().numpy()
    return [tokenizer.decode_many(row[:count]) for row, count in zip(rows, counts, strict=True)]
