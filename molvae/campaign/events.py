"""Validation of the events of a journal, which may be untrusted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from molvae.chemistry.molecule import MAX_CHARACTERS
from molvae.errors import JournalError
from molvae.oracles.base import Status, describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from molvae.campaign.storage import Event

_NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_LARGEST = float(np.finfo(np.float64).max)

Smiles = Annotated[str, Field(pattern=r"^[\x21-\x7e]+\z", max_length=4 * MAX_CHARACTERS)]
Word = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]*\z", max_length=4 * MAX_CHARACTERS)]
Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


# not strict, as JSON has lists alone; replicates have a number and a deviation
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


_KINDS: dict[str, TypeAdapter[Any]] = {
    "create": TypeAdapter(_Create),
    "ask": TypeAdapter(_Ask),
    "tell": TypeAdapter(_Tell),
    "correct": TypeAdapter(_Tell),
    "budget": TypeAdapter(_Budget),
    "settings": TypeAdapter(_Settings),
}


@contextlib.contextmanager
def understood(event: Event) -> Iterator[None]:
    """Validate an event before the block applies it, and name it if the block fails.

    Raises:
        JournalError: The event is invalid.
    """
    try:
        if event.kind in _KINDS:
            _KINDS[event.kind].validate_python(event.payload)
        yield
    except _NOT_UNDERSTOOD as error:
        raise JournalError(
            f"event {event.number} of the journal is not what a campaign writes: {describe_error(error)}",
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
            f"the search cannot go on from what the journal {path} holds: {describe_error(error)}",
            hint="Somebody may have changed it; if nobody did, this is a bug in molvae, and -vv shows where.",
        ) from error
