"""Rows of a screen in its stages, and their account: the funnel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.data.records import BadRow, Row
    from molvae.screening.ranking import Range

STAGES = ("read", "parse", "standardize", "filter", "known", "encode", "domain", "score", "objective")
"""Stages that drop rows, in order. score: an oracle failed; objective: a bound is not satisfied."""

BAD = ("read", "parse", "standardize", "encode", "score")
"""Stages of rows with an error; their lines and reasons are always reported."""

_MOST_REASONS = 100


@dataclass(frozen=True)
class Funnel:
    """Account of rows: ``read = hits + dropped``, always.

    Attributes:
        read: Rows read, without blank lines and headers.
        hits: Rows that passed every stage.
        dropped: Rows dropped at each stage.
        by_reason: Dropped rows by "stage: reason"; rare reasons are counted together.

    >>> funnel = Funnel(read=10, hits=5, dropped={"parse": 1, "filter": 2, "domain": 2})
    >>> print(funnel)
    read 10 → valid 9 → kept 7 → in domain 5 → hits 5
    >>> print(funnel.balance)
    10 read = 5 hits + 1 parse + 2 filter + 2 domain
    """

    read: int = 0
    hits: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    by_reason: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.read == self.hits + sum(self.dropped.values()), self.balance  # noqa: S101 - invariant

    @property
    def valid(self) -> int:
        """Rows with a valid molecule."""
        return self.read - self._dropped("read", "parse", "standardize")

    @property
    def kept(self) -> int:
        """Valid molecules that pass the filters and are not known."""
        return self.valid - self._dropped("filter", "known")

    @property
    def in_domain(self) -> int:
        """Kept molecules in the applicability domain."""
        return self.kept - self._dropped("encode", "domain")

    @property
    def unscored(self) -> int:
        """Molecules that an oracle failed on."""
        return self._dropped("score")

    def without_unscored(self) -> Funnel:
        """The account of all other rows."""
        dropped = {stage: n for stage, n in self.dropped.items() if stage != "score"}
        reasons = {reason: n for reason, n in self.by_reason.items() if not reason.startswith("score:")}
        return Funnel(self.read - self.unscored, self.hits, dropped, reasons)

    @property
    def balance(self) -> str:
        """The account of all rows, as one line."""
        terms = [f"{self.hits:,} hits", *(f"{self.dropped[s]:,} {s}" for s in STAGES if self._dropped(s))]
        return f"{self.read:,} read = {' + '.join(terms)}"

    def __str__(self) -> str:
        steps = ("read", "valid", "kept", "in_domain", "hits")
        return " → ".join(f"{step.replace('_', ' ')} {getattr(self, step):,}" for step in steps)

    def __add__(self, other: Funnel) -> Funnel:
        reasons = Counter(dict(self.by_reason))
        for reason, n in other.by_reason.items():
            reasons[reason if reason in reasons or len(reasons) < _MOST_REASONS else "other"] += n
        dropped = {stage: self._dropped(stage) + other._dropped(stage) for stage in STAGES}
        return Funnel(self.read + other.read, self.hits + other.hits, dropped, dict(reasons))

    def facts(self) -> dict[str, Any]:
        """The account for JSON."""
        steps = {name: getattr(self, name) for name in ("read", "valid", "kept", "in_domain", "hits")}
        dropped = {stage: self._dropped(stage) for stage in STAGES}
        return {**steps, "dropped": dropped, "by_reason": dict(self.by_reason)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Funnel:
        """The account in `facts`.

        Raises:
            ValueError: Not an account; also a `LookupError`, `TypeError` or `AssertionError`.
        """
        dropped, reasons = (
            {str(name): int(n) for name, n in facts[key].items()} for key in ("dropped", "by_reason")
        )
        return cls(int(facts["read"]), int(facts["hits"]), dropped, reasons)

    def _dropped(self, *stages: str) -> int:
        return sum(self.dropped.get(stage, 0) for stage in stages)


@dataclass(slots=True, eq=False)
class Entry:
    """A row in the stages of a screen.

    Attributes:
        row: As it was read.
        molecule: Standardized; None if the row was dropped before it had one.
        values: Numbers by column name.
        leads: Whether it can be among the best.
        z: Latent vector, `d`, where vectors are kept.
        reason: Why it was dropped, or "".
    """

    row: Row | BadRow
    molecule: Molecule | None
    values: dict[str, float] = field(default_factory=dict)
    leads: bool = False
    z: NDArray[np.float32] | None = None
    reason: str = ""

    @property
    def valid(self) -> Molecule:
        """The molecule of an entry that has not been dropped."""
        assert self.molecule is not None  # noqa: S101 - rows without one are dropped
        return self.molecule


@dataclass(frozen=True)
class Screened:
    """The outcome of one part.

    Attributes:
        funnel: Account of its rows.
        entries: Kept rows, in order: all, all hits, or the hits that can be among the best.
        over: Range of each goal over all hits.
        rejected: (line, identifier, text, stage, reason) of the rows to be reported.
        seconds: Processor time spent, by stage.
    """

    funnel: Funnel
    entries: list[Entry]
    over: Range
    rejected: list[tuple[int, str, str, str, str]]
    seconds: dict[str, float]
