"""A prepared corpus: memory-mapped molecules, tokens, labels and split, and a balance of its input."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from molvae.config import load_settings
from molvae.data.arrays import Ragged, mapped
from molvae.data.config import PrepareSettings
from molvae.data.splitting import PARTS
from molvae.persistence.directories import read_directory
from molvae.persistence.files import reading
from molvae.persistence.locations import SETTINGS
from molvae.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


KIND = "corpus"
SCHEMA = 1
"""Version of the layout."""


@dataclass(frozen=True)
class Balance:
    """Counts of the rows of an input: always ``rows = kept + duplicates + rejected``.

    Attributes:
        rows: Rows read, without blank lines and headers.
        kept: Molecules in the corpus.
        duplicates: Rows with the molecule of an earlier row; their labels are joined.
        rejected: Rows that cannot be used.
        by_reason: Rejected rows by "stage: reason"; rare reasons are counted together.
        parts: Molecules in train, valid and test.
        missing: Molecules without a value, by property.
        unreadable: Label cells that are not numbers, by column; read as missing.
        replicates: Molecules with several numbers, by column; their mean is kept.
        spread: Pooled standard deviation of these numbers, by column.
        contradictory: Molecules with both of two classes, by column: the label is missing; or with several
            parts, by split column: the first is kept.
        unknown: Occurrences in the whole corpus of tokens not in the vocabulary, by token.
        changed: Rows not rejected whose molecule was changed by standardization (a salt or charge removed).
        steps: The same by standardization step; a row may have several.
        doubtful: Rows not rejected with an ambiguous main fragment; the largest is kept.
        stereo_groups: Rows not rejected with enhanced stereo, read as the isomer that is drawn.
        n_tokens: Tokens of all molecules, including end marks.
        n_vocabulary: Size of the vocabulary, including special tokens.

    >>> str(Balance(rows=10, kept=7, duplicates=2, rejected=1))
    '10 in = 7 kept + 2 duplicates + 1 rejected'
    """

    rows: int
    kept: int
    duplicates: int
    rejected: int
    by_reason: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    replicates: Mapping[str, int] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    contradictory: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    changed: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    doubtful: int = 0
    stereo_groups: int = 0
    n_tokens: int = 0
    n_vocabulary: int = 0

    def __post_init__(self) -> None:
        assert self.rows == self.kept + self.duplicates + self.rejected, str(self)  # noqa: S101 - the law

    def __str__(self) -> str:
        terms = f"{self.kept:,} kept + {self.duplicates:,} duplicates + {self.rejected:,} rejected"
        return f"{self.rows:,} in = {terms}"


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus of n molecules.

    Attributes:
        path: Its directory.
        settings: Settings of its preparation.
        balance: Counts of the rows of its input.
        vocabulary: Vocabulary learned on its training split.
        property_names: ``p`` names, given columns first, then descriptors.
        labels: ``n x p`` float32, NaN where missing, original units.
        lengths: Tokens of each molecule, the end mark included; ``n``.
        ids: Token ids of each molecule, the end mark included.
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
        with reading(path):
            facts = json.loads((path / "corpus.json").read_text(encoding="utf-8"))
            ids = Ragged.open(path, "tokens")
            return cls(
                path=path,
                settings=load_settings(PrepareSettings, path / SETTINGS, stored=True),
                balance=Balance(**facts["balance"]),
                vocabulary=Vocabulary.from_json((path / "vocabulary.json").read_text(encoding="utf-8")),
                property_names=tuple(facts["property_names"]),
                labels=mapped(path / "labels.npy"),
                lengths=np.diff(ids.offsets).astype(np.int32),
                ids=ids,
                parts=mapped(path / "parts.npy"),
                _smiles=Ragged.open(path, "smiles"),
                _identifiers=Ragged.open(path, "identifiers"),
            )

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, part: Literal["train", "valid", "test"]) -> NDArray[np.int64]:
        """Return the rows of one part, in the order of the input."""
        return np.flatnonzero(self.parts == PARTS.index(part))

    def smiles(self, rows: Iterable[int] | None = None) -> list[str]:
        """Return the canonical SMILES of some rows, or of all."""
        return self._texts("smiles", self._smiles, rows)

    def identifiers(self, rows: Iterable[int] | None = None) -> list[str]:
        """Return the names of some molecules, or of all; empty if absent."""
        return self._texts("identifiers", self._identifiers, rows)

    def labels_of(self, names: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Labels of `n` rows for the named properties, ``n x p``; NaN for properties not in the corpus."""
        labels = np.full((len(rows), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in self.property_names:
                labels[:, column] = self.labels[rows, self.property_names.index(name)]
        return labels

    def _texts(self, name: str, column: Ragged, rows: Iterable[int] | None) -> list[str]:
        with reading(self.path / f"{name}.npy"):
            return [column.text(row) for row in (range(len(self)) if rows is None else rows)]
