"""Examine the rows of all inputs in parallel, and collect the accepted ones."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chemistry.molecule import has_stereo_groups
from molvae.data.arrays import RaggedWriter
from molvae.data.columns import find_column, listed
from molvae.data.examination import Accepted, Rejected, Task, examine
from molvae.data.readers import open_table
from molvae.data.records import BadRow
from molvae.data.writers import SafeTable
from molvae.errors import InputError, UsageError, suggest
from molvae.parallel.mapping import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.data.config import PrepareSettings
    from molvae.progress import Progress

TASK = "examine rows"
_CHUNK = 256  # rows sent to a worker, and written, at once
_MAX_REASONS = 1000  # different reasons counted one by one


@dataclass
class Gathered:
    """Counts while gathering, as in `molvae.data.corpus.Balance`.

    Attributes:
        labels: The label columns of the first table, by name.
        accepted: Rows spilled, duplicates too.
        first_unreadable: The first label cell that is not a number, by column.
    """

    labels: tuple[str, ...] = ()
    rows: int = 0
    accepted: int = 0
    changed: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0
    stereo_groups: int = 0
    rejected: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    first_unreadable: dict[str, str] = field(default_factory=dict)


def _row_type(n_labels: int) -> np.dtype[np.void]:
    """What is held in memory of an accepted row, about 40 bytes and 4 a label.

    Labels (NaN where missing), the digest that identifies the molecule, the key that places it in a random or
    scaffold split, the part in a split by column, and the line and the number of the input file.
    """
    return np.dtype(
        [
            ("labels", np.float32, (n_labels,)),
            ("digest", "<u8", (2,)),
            ("key", np.uint64),
            ("part", np.uint8),
            ("line", np.int64),
            ("source", np.uint16),
        ]
    )


def gather(
    settings: PrepareSettings, directory: Path, spill: Path, *, workers: int, progress: Progress
) -> tuple[Gathered, NDArray[np.void]]:
    """Examine every row; report it, or write its texts under `spill` and return its numbers (`_row_type`).

    Raises:
        InputError: If an input cannot be read at all, or a row cannot be used and the settings say to fail.
        UsageError: If a column does not exist.
    """
    counts = Gathered()
    kind = _row_type(len(settings.labels))
    numbers = [np.empty(0, dtype=kind)]
    progress.start(TASK)
    outcomes = ordered_map(
        partial(examine, settings=settings),
        _tasks(settings, counts, progress),
        workers=workers,
        chunk=_CHUNK,
    )
    with ExitStack() as stack:

        def table(name: str, *columns: str) -> SafeTable:
            return stack.enter_context(SafeTable(directory / name, ("row", "identifier", *columns, "file")))

        columns = {name: stack.enter_context(RaggedWriter(spill, name, np.uint8)) for name in _TEXTS}
        rejects = table("rejected.csv", "text", "stage", "reason")
        cells = table("unreadable_labels.csv", "column", "cell")
        doubts = table("doubtful.csv", "text", "kept", "doubt")
        while block := list(islice(outcomes, _CHUNK)):
            for outcome in block:
                if isinstance(outcome, Rejected):
                    _reject(outcome, settings, counts, rejects)
                else:
                    _accept(outcome, settings, counts, cells, doubts)
            accepted = [outcome for outcome in block if isinstance(outcome, Accepted)]
            for name, column in columns.items():
                column.append_texts([_TEXTS[name](row) for row in accepted])
            numbers.append(np.array([_numbers(row) for row in accepted], dtype=kind))
            counts.rows += len(block)
            progress.advance(TASK, len(block), rejected=counts.rejected)
    progress.finish(TASK, accepted=counts.accepted, rejected=counts.rejected)
    return counts, np.concatenate(numbers)


def _tasks(settings: PrepareSettings, counts: Gathered, progress: Progress) -> Iterator[Task]:
    index = 0
    for source, path in enumerate(settings.input):
        table = open_table(path, smiles_column=settings.smiles_column, id_column=settings.id_column)
        progress.note(f"{table.name}: {table.note}")
        part_column = settings.split_column
        labels = tuple(find_column(name, table.columns, table.name) for name in settings.labels)
        counts.labels = counts.labels or labels
        if len({*labels, *settings.descriptors}) < len(labels) + len(settings.descriptors):
            raise UsageError(f"a property is named twice: {', '.join([*labels, *settings.descriptors])}")
        if part_column is not None and part_column not in table.columns:
            raise UsageError(
                f"the split '{part_column}' is neither random nor scaffold nor a column of {table.name}"
                + suggest(part_column, ["random", "scaffold", *table.columns]),
                hint=f"Its columns: {listed(table.columns)}.",
            )
        for row in table.raw_rows:
            if isinstance(row, BadRow):
                yield Task(index, source, row.line, row.text, fault=row.reason)
            else:
                cells = tuple(row.fields.get(name, "") for name in labels)
                part = row.fields.get(part_column, "") if part_column else ""
                yield Task(index, source, row.line, row.text, row.identifier, cells, part, row.is_molblock)
            index += 1


def _reject(outcome: Rejected, settings: PrepareSettings, counts: Gathered, table: SafeTable) -> None:
    task = outcome.task
    source = settings.input[task.source]
    if settings.on_invalid == "fail":
        raise InputError(
            f"{source}, line {task.line}: {outcome.reason}",
            hint="Use --on-invalid reject to leave such rows out and report them.",
        )
    counts.rejected += 1
    reason = f"{outcome.stage}: {outcome.reason.splitlines()[0] if outcome.reason else 'unknown'}"
    counts.by_reason[
        reason if reason in counts.by_reason or len(counts.by_reason) < _MAX_REASONS else "other"
    ] += 1
    table.write(task.line, task.identifier, _shown(task), outcome.stage, outcome.reason, source)


def _accept(
    outcome: Accepted, settings: PrepareSettings, counts: Gathered, cells: SafeTable, doubts: SafeTable
) -> None:
    task = outcome.task
    source = settings.input[task.source]
    counts.accepted += 1
    counts.changed += bool(outcome.changed)
    counts.steps.update(outcome.changed)
    counts.stereo_groups += has_stereo_groups(task.text)
    for position in outcome.unreadable:
        column, cell = counts.labels[position], task.labels[position]
        if settings.on_invalid == "fail":
            raise InputError(
                f"{source}, line {task.line}: '{cell}' in column '{column}' is not a number",
                hint="Use --on-invalid reject to read such cells as missing values.",
            )
        counts.unreadable[column] += 1
        counts.first_unreadable.setdefault(column, cell)
        cells.write(task.line, task.identifier, column, cell, source)
    if outcome.doubt:
        counts.doubtful += 1
        doubts.write(task.line, task.identifier, _shown(task), outcome.smiles, outcome.doubt, source)


def _shown(task: Task) -> str:
    """The text of a task, or the name of a molblock, which is too long for a cell."""
    return task.identifier or "(molblock)" if task.is_molblock else task.text


def _numbers(row: Accepted) -> tuple[Any, ...]:
    """An accepted row as in `_row_type`."""
    digest = np.frombuffer(row.digest, dtype="<u8")
    return (row.labels, digest, row.key, row.part, row.task.line, row.task.source)


_TEXTS: dict[str, Callable[[Accepted], str]] = {
    "smiles": lambda row: row.smiles,
    "texts": lambda row: _shown(row.task),
    "identifiers": lambda row: row.task.identifier,
    "notation": lambda row: row.notation,
}
"""Columns of text that are written to disk."""
