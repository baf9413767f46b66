"""What `ask` hands out and what `tell` brings back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from molvae.errors import JournalError, UsageError
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.balance import Balance

CENSORED = frozenset({"above", "below"})
"""Statuses of scores with a bound in place of a number."""


@dataclass(frozen=True)
class Forecast:
    """What a campaign expects of one molecule.

    Attributes:
        smiles: Canonical SMILES.
        mean: Expected score of each objective; the score itself where it is computed, `None` where nothing is
            known yet.
        deviation: Standard deviation of each; 0 where the score is computed.
        probability: Of being within all bounds; `None` where a bounded score was never measured.
        nearest: Canonical SMILES of the most similar measured molecule, where there is one.
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
        source: What proposed it: start, prior, library, pcn, slerp, …
        parent: Canonical SMILES it was made from, where there is one.
        surrogate: Name of the surrogate that chose it, where one did.
        ancestor: Canonical SMILES of the measured molecule it descends from, where there is one.
        forecast: What was expected of it when a surrogate chose it.
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
        told = row.get("forecast")
        forecast = (
            None
            if told is None
            else Forecast(**{**told, "mean": tuple(told["mean"]), "deviation": tuple(told["deviation"])})
        )
        return cls(**{**row, "forecast": forecast})


@dataclass(frozen=True)
class Observation:
    """Scores of one molecule.

    Attributes:
        smiles: SMILES of the molecule, in any of its forms.
        scores: One per objective of the campaign, in its order: a `Score`, a number, or `None` where not
            measured (yet).
        identifier: Of the candidate, when the molecule was asked for; checked against the SMILES.
        name: What the user calls the molecule.
    """

    smiles: str
    scores: tuple[Score | float | None, ...]
    identifier: str | None = None
    name: str = ""


@dataclass(frozen=True)
class StartMolecule:
    """A molecule the user brings along.

    Attributes:
        smiles: Its SMILES.
        scores: Known values, one per objective in the campaign's order, as in `Observation`; used and never
            charged.
        name: What the user calls it.
    """

    smiles: str
    scores: tuple[Score | float | None, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Receipt:
    """What became of a `tell`.

    Attributes:
        accepted: Observations that brought something new.
        repeated: Observations that were known already.
        charged: Evaluations charged to the budget.
        balance: Row by row, where a table was told.
    """

    accepted: int
    repeated: int
    charged: int
    balance: Balance | None = None


_RANK = {
    "skipped": 0, "cancelled": 1, "failed": 2, "timeout": 3, "invalid": 4, "below": 5, "above": 5, "ok": 6,
}  # fmt: skip
EVALUATED = frozenset({"ok", "above", "below", "failed", "timeout"})
"""Statuses of scores an oracle worked for; these are charged."""
_FEWEST_DIGITS = 2  # of a rounded number that may stand for a longer one


def merge(old: Score | None, new: Score | None, what: str) -> Score | None:
    """The one score that two reports of the same measurement leave, whichever came first.

    A missing or skipped score gives way to any other, a failure to a bound, a bound to a number within it. A
    number that was rounded on its way is the number on record.

    Args:
        old: Score on record.
        new: Score reported.
        what: Molecule and objective, for the error.

    Raises:
        JournalError: They contradict one another.

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
            f"{what} is on record as {shown(old)}, and was told now as {shown(new)}",
            hint="To replace what is on record, tell it with --correct (in Python correct=True). "
            "Repeated measurements are averaged when they come in one table.",
        )
    return max(old, new, key=_precedence)


def pooled(scores: Sequence[Score]) -> tuple[Score, list[Score]]:
    """One score of replicates: their mean, number and standard deviation; and bounds that contradict it.

    Numbers count before bounds, the narrowest of these before failures.

    >>> from molvae.oracles.base import Score
    >>> mean, _ = pooled([Score.ok(5.0), Score.ok(6.0)])
    >>> mean.value, mean.n, round(mean.sd, 3)
    (5.5, 2, 0.707)
    """
    numbers = [score for score in scores if score.status == "ok"]
    best = _mean(numbers) if numbers else max(scores, key=_precedence)
    return best, [score for score in scores if score.status != "ok" and not _agree(best, score)]


def score_of(value: object, what: str) -> Score | None:
    """A score from what somebody hands over in Python.

    Raises:
        UsageError: It is neither a `Score`, a finite number nor `None`.

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
    """A score as it is written in a table."""
    if score.is_measured:
        return {"above": ">", "below": "<"}.get(score.status, "") + f"{score.value:g}"
    return score.status


def _agree(a: Score, b: Score) -> bool:
    """Whether two reports may be of one measurement."""
    for number, other in ((a, b), (b, a)):
        if other.status in {"above", "below"}:
            sign = 1.0 if other.status == "above" else -1.0
            if number.status == "ok" or number.status in {"above", "below"} - {other.status}:
                return sign * (number.value - other.value) >= 0
    if a.status != "ok" or b.status != "ok" or math.isclose(a.value, b.value, rel_tol=1e-9, abs_tol=1e-300):
        return True
    coarse, fine = sorted((a, b), key=lambda score: _decimals(score.value))
    decimals = _decimals(coarse.value)
    digits = len(f"{abs(coarse.value):.{max(decimals, 0)}f}".replace(".", "").strip("0"))
    return digits >= _FEWEST_DIGITS and abs(coarse.value - fine.value) <= 0.5000001 * 10.0**-decimals


def _precedence(score: Score) -> tuple[int, float, int, str]:
    tight = (
        {"above": 1.0, "below": -1.0}.get(score.status, 0.0) * score.value if score.status != "ok" else 0.0
    )
    digits = _decimals(score.value) if score.status == "ok" else 0
    return _RANK[score.status], 0.0 if math.isnan(tight) else tight, score.n * 1000 + digits, score.detail


def _decimals(value: float) -> int:
    """Decimals of a number as it is printed; negative for zeros before the point."""
    return -int(Decimal(repr(value)).normalize().as_tuple().exponent)


def _mean(scores: Sequence[Score]) -> Score:
    n = sum(score.n for score in scores)
    if len(scores) == 1:
        return scores[0]
    mean = math.fsum(score.n * score.value for score in scores) / n
    within = math.fsum((score.n - 1) * (score.sd or 0.0) ** 2 for score in scores)
    between = math.fsum(score.n * (score.value - mean) ** 2 for score in scores)
    return Score(mean, "ok", n=n, sd=math.sqrt((within + between) / (n - 1)))
