"""Screened parts on disk: each a directory that is committed atomically and verified.

Scores of an unfinished part are logged, so that no molecule is scored twice after a stop.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from molvae.data.records import BadRow
from molvae.errors import StorageError
from molvae.oracles.base import Score, ask, is_computed, n_workers
from molvae.persistence.directories import committed_directory, recover_directory, verify_directory
from molvae.persistence.files import reading
from molvae.persistence.manifest import MANIFEST
from molvae.screening.funnel import Funnel
from molvae.screening.ranking import Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.data.partition import Part
    from molvae.oracles.base import Oracle
    from molvae.screening.funnel import Entry, Screened
    from molvae.screening.job import Job

KIND, SCHEMA = "screened part", 2
_FACTS, _HITS, _REJECTED, _VECTORS = "part.json", "hits.jsonl", "rejected.jsonl", "vectors.npy"
_STAGE = 3  # position of the stage in a reported row
_PER_FOLDER = 1000
_REJECTION = TypeAdapter(tuple[int, str, str, str, str])
_NUMBERS = TypeAdapter(tuple[float, ...])
_PATIENCE = 60.0  # seconds: writing a part takes a fraction of one
_AT_RISK = 30.0  # seconds: calls shorter than this double the next one


class Hit(NamedTuple):
    """A kept row: a hit, or any row if every row is kept.

    Attributes:
        leads: Whether it can be among the best.
        line: Of the input; in a text file, of its part.
        identifier: Its name.
        smiles: Standardized; empty without a valid molecule.
        numbers: A value for each of `Job.numbers`, `None` where there is none.
        cells: The cells of its row.
        reason: Why it was dropped, or "".
    """

    leads: bool
    line: int
    identifier: str
    smiles: str
    numbers: list[float | None]
    cells: list[str]
    reason: str = ""


_HIT = TypeAdapter(Hit)


@dataclass(frozen=True)
class StoredPart:
    """A part on disk.

    Attributes:
        path: Its directory.
        funnel: Account of its rows.
        n_lines: Offset for the lines of the next parts.
        over: Range of each goal over its hits.
    """

    path: Path
    funnel: Funnel
    n_lines: int
    over: Range

    def hits(self) -> Iterator[Hit]:
        """Kept rows, in the order of the input."""
        with (self.path / _HITS).open("rb") as file:
            for line in file:
                with reading(self.path / _HITS):
                    hit = _HIT.validate_json(line)
                yield hit

    def failed(self) -> set[int]:
        """Lines of the rows that an oracle failed on, counted like those of hits."""
        if not self.funnel.unscored:
            return set()
        return {row[0] for row in self.rejected() if row[_STAGE] == "score"}

    def vectors(self) -> NDArray[np.float32]:
        """Latent vectors of the hits, `n x d`, NaN where there is none."""
        with reading(self.path / _VECTORS):
            vectors: NDArray[np.float32] = np.load(self.path / _VECTORS, allow_pickle=False)
        return vectors

    def rejected(self) -> Iterator[tuple[int, str, str, str, str]]:
        """(line, identifier, text, stage, reason) of the reported rows."""
        with (self.path / _REJECTED).open("rb") as file:
            for line in file:
                with reading(self.path / _REJECTED):
                    row = _REJECTION.validate_json(line)
                yield row


def part_path(directory: Path, number: int) -> Path:
    """Directory of a part: a thousand in a folder, as a million would be slow."""
    return directory / "parts" / f"{number // _PER_FOLDER:06d}" / f"{number:09d}"


def scores_path(directory: Path, number: int) -> Path:
    """File of the scores of a part that is being screened, beside its directory."""
    return part_path(directory, number).with_suffix(".scores.jsonl")


def write_part(
    directory: Path, part: Part, job: Job, screened: Screened, n_lines: int, before: StoredPart | None = None
) -> Funnel:
    """Commit a part, and return the account of all its rows.

    If it was screened `before`, only its failed rows are `screened` again; the others are kept.
    `n_lines` is the offset for the lines of the next parts.

    Raises:
        StorageError: It cannot be written.
    """
    names = job.numbers()
    kept = [(_hit(entry, names, job.columns), entry.z) for entry in screened.entries]
    rejected, funnel, over = list(screened.rejected), screened.funnel, screened.over
    if before is not None:
        kept += _kept_before(before, vectors=job.settings.vectors)
        rejected += [row for row in before.rejected() if row[_STAGE] != "score"]
        funnel, over = before.funnel.without_unscored() + funnel, before.over | over
        kept.sort(key=lambda row: row[0].line)
        rejected.sort(key=lambda row: row[0])
    target = part_path(directory, part.number)  # another shard may be writing the same bytes
    files = [_FACTS, _HITS, _REJECTED, *([_VECTORS] if job.settings.vectors else [])]
    with committed_directory(target, kind=KIND, schema=SCHEMA, holding=files, patience=_PATIENCE) as path:
        with (path / _HITS).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(hit, allow_nan=False) + "\n" for hit, _ in kept)
        if job.settings.vectors:
            none = np.full(job.latent_size, np.nan, dtype=np.float32)
            rows = [none if z is None else z for _, z in kept]
            np.save(path / _VECTORS, np.array(rows, dtype=np.float32).reshape(len(rows), job.latent_size))
        with (path / _REJECTED).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rejected)
        facts = {
            "part": part.number,
            "job": job.digest,
            "rows": part.fingerprint(),
            "n_lines": n_lines,
            "low": over.low,
            "high": over.high,
            "funnel": funnel.facts(),
        }
        (path / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return funnel


def _kept_before(before: StoredPart, *, vectors: bool) -> list[tuple[Hit, NDArray[np.float32] | None]]:
    """The kept rows of a part without those that had failed."""
    failed, z = before.failed(), before.vectors() if vectors else None
    return [
        (hit, None if z is None else z[number])
        for number, hit in enumerate(before.hits())
        if hit.line not in failed
    ]


def read_part(directory: Path, number: int, digest: str, rows: str = "") -> StoredPart | None:
    """A verified part of the screen with this digest; None if there is none.

    Rows, if given, are the fingerprint that its rows must have.

    Raises:
        CheckpointError: It is damaged.
        StorageError: It belongs to another screen.
    """
    path = part_path(directory, number)
    recover_directory(path)
    if not path.exists():
        return None
    verify_directory(path, kind=KIND, schema=SCHEMA)
    with reading(path / _FACTS):
        facts: dict[str, Any] = json.loads((path / _FACTS).read_text(encoding="utf-8"))
        if facts["job"] != digest or facts["part"] != number:
            raise StorageError(f"{path} belongs to another screen", hint="Choose another directory.")
        if rows not in ("", facts["rows"]):
            raise StorageError(f"{path} was made from other rows", hint="Choose another directory.")
        low, high = (_NUMBERS.validate_python(facts[end]) for end in ("low", "high"))
        n_lines = int(facts["n_lines"])
        return StoredPart(path, Funnel.from_facts(facts["funnel"]), n_lines, Range(low, high))


def manifest_of(directory: Path, number: int) -> bytes:
    """The manifest of a part, which identifies its contents."""
    return (part_path(directory, number) / MANIFEST).read_bytes()


def _hit(entry: Entry, names: Sequence[str], columns: Sequence[str]) -> Hit:
    row = entry.row
    smiles = "" if entry.molecule is None else entry.molecule.smiles
    numbers = [_number(entry.values.get(name)) for name in names]
    if isinstance(row, BadRow):
        return Hit(False, row.line, "", smiles, numbers, ["" for _ in columns], entry.reason)
    cells = [row.fields.get(name, "") for name in columns]
    return Hit(entry.leads, row.line, row.identifier, smiles, numbers, cells, entry.reason)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


class ScoreLog:
    """The successful scores of one part, in a file of JSON lines; failures are scored again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[tuple[str, str], float] = {}
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    try:
                        name, smiles, value = json.loads(line)
                        self._known[str(name), str(smiles)] = float(value)
                    except (ValueError, TypeError):  # cut short when the process was killed
                        continue

    def scores(
        self, oracle: Oracle, name: str, molecules: Sequence[Molecule], most: int
    ) -> Iterator[list[tuple[Molecule, Score]]]:
        """Molecules and their scores in order, in groups of at most `most`.

        A group is small at first and grows while scores come quickly, so that a kill costs a minute of work
        or one molecule of each worker.
        """
        if is_computed(oracle):
            for start in range(0, len(molecules), most):
                group = molecules[start : start + most]
                yield list(zip(group, ask(oracle, group), strict=True))
            return
        size, start = min(n_workers(oracle), most), 0
        while start < len(molecules):
            group = molecules[start : start + size]
            begun = time.monotonic()
            yield self._asked(oracle, name, group)
            start += len(group)
            if time.monotonic() - begun < _AT_RISK:
                size = min(2 * size, most)

    def _asked(self, oracle: Oracle, name: str, group: Sequence[Molecule]) -> list[tuple[Molecule, Score]]:
        new = {m.smiles: m for m in group if (name, m.smiles) not in self._known}
        answers = dict(zip(new, ask(oracle, list(new.values())), strict=True)) if new else {}
        fine = {smiles: score.value for smiles, score in answers.items() if score.is_ok}
        if fine:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # a line end first, as the last line may be cut short
                file.writelines("\n" + json.dumps([name, smiles, value]) for smiles, value in fine.items())
        self._known |= {(name, smiles): value for smiles, value in fine.items()}
        return [
            (m, answers[m.smiles] if m.smiles in answers else Score.ok(self._known[name, m.smiles]))
            for m in group
        ]

    def remove(self) -> None:
        """Delete the file: the part is committed."""
        self._path.unlink(missing_ok=True)
