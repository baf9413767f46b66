"""What `ask` hands out and what `tell` brings back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molvae.errors import JournalError, UsageError

if TYPE_CHECKING:
    from molvae.oracles.base import Score


@dataclass(frozen=True)
class Candidate:
    """A molecule to be scored.

    Attributes:
        identifier: Name within the campaign ("c00012"); the n-th molecule handed out.
        smiles: Canonical SMILES.
        source: What proposed it: start, prior, library, pcn, slerp, …
        parent: Canonical SMILES it was made from, where there is one.
        surrogate: Name of the surrogate that chose it, where one did.
    """

    identifier: str
    smiles: str
    source: str
    parent: str | None = None
    surrogate: str | None = None


@dataclass(frozen=True)
class Observation:
    """Scores of one molecule.

    Attributes:
        smiles: SMILES of the molecule, canonical or not.
        scores: One per objective of the campaign, in its order; `None` where not measured (yet).
        identifier: Of the candidate, when the molecule was asked for; checked against the SMILES.
    """

    smiles: str
    scores: tuple[Score | None, ...]
    identifier: str | None = None


@dataclass(frozen=True)
class StartMolecule:
    """A molecule the user brings along.

    Attributes:
        smiles: Its SMILES.
        scores: Known values, one per objective in the campaign's order, `None` where unknown. Known values
            are used and never charged.
    """

    smiles: str
    scores: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What became of a `tell`.

    Attributes:
        accepted: Observations that brought something new.
        repeated: Observations that were known already.
        charged: Evaluations charged to the budget.
    """

    accepted: int
    repeated: int
    charged: int


_RANK = {"skipped": 0, "failed": 1, "timeout": 2, "invalid": 3, "ok": 4}
EVALUATED = frozenset({"ok", "failed", "timeout"})
"""Statuses of scores an oracle worked for; these are charged."""


def merge(old: Score | None, new: Score | None, what: str) -> Score | None:
    """The one score that two reports of the same measurement leave, whichever came first.

    A missing or skipped score gives way to any other, a failure to a number. Two different numbers contradict
    one another.

    Args:
        old: Score on record.
        new: Score reported.
        what: Molecule and objective, for the error.

    Raises:
        JournalError: Two different numbers.

    >>> from molvae.oracles.base import Score
    >>> merge(Score(float("nan"), "failed"), Score(0.5, "ok"), "CCO qed").value
    0.5
    """
    if new is None or new.status == "skipped":
        return old
    if old is None:
        return new
    if old.status == "ok" and new.status == "ok":
        if math.isclose(old.value, new.value, rel_tol=1e-9, abs_tol=1e-12):
            return old
        raise JournalError(
            f"{what} is on record as {old.value:g}, and was told now as {new.value:g}",
            hint="Nothing was changed. A campaign keeps one value per molecule and objective; "
            "tell the average of repeated measurements.",
        )
    return max(old, new, key=lambda score: (_RANK[score.status], score.detail))


def check_score(score: Score | None, what: str) -> None:
    """Refuse a number that is none, and a status that is none.

    Raises:
        UsageError: A score with status ok must be finite; other statuses carry no number.
    """
    if score is None:
        return
    if score.status not in _RANK:
        raise UsageError(f"{what}: unknown status '{score.status}'; known: {', '.join(_RANK)}")
    if score.status == "ok" and not math.isfinite(score.value):
        raise UsageError(f"{what}: an ok score must be a finite number, got {score.value}")
