"""Parse, standardize, filter and tokenize one row; runs in worker processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from molvae.chemistry.admission import Refused, Rules, admission, read_text
from molvae.chemistry.molecule import canonical
from molvae.chemistry.standardize import inchikey
from molvae.chemistry.substructure import murcko_scaffold
from molvae.data.records import read_number
from molvae.data.splitting import key_of, part_of
from molvae.tokenizers.base import TOKENIZERS, TokenizationError

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule
    from molvae.chemistry.standardize import Standardized
    from molvae.data.config import PrepareSettings


@dataclass(frozen=True, slots=True)
class Task:
    """One row on its way to a worker.

    Attributes:
        index: Number of the row in the whole input, from 0.
        source: Number of the input file, from 0.
        line: Line of that file.
        text: SMILES or molblock.
        identifier: Name of the molecule.
        labels: The cells of the label columns.
        part: The cell of the split column, if there is one.
        is_molblock: Whether `text` is a molblock.
        fault: Why the row could not be read, if so.
    """

    index: int
    source: int
    line: int
    text: str
    identifier: str = ""
    labels: tuple[str, ...] = ()
    part: str = ""
    is_molblock: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used: at which stage, and why."""

    task: Task
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row that can be used.

    Attributes:
        task: The row.
        smiles: Canonical SMILES of the standardized molecule.
        notation: The same in the notation of the tokenizer.
        labels: The numbers of the label cells, NaN where missing or not a number.
        unreadable: Positions of label cells that are not numbers.
        digest: 16 bytes that identify the molecule.
        key: Places the molecule in a random or scaffold split.
        part: 0 train, 1 valid, 2 test in a split by column.
        changed: Standardization steps that changed the molecule (`Standardized.changed`).
        doubt: Why the choice of the main fragment is ambiguous, or an empty text.
    """

    task: Task
    smiles: str
    notation: str
    labels: tuple[float, ...]
    unreadable: tuple[int, ...]
    digest: bytes
    key: int
    part: int
    changed: tuple[str, ...]
    doubt: str


class _RejectionError(Exception):
    """Carries the stage and reason up to `examine`."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason


@dataclass(frozen=True)
class Examiner:
    """Examines rows with fixed settings; picklable, for worker processes."""

    settings: PrepareSettings

    def __call__(self, task: Task) -> Accepted | Rejected:
        """Accept or reject a row; never raises on any text."""
        if task.fault is not None:
            return Rejected(task, "read", task.fault)
        try:
            return self._accept(task)
        except _RejectionError as refusal:
            return Rejected(task, refusal.stage, refusal.reason)

    def _accept(self, task: Task) -> Accepted:
        settings = self.settings
        part = 0 if settings.split_column is None else part_of(task.part)
        if part is None:
            raise _RejectionError(
                "split", f"{task.part!r} in column '{settings.split_column}' is not train, valid or test"
            )
        done = self._standardized(task)
        molecule = done.molecule
        grouped = murcko_scaffold(molecule) if settings.split == "scaffold" else molecule.smiles
        numbers = [read_number(cell) for cell in task.labels]
        return Accepted(
            task=task,
            smiles=molecule.smiles,
            notation=self._notation(molecule),
            labels=tuple(float("nan") if number is None else number for number in numbers),
            unreadable=tuple(n for n, number in enumerate(numbers) if number is None),
            digest=self._digest(molecule, task.index),
            key=key_of(settings.seed, grouped),
            part=part,
            changed=done.changed,
            doubt=done.doubt,
        )

    @cached_property
    def _rules(self) -> Rules:
        s = self.settings
        return Rules(s.standardize, s.keep_stereo, s.max_heavy_atoms, s.filters)

    def _standardized(self, task: Task) -> Standardized:
        """The standardized molecule of a row, with the steps taken."""
        read = read_text(task.text, is_molblock=task.is_molblock)
        admitted = read if isinstance(read, Refused) else admission(read, self._rules)
        if isinstance(admitted, Refused):
            raise _RejectionError(admitted.stage, admitted.reason)
        if admitted.molecule == read:  # stereochemistry it never had was left out, or a tautomer stayed
            return replace(admitted, changed=())
        return admitted

    def _notation(self, molecule: Molecule) -> str:
        tokenizer = TOKENIZERS.get(self.settings.tokenizer)
        try:
            notation = tokenizer.spell(molecule.smiles)
        except TokenizationError as error:
            raise _RejectionError("tokenize", error.message) from error
        n_tokens = len(tokenizer.cut(notation))
        if n_tokens > self.settings.max_tokens:
            raise _RejectionError("tokenize", f"{n_tokens} tokens; the limit is {self.settings.max_tokens}")
        written = tokenizer.write(notation)
        if written != molecule.smiles and canonical(written) != molecule.smiles:
            raise _RejectionError(
                "tokenize", f"{tokenizer.name} reads it back as another molecule: {written}"
            )
        return notation

    def _digest(self, molecule: Molecule, index: int) -> bytes:
        if self.settings.deduplicate == "none":
            return index.to_bytes(16, "little")
        text = inchikey(molecule) if self.settings.deduplicate == "inchikey" else molecule.smiles
        return hashlib.blake2b(text.encode(), digest_size=16).digest()
