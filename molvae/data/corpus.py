"""A prepared corpus: memory-mapped molecules, tokens, labels and split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molvae.config import load_settings
from molvae.data.arrays import open_array
from molvae.data.config import PrepareSettings
from molvae.data.reports import Balance
from molvae.data.splitting import PARTS
from molvae.errors import CheckpointError
from molvae.persistence.directories import read_directory
from molvae.persistence.files import DAMAGED, reading
from molvae.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


KIND = "corpus"
SCHEMA = 1
"""Version of the layout, counted up when it changes."""


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array.

    Attributes:
        values: All rows, one after the other.
        offsets: Where each row starts, and the end; ``n + 1``.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus of n molecules.

    Attributes:
        path: Its directory.
        settings: How it was made.
        balance: What became of the rows of its input.
        vocabulary: Learned on its training part.
        property_names: ``p`` names, given columns first, then descriptors.
        labels: ``n x p`` float32, NaN where missing, original units.
        lengths: Tokens of each molecule, the end mark included; ``n``.
        ids: Token ids of each molecule, the end mark included.
        randomized: The same of the randomized writings; those of one molecule follow one another.
        parts: 0 train, 1 valid, 2 test; ``n``.
    """

    path: Path
    settings: PrepareSettings
    balance: Balance
    vocabulary: Vocabulary
    property_names: tuple[str, ...]
    labels: NDArray[np.float32]
    lengths: NDArray[np.int32]
    ids: Ragged
    randomized: Ragged
    parts: NDArray[np.uint8]
    _smiles: Ragged
    _identifiers: Ragged

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Verify a corpus directory and map it into memory.

        Raises:
            CheckpointError: If it is missing, damaged, or of another kind or version.
        """
        path = Path(path)
        return read_directory(path, lambda _: cls._read(path), kind=KIND, schema=SCHEMA)

    @classmethod
    def _read(cls, path: Path) -> Corpus:
        try:
            facts = json.loads((path / "corpus.json").read_text(encoding="utf-8"))
            ids = _ragged(path, "tokens")
            return cls(
                path=path,
                settings=load_settings(PrepareSettings, path / "settings.toml", stored=True),
                balance=Balance(**facts["balance"]),
                vocabulary=Vocabulary.from_json((path / "vocabulary.json").read_text(encoding="utf-8")),
                property_names=tuple(facts["property_names"]),
                labels=open_array(path / "labels.npy"),
                lengths=np.diff(ids.offsets).astype(np.int32),
                ids=ids,
                randomized=_ragged(path, "randomized"),
                parts=open_array(path / "parts.npy"),
                _smiles=_ragged(path, "smiles"),
                _identifiers=_ragged(path, "identifiers"),
            )
        except DAMAGED as error:
            raise CheckpointError(f"{path} is not a readable corpus: {error}") from error

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokenizer_name(self) -> str:
        """The notation of the tokens."""
        return self.settings.tokenizer

    @property
    def n_randomized(self) -> int:
        """Randomized writings of each molecule."""
        return self.settings.n_randomized

    def rows(self, part: Literal["train", "valid", "test"]) -> NDArray[np.int64]:
        """Return the rows of one part, in the order of the input."""
        return np.flatnonzero(self.parts == PARTS.index(part))

    def smiles(self, rows: Iterable[int] | None = None) -> list[str]:
        """Return the canonical SMILES of some rows, or of all."""
        return self._texts("smiles", self._smiles, rows)

    def identifiers(self, rows: Iterable[int] | None = None) -> list[str]:
        """Return the names of some molecules, or of all; an empty text if absent."""
        return self._texts("identifiers", self._identifiers, rows)

    def tokens(self, row: int) -> NDArray[Any]:
        """Return the token ids of one molecule, the end mark included; ``t``."""
        return self.ids[row]

    def _texts(self, name: str, column: Ragged, rows: Iterable[int] | None) -> list[str]:
        with reading(self.path / f"{name}.npy"):
            return [column[r].tobytes().decode() for r in (range(len(self)) if rows is None else rows)]


def _ragged(path: Path, name: str) -> Ragged:
    return Ragged(open_array(path / f"{name}.npy"), open_array(path / f"{name}_offsets.npy"))
