"""Candidates of `ask`, observations of `tell`, and how scores are merged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from molvae.errors import JournalError, UsageError
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Balance:
    """Counts of the rows of a table; `read` is the sum of the next five.

    Attributes:
        read: Rows.
        used: Rows with a new molecule or result.
        repeated: Further rows of these molecules, merged with the first.
        empty: Rows that are blank, or without a result where one is expected.
        unreadable: Rows without a molecule, as messages that begin with the line.
        refused: Rows whose molecule or result cannot be used, likewise.
        notes: Skipped cells, and molecules recognized in another form, likewise.
        averaged: Values that are the mean of several rows.
        changed: Molecules given as salts or charged, and standardized.
    """

    read: int = 0
    used: int = 0
    repeated: int = 0
    empty: int = 0
    unreadable: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    averaged: int = 0
    changed: int = 0

    def __str__(self) -> str:
        text = f"{self.read:,} rows: {self.used:,} used"
        text += f", {self.repeated:,} more of the same molecules" if self.repeated else ""
        text += f", {self.empty:,} without anything to read" if self.empty else ""
        text += f", {len(self.unreadable):,} unreadable, {len(self.refused):,} refused"
        text += f"; {self.averaged:,} values averaged" if self.averaged else ""
        return text + (f"; {self.changed:,} salts and charged forms recognized" if self.changed else "")


CENSORED = frozenset({"above", "below"})
"""Statuses of scores that are bounds."""


@dataclass(frozen=True)
class Forecast:
    """Forecast of one molecule.

    Attributes:
        smiles: Canonical SMILES.
        mean: Expected score of each objective; the exact score if computed, `None` without data.
        deviation: Standard deviation of each; 0 if computed.
        probability: Of satisfying all bounds; `None` if a bounded score was never measured.
        nearest: Canonical SMILES of the most similar measured molecule, if any.
        similarity: To it, 0 to 1 (MinMax of Morgan counts).
    """

    smiles: str
    mean: tuple[float | None, ...]
    deviation: tuple[float | None, ...]
    probability: float | None = None
    nearest: str | None = None
    similarity: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A molecule to be scored.

    Attributes:
        identifier: Name within the campaign ("c00012"); the n-th molecule handed out.
        smiles: Canonical SMILES.
        source: Origin: start, prior, library, pcn, slerp, …
        parent: Canonical SMILES it was made from, if any.
        surrogate: Name of the surrogate that chose it, if any.
        ancestor: Canonical SMILES of the measured molecule it descends from, if any.
        forecast: Forecast when a surrogate chose it.
    """

    identifier: str
    smiles: str
    source: str
    parent: str | None = None
    surrogate: str | None = None
    ancestor: str | None = None
    forecast: Forecast | None = None

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Candidate:
        """The inverse of `dataclasses.asdict`."""
        kept = row.get("forecast")
        if kept is not None:
            kept = Forecast(**{**kept, "mean": tuple(kept["mean"]), "deviation": tuple(kept["deviation"])})
        return cls(**{**row, "forecast": kept})


@dataclass(frozen=True)
class Observation:
    """Scores of one molecule.

    Attributes:
        smiles: SMILES of the molecule, in any of its forms.
        scores: One per objective of the campaign, in its order: a `Score`, a number, or `None` where not
            measured (yet).
        identifier: Of the candidate, if any; checked against the SMILES.
        name: Name given by the user.
    """

    smiles: str
    scores: tuple[Score | float | None, ...]
    identifier: str | None = None
    name: str = ""


