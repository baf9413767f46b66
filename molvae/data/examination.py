"""Parse, standardize, filter and tokenize one row; runs in worker processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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


def examine(task: Task, settings: PrepareSettings) -> Accepted | Rejected:
    """Accept or reject a row; never raises on any text."""
    if task.fault is not None:
        return Rejected(task, "read", task.fault)
    part = 0 if settings.split_column is None else part_of(task.part)
    if part is None:
        reason = f"{task.part!r} in column '{settings.split_column}' is not train, valid or test"
        return Rejected(task, "split", reason)
    rules = Rules(settings.standardize, settings.keep_stereo, settings.max_heavy_atoms, settings.filters)
    read = read_text(task.text, is_molblock=task.is_molblock)
    admitted = read if isinstance(read, Refused) else admission(read, rules)
    if isinstance(admitted, Refused):
        return Rejected(task, admitted.stage, admitted.reason)
    molecule = admitted.molecule
    try:
        notation = _notation(molecule.smiles, settings)
    except TokenizationError as error:
        return Rejected(task, "tokenize", error.message)
    grouped = murcko_scaffold(molecule) if settings.split == "scaffold" else molecule.smiles
    numbers = [read_number(cell) for cell in task.labels]
    return Accepted(
        task=task,
        smiles=molecule.smiles,
        notation=notation,
        labels=tuple(float("nan") if number is None else number for number in numbers),
        unreadable=tuple(n for n, number in enumerate(numbers) if number is None),
        digest=_digest(molecule, task.index, settings.deduplicate),
        key=key_of(settings.seed, grouped),
        part=part,
        # a step changed nothing where it removed stereochemistry that was not there, or kept the tautomer
        changed=() if molecule == read else admitted.changed,
        doubt=admitted.doubt,
    )


def _notation(smiles: str, settings: PrepareSettings) -> str:
    """The molecule in the notation of the tokenizer.

    Raises:
        TokenizationError: It cannot be expressed, has too many tokens, or reads back as another molecule.
    """
    tokenizer = TOKENIZERS.get(settings.tokenizer)
    notation = tokenizer.spell(smiles)
    n_tokens = len(tokenizer.cut(notation))
    if n_tokens > settings.max_tokens:
        raise TokenizationError(f"{n_tokens} tokens; the limit is {settings.max_tokens}")
    written = tokenizer.write(notation)
    if written != smiles and canonical(written) != smiles:
        raise TokenizationError(f"{tokenizer.name} reads it back as another molecule: {written}")
    return notation


def _digest(molecule: Molecule, index: int, deduplicate: str) -> bytes:
    if deduplicate == "none":
        return index.to_bytes(16, "little")
    text = inchikey(molecule) if deduplicate == "inchikey" else molecule.smiles
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
