"""The records of a screen: the merged result, or the parts that are done."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from molvae.data.readers import open_table
from molvae.data.records import Row
from molvae.errors import InputError
from molvae.persistence.files import reading
from molvae.screening.funnel import Funnel
from molvae.screening.job import JOB, Job, load_job
from molvae.screening.merging import RESULT
from molvae.screening.parts import read_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MOST_EXAMPLES = 20  # lines of rejected.csv
_TABLES = ("best", "hits")


@dataclass(frozen=True)
class Screened:
    """What a screen left on disk.

    Attributes:
        funnel: The account of all rows.
        header: Columns of the kept rows.
        rows: The kept rows that are shown, as text.
        n_kept: Kept rows there are.
        ranked: Whether they are in order of rank.
        job: What was asked; None where only the result is at hand.
        rejected: Lines of rejected.csv that are shown.
        when: Of its last file.
        unmerged: How many parts this was put together from; None if it was merged.
    """

    funnel: Funnel
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_kept: int
    ranked: bool
    job: Job | None
    rejected: Sequence[Sequence[str]]
    when: float
    unmerged: int | None = None


def read_screen(path: Path, n_rows: int) -> Screened:
    """The records of a screen; its result where it is merged, else the parts that are done.

    Raises:
        InputError: No part is done.
        StorageError: It is damaged.
    """
    job = load_job(path) if (path / JOB).is_file() else None
    result = path / RESULT if (path / RESULT / "funnel.json").is_file() else path
    if (result / "funnel.json").is_file():
        return _merged(result, job, n_rows)
    if job is None:
        raise InputError(f"{path} is not a screen directory")
    return _from_parts(path, job, n_rows)


def _merged(result: Path, job: Job | None, n_rows: int) -> Screened:
    account = result / "funnel.json"
    with reading(account):
        funnel = Funnel.from_facts(json.loads(account.read_text(encoding="utf-8")))
    tables = [file for name in _TABLES for file in sorted(result.glob(f"{name}.*"))]
    header: list[str] = []
    rows: list[list[str]] = []
    n_kept = 0
    if tables:
        opened = open_table(tables[0], smiles_column="smiles" if tables[0].suffix != ".smi" else None)
        header = list(opened.columns)
        if opened.id_column is not None and "identifier" not in header:  # a .smi file has no header of ours
            header[header.index(opened.id_column)] = "identifier"
        for row in opened.rows():
            n_kept += 1
            if isinstance(row, Row) and len(rows) < n_rows:
                header = header if "smiles" in header else ["smiles", *header]
                own = {**row.fields, "smiles": row.text, "identifier": row.identifier}
                rows.append([own.get(name, "") for name in header])
    rejected: list[list[str]] = []
    if (result / "rejected.csv").is_file():
        listed = result / "rejected.csv"
        with reading(listed), listed.open(newline="", encoding="utf-8") as file:
            rejected = list(islice(csv.reader(file), 1, 1 + _MOST_EXAMPLES))
    ranked = bool(tables) and tables[0].name.startswith("best")
    when = account.stat().st_mtime
    return Screened(funnel, header, rows, n_kept, ranked, job, rejected, when)


def _from_parts(path: Path, job: Job, n_rows: int) -> Screened:
    funnel, n_parts, n_kept, when = Funnel(), 0, 0, 0.0
    rows: list[list[str]] = []
    rejected: list[list[str]] = []
    for number in _numbers(path):
        part = read_part(path, number, job.digest)
        if part is None:
            continue
        n_parts += 1
        funnel += part.funnel
        when = max(when, part.path.stat().st_mtime)
        for hit in part.hits():
            if hit.reason:  # a row that was dropped, where every row is kept
                continue
            n_kept += 1
            if len(rows) < n_rows:
                numbers = ["" if value is None else repr(value) for value in hit.numbers]
                rows.append([str(hit.line), hit.identifier, hit.smiles, *numbers, *hit.cells])
        left = _MOST_EXAMPLES - len(rejected)
        rejected += [[str(cell) for cell in line] for line in islice(part.rejected(), left)]
    if not n_parts:
        raise InputError(f"no part of {path} is done yet", hint="Run the same 'molvae screen' on.")
    header = [column.name for column in job.table(ranked=True)[2:]]  # without rank and utility
    return Screened(funnel, header, rows, n_kept, False, job, rejected, when, n_parts)


def _numbers(path: Path) -> Iterator[int]:
    for folder in sorted((path / "parts").glob("*")):
        yield from (int(part.name) for part in sorted(folder.glob("[0-9]*")) if part.name.isdecimal())