@dataclass(frozen=True)
class StartMolecule:
    """A start molecule.

    Attributes:
        smiles: Its SMILES.
        scores: Known values, one per objective, as in `Observation`; not charged.
        name: Name given by the user.
    """

    smiles: str
    scores: tuple[Score | float | None, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Receipt:
    """Result of `tell`.

    Attributes:
        accepted: New observations.
        repeated: Observations that were already known.
        charged: Evaluations charged to the budget.
        balance: Summary of the rows of a table.
    """

    accepted: int
    repeated: int
    charged: int
    balance: Balance | None = None


_RANK = {
    "skipped": 0, "cancelled": 1, "failed": 2, "timeout": 3, "invalid": 4, "below": 5, "above": 5, "ok": 6,
}  # fmt: skip
_SIGN = {"above": 1.0, "below": -1.0}
EVALUATED = frozenset({"ok", "above", "below", "failed", "timeout"})
"""Statuses of scores that are charged."""
_FEWEST_DIGITS = 2  # of a rounded number that matches a longer one


def merge(old: Score | None, new: Score | None, what: str) -> Score | None:
    """The score from two reports of one measurement, in either order.

    Any score replaces a missing or skipped one, a bound a failure, a number a bound it satisfies. A rounded
    number is the number on record.

    Raises:
        JournalError: They contradict one another; `what` names molecule and objective.

    >>> from molvae.oracles.base import Score
    >>> merge(Score(float("nan"), "failed"), Score(0.5, "ok"), "CCO qed").value
    0.5
    """
    if new is None or new.status == "skipped":
        return old
    if old is None:
        return new
    if not _agree(old, new):
        raise JournalError(
            f"{what} is on record as {shown(old)}, and is now reported as {shown(new)}",
            hint="Use --correct (in Python correct=True) to replace it. "
            "Repeated measurements in one table are averaged.",
        )
    return max(old, new, key=_precedence)


def pooled(scores: Sequence[Score]) -> tuple[Score, list[Score]]:
    """One score from replicates (mean, number and standard deviation), and bounds that contradict it.

    Numbers take precedence over bounds, the narrowest bound over failures.

    >>> from molvae.oracles.base import Score
    >>> mean, _ = pooled([Score.ok(5.0), Score.ok(6.0)])
    >>> mean.value, mean.n, round(mean.sd, 3)
    (5.5, 2, 0.707)
    """
    numbers = [score for score in scores if score.is_ok]
    best = _mean(numbers) if numbers else max(scores, key=_precedence)
    return best, [score for score in scores if not score.is_ok and not _agree(best, score)]


def score_of(value: object, what: str) -> Score | None:
    """A score from a Python value.

    Raises:
        UsageError: Neither a `Score`, a finite number nor `None`.

    >>> score_of(5, "potency of CCO")
    Score(value=5.0, status='ok', detail='')
    """
    if value is None:
        return None
    if not isinstance(value, Score):
        found = Score.of(value)
        if not found.is_ok:
            raise UsageError(
                f"{what}: {found.detail}",
                hint="None is a value that is still awaited, Score.failed(reason) a measurement that gave "
                'nothing, Score(10000, "above") a bound.',
            )
        return found
    if value.status not in _RANK:
        raise UsageError(f"{what}: unknown status '{value.status}'; known: {', '.join(_RANK)}")
    if value.is_measured and not math.isfinite(value.value):
        raise UsageError(f"{what}: an {value.status} score must be a finite number, got {value.value}")
    return value if type(value.value) is float else replace(value, value=float(value.value))


def shown(score: Score) -> str:
    """A score as text."""
    if score.is_measured:
        return {"above": ">", "below": "<"}.get(score.status, "") + f"{score.value:g}"
    return score.status


def _agree(a: Score, b: Score) -> bool:
    """Whether two reports may describe the same measurement."""
    for number, other in ((a, b), (b, a)):
        if other.status in CENSORED and number.is_measured and number.status != other.status:
            return _SIGN[other.status] * (number.value - other.value) >= 0
    if a.status != "ok" or b.status != "ok" or math.isclose(a.value, b.value, rel_tol=1e-9, abs_tol=1e-300):
        return True
    coarse, fine = sorted((a, b), key=lambda score: _decimals(score.value))
    decimals = _decimals(coarse.value)
    digits = len(f"{abs(coarse.value):.{max(decimals, 0)}f}".replace(".", "").strip("0"))
    return digits >= _FEWEST_DIGITS and abs(coarse.value - fine.value) <= 0.5000001 * 10.0**-decimals


def _precedence(score: Score) -> tuple[int, float, int, str]:
    tight = _SIGN[score.status] * score.value if score.status in CENSORED else 0.0
    digits = _decimals(score.value) if score.is_ok else 0
    return _RANK[score.status], tight, score.n * 1000 + digits, score.detail


def _decimals(value: float) -> int:
    """Decimals of a number as printed; negative for trailing zeros of an integer."""
    return -int(Decimal(repr(value)).normalize().as_tuple().exponent)


def _mean(scores: Sequence[Score]) -> Score:
    n = sum(score.n for score in scores)
    if len(scores) == 1:
        return scores[0]
    mean = math.fsum(score.n * score.value for score in scores) / n
    within = math.fsum((score.n - 1) * (score.sd or 0.0) ** 2 for score in scores)
    between = math.fsum(score.n * (score.value - mean) ** 2 for score in scores)
    return Score(mean, "ok", n=n, sd=math.sqrt((within + between) / (n - 1)))
