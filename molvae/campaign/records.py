"""Events of a journal: their contents as JSON values, and the checks of what was read."""

from __future__ import annotations

import base64
import contextlib
import math
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from molvae.campaign.observations import StartMolecule, score_of
from molvae.chemistry.molecule import MAX_CHARACTERS, is_valid, parse
from molvae.errors import JournalError
from molvae.oracles.base import Score, Status, describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.campaign.objectives import KnownScores
    from molvae.campaign.storage import Event


def scores_to_json(scores: Sequence[Score | None]) -> list[list[Any] | None]:
    """Scores as JSON values: `[status, value or null, detail]`, of replicates with number and deviation."""
    rows: list[list[Any] | None] = []
    for score in scores:
        if score is None:
            rows.append(None)
            continue
        row = [score.status, score.value if score.is_measured else None, score.detail]
        rows.append([*row, score.n, score.sd] if score.n > 1 or score.sd is not None else row)
    return rows


def scores_from_json(rows: Sequence[list[Any] | float | None]) -> list[Score | None]:
    """The inverse of `scores_to_json`; a bare number is a value (known scores of earlier versions)."""
    found: list[Score | None] = []
    for row in rows:
        if not isinstance(row, list):
            found.append(None if row is None else Score.ok(float(row)))
            continue
        status, value, *more = row
        score = Score(math.nan if value is None else float(value), status, *more)
        if score.is_measured and not math.isfinite(score.value):
            raise ValueError(f"a score is '{score.status}' without a number")
        found.append(score)
    return found


def known_from_json(payload: Mapping[str, Any], smiles: str) -> list[Score | None] | None:
    """Known scores of a molecule recorded by an event, if any."""
    recorded = payload.get("known", {}).get(smiles)
    return None if recorded is None else scores_from_json(recorded)


def start_to_json(molecule: StartMolecule) -> list[Any]:
    """A start molecule as JSON values: SMILES, scores, and its name if it has one."""
    scores = [score_of(score, molecule.smiles) for score in molecule.scores]
    return [molecule.smiles, scores_to_json(scores), *([molecule.name] if molecule.name else [])]


def start_from_json(row: Sequence[Any]) -> StartMolecule:
    """The inverse of `start_to_json`."""
    return StartMolecule(row[0], tuple(scores_from_json(row[1])), row[2] if len(row) > 2 else "")  # noqa: PLR2004


def latent_to_text(z: NDArray[np.float32]) -> str:
    """A latent point as base64 of its little-endian float32 bytes.

    >>> latent_from_text(latent_to_text(np.array([1.5, -2.0], dtype=np.float32))).tolist()
    [1.5, -2.0]
    """
    return base64.b64encode(np.ascontiguousarray(z, dtype="<f4").tobytes()).decode()


def latent_from_text(text: str) -> NDArray[np.float32]:
    """The inverse of `latent_to_text`."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


def known_to_json(known: KnownScores, smiles: Sequence[str]) -> dict[str, list[list[Any] | None]]:
    """Computed scores of molecules for the journal, so that reading it computes nothing."""
    if not known.columns or known.lacks_model:
        return {}
    molecules = [molecule for text in smiles if is_valid(molecule := parse(text))]
    known.values(molecules)  # in one batch, as a model may predict them
    blank = [None] * len(known.objectives)
    return {m.smiles: scores_to_json([known.filled(m, blank)[j] for j in known.columns]) for m in molecules}


_NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_LARGEST = float(np.finfo(np.float64).max)

Smiles = Annotated[str, Field(pattern=r"^[\x21-\x7e]+\z", max_length=4 * MAX_CHARACTERS)]
Word = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]*\z", max_length=4 * MAX_CHARACTERS)]
Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


# not strict, as JSON has only lists; replicates have a number and a deviation
_One = Annotated[tuple[Status, Number | None, str], Field(strict=False)]
_Several = Annotated[
    tuple[Status, Number | None, str, Annotated[int, Field(ge=1)], Number | None], Field(strict=False)
]
_Score = _One | _Several | Number | None
_Unnamed = Annotated[tuple[Smiles, list[_Score]], Field(strict=False)]
_Named = Annotated[tuple[Smiles, list[_Score], str], Field(strict=False)]


class _Part(BaseModel):
    """Values of exactly these types; further keys belong to later versions."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Create(_Part):
    settings: dict[str, Any]
    given: list[Word] = []
    start: list[_Unnamed | _Named]
    facts: dict[str, Any]
    units: dict[str, str] = {}


class _Candidate(_Part):
    identifier: Word
    smiles: Smiles
    source: Word
    parent: Smiles | None
    surrogate: Word | None = None


class _Ask(_Part):
    candidates: list[_Candidate]
    latents: dict[Smiles, str]
    state: dict[str, Any]
    seconds: Number


class _Observation(_Part):
    smiles: Smiles
    scores: list[_Score]
    name: str = ""


class _Tell(_Part):
    observations: list[_Observation]
    units: dict[str, str] = {}


class _Budget(_Part):
    budget: Annotated[int, Field(ge=1, le=2**62)]


class _Settings(_Part):
    changed: dict[Word, Any]


_KINDS: dict[str, type[_Part]] = {
    "create": _Create, "ask": _Ask, "tell": _Tell, "correct": _Tell, "budget": _Budget, "settings": _Settings,
}  # fmt: skip


@contextlib.contextmanager
def understood(event: Event) -> Iterator[None]:
    """Validate an event before the block applies it, and name it if the block fails.

    Raises:
        JournalError: The event is invalid.
    """
    try:
        if event.kind in _KINDS:
            _KINDS[event.kind].model_validate(event.payload)
        yield
    except _NOT_UNDERSTOOD as error:
        raise JournalError(
            f"event {event.number} of the journal is invalid: {describe_error(error)}",
            hint="Restore the journal from a copy, or read it with the version of molvae that wrote it.",
        ) from error


@contextlib.contextmanager
def going_on_from(path: Path) -> Iterator[None]:
    """Name the journal if the search fails on its content.

    SMILES and the state of methods are not validated when a journal is opened, which would take too long.

    Raises:
        JournalError: The block failed.
    """
    try:
        yield
    except _NOT_UNDERSTOOD as error:
        raise JournalError(
            f"the search cannot continue from the journal {path}: {describe_error(error)}",
            hint="If it was not edited, this is a bug in molvae; -vv shows where.",
        ) from error
