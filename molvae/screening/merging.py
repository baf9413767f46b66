"""Merge screened parts: verify each, account for every row, rank the hits."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.data.writers import SafeTable, open_writer
from molvae.errors import InputError, StorageError, UsageError
from molvae.persistence.directories import committed_directory
from molvae.persistence.files import reading
from molvae.persistence.locations import FUNNEL
from molvae.persistence.manifest import stated_kind
from molvae.screening.funnel import Funnel
from molvae.screening.job import load_job
from molvae.screening.parts import Hit, manifest_of, part_path, read_part
from molvae.screening.pipeline import ENDS
from molvae.screening.ranking import Range, best, first_of_each, leaders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from molvae.data.writers import Writer
    from molvae.screening.job import Job
    from molvae.screening.parts import StoredPart

RESULT = "result"
KIND, SCHEMA = "screen", 1
_REJECTED = "rejected.csv"
_POOL = 20_000  # hits to rank before those that cannot be among the best are dropped


@dataclass(frozen=True)
class Merged:
    """The result of a screen.

    Attributes:
        path: Its directory: funnel.json, rejected.csv, the best and, if kept, all hits.
        funnel: The account of all rows of the library.
        best: The best molecules, best first: (utility, hit).
        job: The screen.
    """

    path: Path
    funnel: Funnel
    best: list[tuple[float, Hit]]
    job: Job


def merge(directories: Sequence[Path], *, output: Path | None = None, suffix: str | None = None) -> Merged:
    """Merge the parts of all shards, wherever they were screened, into one result.

    The same parts give the same bytes, wherever they were screened. Memory use is constant. The result is
    `result` in the first directory unless another is given; tables are .csv (.parquet with vectors) unless
    another suffix is: .csv.gz, .smi, .sdf or .jsonl.

    Raises:
        InputError: Parts are missing.
        StorageError: A directory is not of this screen; a part is damaged, or two copies of it differ.
    """
    if not directories:
        raise UsageError("nothing to merge: give the directories of a screen")
    job = load_job(directories[0])
    suffix = suffix or (".parquet" if job.settings.vectors else ".csv")
    for other in directories[1:]:
        if load_job(other).digest != job.digest:
            raise StorageError(f"{other} has another screen than {directories[0]}")
    n_parts = _n_parts(directories, job)
    _require_all(directories, n_parts)
    target = output if output is not None else directories[0] / RESULT
    _check_target(target)
    with committed_directory(target, kind=KIND, schema=SCHEMA, holding=(FUNNEL, _REJECTED)) as path:
        gathered = _Gathered(job)
        with contextlib.ExitStack() as stack:
            rejected = stack.enter_context(
                SafeTable(path / _REJECTED, ("row", "identifier", "text", "stage", "reason"))
            )
            everything = None
            if job.settings.keeps_all or job.settings.every_row:
                name = "rows" if job.settings.every_row else "hits"
                everything = stack.enter_context(
                    open_writer(path / f"{name}{suffix}", job.table(ranked=False))
                )
            for number in range(n_parts):
                gathered.add(_part(directories, number, job), rejected, everything)
        if gathered.funnel.read == 0:
            raise InputError("the library has no rows")
        ranked = gathered.ranked()
        if job.settings.goals:
            with open_writer(path / f"best{suffix}", job.table(ranked=True)) as writer:
                for rank, (utility, hit) in enumerate(ranked, start=1):
                    writer.write([rank, utility, *_cells(hit)])
        facts = {"n_parts": n_parts, "job": job.digest, **gathered.funnel.facts()}
        (path / FUNNEL).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return Merged(target, gathered.funnel, ranked, job)


class _Gathered:
    """Accumulates parts: the account, the number of lines, the pool of hits to rank."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.funnel = Funnel()
        self.over = Range()
        self._lines = 0
        self._pool: list[Hit] = []
        names = job.numbers()
        self._goals = [(names.index(goal.name), goal.sign) for goal in job.settings.goals]

    def add(self, part: StoredPart, rejected: SafeTable, everything: Writer | None) -> None:
        for line, *cells in part.rejected():
            rejected.write(line + self._lines, *cells)
        settings = self.job.settings
        vectors = part.vectors() if settings.vectors and everything is not None else None
        for number, hit in enumerate(part.hits()):
            moved = hit._replace(line=hit.line + self._lines)
            if everything is not None:
                z = [] if vectors is None else [vectors[number]]
                everything.write(_cells(moved, reason=settings.every_row) + z)
            if moved.leads:
                self._pool.append(moved)
        if len(self._pool) > max(_POOL, 4 * self.job.settings.top):
            self._prune()
        self.funnel += part.funnel
        self.over |= part.over
        self._lines += part.n_lines

    def ranked(self) -> list[tuple[float, Hit]]:
        """The best of all, best first."""
        if not self._pool:
            return []
        self._prune()
        rows, utility = best(self._values(self._pool), self.over, self.job.settings.top)
        return [(float(utility[row]), self._pool[row]) for row in rows]

    def _prune(self) -> None:
        first = [self._pool[n] for n in first_of_each([hit.smiles for hit in self._pool])]
        self._pool = [first[n] for n in leaders(self._values(first), self.job.settings.top)]

    def _values(self, hits: list[Hit]) -> np.ndarray:
        rows = [[sign * (hit.numbers[column] or 0.0) for column, sign in self._goals] for hit in hits]
        return np.array(rows, dtype=np.float64).reshape(len(hits), len(self._goals))


def _cells(hit: Hit, *, reason: bool = False) -> list[Any]:
    why = [hit.reason] if reason else []
    return [hit.line, hit.identifier, hit.smiles, *why, *hit.numbers, *hit.cells]


def _n_parts(directories: Sequence[Path], job: Job) -> int:
    """Number of parts of the library, as finished shards have recorded it."""
    found = set()
    for directory in directories:
        for path in sorted((directory / ENDS).glob("*/end.json")):
            with reading(path):
                end = json.loads(path.read_text(encoding="utf-8"))
                if end["job"] == job.digest:
                    found.add(int(end["n_parts"]))
    if not found:
        raise InputError(
            f"no shard in {', '.join(map(str, directories))} is finished",
            hint="Run the same 'molvae screen' again: it resumes.",
        )
    if len(found) > 1:
        raise StorageError(f"the shards disagree on the number of parts: {sorted(found)}")
    return found.pop()


def _require_all(directories: Sequence[Path], n_parts: int) -> None:
    missing = [n for n in range(n_parts) if not any(part_path(d, n).exists() for d in directories)]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")  # noqa: PLR2004
        raise InputError(
            f"{len(missing):,} of {n_parts:,} parts are missing: {shown}",
            hint="Run the unfinished shards again: they resume.",
        )


def _part(directories: Sequence[Path], number: int, job: Job) -> StoredPart:
    """A part from the first directory that has it; copies in others must be equal."""
    found = [directory for directory in directories if part_path(directory, number).exists()]
    for other in found[1:]:
        if manifest_of(other, number) != manifest_of(found[0], number):
            raise StorageError(
                f"part {number} in {found[0]} and in {other} differ",
                hint="They come from different machines or devices: leave one of the directories out.",
            )
    part = read_part(found[0], number, job.digest)
    assert part is not None  # noqa: S101 - it exists
    return part


def _check_target(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()) and stated_kind(target) != KIND:
        raise UsageError(f"{target} exists but is not the result of a screen", hint="Choose another output.")
