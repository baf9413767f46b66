"""Account for every row of the input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Balance:
    """What became of the rows of an input: ``rows = kept + duplicates + rejected``, always.

    Attributes:
        rows: Rows read; blank lines and headers are none.
        kept: Molecules in the corpus.
        duplicates: Rows that hold a molecule which an earlier row holds already; their labels are joined.
        rejected: Rows that cannot be used.
        by_reason: Rejected rows by "stage: reason"; rare reasons are counted together.
        parts: Molecules in train, valid and test.
        missing: Molecules without a value, by property.
        unreadable: Label cells that hold something else than a number, by column; read as missing.
        replicates: Molecules with several numbers, by column; their mean is kept.
        spread: Pooled standard deviation of these numbers, by column.
        contradictory: Molecules with both of two classes, by column: the label is missing; or with several
            parts, by split column: the first is kept.
        unknown: Occurrences in the whole corpus of tokens the vocabulary lacks, by token.
        changed: Rows not rejected whose molecule standardization made another (a charge or a salt is gone).
        steps: The same by what standardization did; a row may have several.
        doubtful: Rows not rejected where it is doubtful which fragment is meant; the largest is kept.
        stereo_groups: Rows not rejected with enhanced stereo, read as the isomer that is drawn.
        n_tokens: Tokens of all molecules, the end marks included.
        n_vocabulary: Tokens the vocabulary knows, the special ones included.

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
