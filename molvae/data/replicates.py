"""Rows that hold the same molecule: find them, and join their labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from molvae.data.arrays import ArrayReader, Readers, blocks, open_array
from molvae.data.reports import SafeTable
from molvae.data.splitting import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings

ROWS_AT_ONCE = 1 << 20
"""Digests sorted in memory at once: the bound on the memory of this file."""


def groups_of(
    path: Path, *, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (rows, first row of each row's group), a part of all rows at a time.

    The digests are read several times, and each time those whose last bits say so are sorted.

    Args:
        path: A .npy file of digests, ``n x 2`` or ``n x 1`` of uint64.
        rows_at_once: About how many rows a part may have.
    """
    reader = ArrayReader(path)
    try:
        n_parts = 1
        while n_parts * rows_at_once < reader.n:
            n_parts *= 2
        for part in range(n_parts):
            rows, digests = _rows_of_part(reader, part, n_parts)
            if len(rows):
                yield rows, rows[_first_of_group(digests)]
    finally:
        reader.close()


def _rows_of_part(
    reader: ArrayReader, part: int, n_parts: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    rows, digests = [], []
    for start, stop in blocks(reader.n):
        block = reader.rows(start, stop).reshape(stop - start, -1)
        chosen = np.flatnonzero(block[:, 0] & np.uint64(n_parts - 1) == np.uint64(part))
        rows.append(chosen + start)
        digests.append(block[chosen])
    if not rows:
        return np.empty(0, dtype=np.int64), np.empty((0, 1), dtype=np.uint64)
    return np.concatenate(rows), np.concatenate(digests)


def _first_of_group(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each digest the position of the first equal one; positions count up with the rows."""
    order = np.lexsort(digests.T[::-1])  # stable: equal digests stay in the order of their rows
    ordered = digests[order]
    starts = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return first


CLASSES = ((0.0, 1.0), (-1.0, 1.0))
"""A column that holds no other values than one of these pairs holds classes: they are not averaged."""


@dataclass(frozen=True)
class Joined:
    """What became of the labels of molecules that stand in several rows.

    Attributes:
        replicates: Molecules with several numbers, by column; their mean is kept.
        spread: Pooled standard deviation of the replicates, by column.
        contradictory: Molecules with two classes, by column of classes (their label is missing), and with
            several parts, by split column (the first is kept).
    """

    replicates: Mapping[str, int] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    contradictory: Mapping[str, int] = field(default_factory=dict)


class LabelJoiner:
    """Joins the labels of some groups of rows at a time, in place; memory does not grow with the input.

    The labels of the first row of a molecule become those of all its rows. ``replicates.csv`` has number,
    mean and standard deviation of the numbers that were averaged, ``contradictions.csv`` the classes that
    exclude one another.

    Args:
        settings: Of the preparation.
        spill: The columns of all accepted rows; its labels are changed.
        directory: Where the two files go.
    """

    def __init__(self, settings: PrepareSettings, spill: Path, directory: Path) -> None:
        self._settings = settings
        self._columns = Readers(spill)
        self._lines, self._sources = open_array(spill / "lines.npy"), open_array(spill / "sources.npy")
        self._parts = open_array(spill / "parts.npy")
        self._smiles, self._names = self._columns.ragged("smiles"), self._columns.ragged("identifiers")
        self._replicates = SafeTable(
            directory / "replicates.csv", (*_MOLECULE, "column", "n", "mean", "sd", "min", "max", "file")
        )
        self._contradictions = SafeTable(
            directory / "contradictions.csv", (*_MOLECULE, "column", "n", "values", "file")
        )
        labels = self._columns.column("labels")
        self._classes = _columns_of_classes(labels)
        self._labels = np.load(spill / "labels.npy", mmap_mode="r+") if labels.n and settings.labels else None
        self._squares: Counter[str] = Counter()
        self._freedom: Counter[str] = Counter()
        self._averaged: Counter[str] = Counter()
        self._contradictory: Counter[str] = Counter()

    def join(self, rows: NDArray[np.int64], firsts: NDArray[np.int64]) -> None:
        """Join whole groups of rows.

        Args:
            rows: The rows, `n`.
            firsts: The first row of each row's group, `n`.
        """
        in_several = np.isin(firsts, firsts[firsts != rows])
        order = np.argsort(firsts[in_several], kind="stable")
        rows, firsts = rows[in_several][order], firsts[in_several][order]
        groups, starts = np.unique(firsts, return_index=True)
        stops = np.append(starts[1:], len(rows))
        for a, b in blocks(len(groups)):
            members = rows[starts[a] : stops[b - 1]]
            group = np.repeat(np.arange(b - a), stops[a:b] - starts[a:b])
            self._join_block(groups[a:b], members, group)

    def done(self) -> Joined:
        """What was joined, by column in the order of the labels."""
        spread = {name: float(np.sqrt(self._squares[name] / n)) for name, n in self._freedom.items()}
        return Joined(dict(self._averaged), spread, dict(self._contradictory))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._labels is not None:
            self._labels.flush()
        self._replicates.close()
        self._contradictions.close()
        self._columns.close()

    def _join_block(
        self, firsts: NDArray[np.int64], members: NDArray[np.int64], group: NDArray[np.int64]
    ) -> None:
        """Join the labels of `g` groups whose `n` rows are `members`; `group` numbers the group of each."""
        if self._labels is not None:
            block = np.asarray(self._labels[members], dtype=np.float64)
            for p, name in enumerate(self._settings.labels):
                self._labels[firsts, p] = self._joined(p, name, block[:, p], firsts, group)
        if self._settings.split not in ("random", "scaffold"):
            parts = self._parts[members]
            for n in np.flatnonzero(np.less(*_range(parts, group, len(firsts)))).tolist():
                values_given = [PARTS[part] for part in parts[_slice(group, n)]]
                self._contradict(int(firsts[n]), self._settings.split, values_given)

    def _joined(
        self,
        p: int,
        name: str,
        values: NDArray[np.float64],
        firsts: NDArray[np.int64],
        group: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The label of each group in one column; what was joined is counted and listed."""
        given = np.isfinite(values)
        values, group = values[given], group[given]
        n = np.bincount(group, minlength=len(firsts))
        least, most = _range(values, group, len(firsts))
        with np.errstate(invalid="ignore"):
            mean = np.bincount(group, values, len(firsts)) / n
        if self._classes[p]:
            for which in np.flatnonzero(least < most).tolist():
                mean[which] = np.nan
                values_given = [f"{value:g}" for value in values[_slice(group, which)]]
                self._contradict(int(firsts[which]), name, values_given)
            return mean
        squares = np.bincount(group, (values - mean[group]) ** 2, len(firsts))
        several = np.flatnonzero(n > 1).tolist()
        if several:
            self._averaged[name] += len(several)
            self._squares[name] += squares[several].sum()
            self._freedom[name] += int((n[several] - 1).sum())
        for which in several:
            row, sd = int(firsts[which]), np.sqrt(squares[which] / (n[which] - 1))
            numbers = [f"{value:.6g}" for value in (mean[which], sd, least[which], most[which])]
            self._replicates.write(*self._molecule(row), name, int(n[which]), *numbers, self._file(row))
        return mean

    def _contradict(self, row: int, name: str, values_given: list[str]) -> None:
        self._contradictory[name] += 1
        values = ", ".join(f"{count} x {value}" for value, count in sorted(Counter(values_given).items()))
        self._contradictions.write(*self._molecule(row), name, len(values_given), values, self._file(row))

    def _molecule(self, row: int) -> tuple[int, str, str]:
        names, smiles = self._names.texts(row, row + 1), self._smiles.texts(row, row + 1)
        return int(self._lines[row]), names[0], smiles[0]

    def _file(self, row: int) -> str:
        return self._settings.input[int(self._sources[row])]


_MOLECULE = ("row", "identifier", "smiles")


def _range(
    values: NDArray[Any], group: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest value of each group."""
    least, most = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(least, group, values)
    np.maximum.at(most, group, values)
    return least, most


def _slice(group: NDArray[np.int64], which: int) -> slice:
    """Where the rows of a group stand; they stand together."""
    return slice(*np.searchsorted(group, (which, which + 1)).tolist())


def _columns_of_classes(labels: ArrayReader) -> list[bool]:
    """Which columns hold no other values than those of two classes."""
    fits = np.ones((len(CLASSES), *labels.width), dtype=np.bool_)
    for start, stop in blocks(labels.n):
        block = labels.rows(start, stop)
        fits &= [(np.isnan(block) | np.isin(block, pair)).all(axis=0) for pair in CLASSES]
    return [bool(fits[:, p].any()) for p in range(fits.shape[1])]
