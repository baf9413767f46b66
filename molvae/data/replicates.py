"""Rows that hold the same molecule: find them, and join their labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.arrays import Ragged
from molvae.data.splitting import PARTS
from molvae.data.writers import SafeTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings

CLASSES = ((0.0, 1.0), (-1.0, 1.0))
"""A column that holds no other values than one of these pairs holds classes: they are not averaged."""


_MOLECULE = ("row", "identifier", "smiles")


def first_of_group(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row of digests (`n x k`) the first row equal to it, `n`."""
    order = np.lexsort(digests.T[::-1])  # stable: equal digests stay in the order of their rows
    ordered = digests[order]
    starts = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])[: len(order)]
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return first


def join_labels(
    settings: PrepareSettings, rows: NDArray[np.void], firsts: NDArray[np.int64], spill: Path, directory: Path
) -> Joined:
    """Join the labels of the rows of each molecule, in place: its first row gets the joined ones.

    ``replicates.csv`` has number, mean and standard deviation of the numbers that were averaged,
    ``contradictions.csv`` the classes of molecules that have both. SMILES and identifiers of the rows are in
    `spill`; `firsts` is the first row that holds the molecule of each row, `n`.
    """
    joiner = _Joiner(settings, rows, firsts)
    smiles, names = Ragged.open(spill, "smiles"), Ragged.open(spill, "identifiers")
    with (
        SafeTable(
            directory / "replicates.csv", (*_MOLECULE, "column", "n", "mean", "sd", "min", "max", "file")
        ) as averaged,
        SafeTable(
            directory / "contradictions.csv", (*_MOLECULE, "column", "n", "values", "file")
        ) as contradicted,
    ):

        def write(table: SafeTable, row: int, *cells: str | int) -> None:
            line, source = int(rows["line"][row]), settings.input[rows["source"][row]]
            table.write(line, names.text(row), smiles.text(row), *cells, source)

        for p, name in enumerate(settings.labels):
            if _holds_classes(rows["labels"][:, p]):
                for row, values in joiner.classes(p, name):
                    write(contradicted, row, name, len(values), _counted(f"{value:g}" for value in values))
            else:
                for row, n, *numbers in joiner.numbers(p, name):
                    write(averaged, row, name, n, *(f"{number:.6g}" for number in numbers))
        if settings.split_column is not None:
            for row, parts in joiner.parts():
                write(
                    contradicted,
                    row,
                    settings.split_column,
                    len(parts),
                    _counted(PARTS[part] for part in parts),
                )
    return joiner.joined


@dataclass
class Joined:
    """Counts of the labels that were joined.

    Attributes:
        replicates: Molecules with several numbers, by column; their mean is kept.
        spread: Pooled standard deviation of the replicates, by column.
        contradictory: Molecules with two classes, by column of classes (their label is missing), and with
            several parts, by split column (the first is kept).
    """

    replicates: dict[str, int] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    contradictory: dict[str, int] = field(default_factory=dict)


class _Joiner:
    """Joins the labels of the rows of each molecule that has several, column by column."""

    def __init__(self, settings: PrepareSettings, rows: NDArray[np.void], firsts: NDArray[np.int64]) -> None:
        self._settings, self._labels, self._parts = settings, rows["labels"], rows["part"]
        in_several = np.isin(firsts, firsts[firsts != np.arange(len(firsts))])
        order = np.argsort(firsts[in_several], kind="stable")
        self._rows = np.flatnonzero(in_several)[order]
        self._firsts, self._group = np.unique(firsts[self._rows], return_inverse=True)
        self.joined = Joined()

    def numbers(self, p: int, name: str) -> Iterator[tuple[Any, ...]]:
        """Average a column; yields (row, n, mean, standard deviation, least, most) of what was averaged."""
        values, group, least, most = self._given(p)
        n = np.bincount(group, minlength=len(self._firsts))
        with np.errstate(invalid="ignore"):
            mean = np.bincount(group, values, len(self._firsts)) / n
        self._labels[self._firsts, p] = mean
        squares = np.bincount(group, (values - mean[group]) ** 2, len(self._firsts))
        several = np.flatnonzero(n > 1).tolist()
        if several:
            self.joined.replicates[name] = len(several)
            self.joined.spread[name] = float(np.sqrt(squares[several].sum() / (n[several] - 1).sum()))
        for which in several:
            sd = np.sqrt(squares[which] / (n[which] - 1))
            yield int(self._firsts[which]), int(n[which]), mean[which], sd, least[which], most[which]

    def classes(self, p: int, name: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """Join a column of classes; yields the row and the values of each molecule with both."""
        values, group, least, most = self._given(p)
        joined = np.where(least == most, least, np.nan)
        self._labels[self._firsts, p] = joined
        yield from self._contradictions(name, values, group, least < most)

    def parts(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """The row and the parts of each molecule that the split column puts into several."""
        parts = self._parts[self._rows]
        least, most = _range(parts, self._group, len(self._firsts))
        yield from self._contradictions(self._settings.split, parts, self._group, least < most)

    def _contradictions(
        self, name: str, values: NDArray[Any], group: NDArray[np.int64], which: NDArray[np.bool_]
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        if which.any():
            self.joined.contradictory[name] = int(which.sum())
        for number in np.flatnonzero(which).tolist():
            start, stop = np.searchsorted(group, (number, number + 1)).tolist()
            yield int(self._firsts[number]), values[start:stop]

    def _given(self, p: int) -> tuple[NDArray[np.float64], NDArray[np.int64], Any, Any]:
        """Values of a column that are not missing, the group of each, and the range of each group."""
        values = np.asarray(self._labels[self._rows, p], dtype=np.float64)
        given = np.isfinite(values)
        values, group = values[given], self._group[given]
        return values, group, *_range(values, group, len(self._firsts))


def _counted(values: Iterator[str]) -> str:
    return ", ".join(f"{count} x {value}" for value, count in sorted(Counter(values).items()))


def _range(
    values: NDArray[Any], group: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest value of each group."""
    least, most = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(least, group, values)
    np.maximum.at(most, group, values)
    return least, most


def _holds_classes(column: NDArray[np.float32]) -> bool:
    """Whether a column holds no other values than those of two classes."""
    return any((np.isnan(column) | np.isin(column, pair)).all() for pair in CLASSES)
