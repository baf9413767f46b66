"""Count what becomes of every row: the funnel, and the balance that it obeys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = ("read", "parse", "standardize", "filter", "known", "encode", "domain", "score", "objective")
"""Where a row can be dropped, in order. score: an oracle gave no number; objective: a bound is not kept."""

BAD = ("read", "parse", "standardize", "encode", "score")
"""Stages at which something is wrong with the row; its line and the reason are always reported."""

_MOST_REASONS = 100


@dataclass(frozen=True)
class Funnel:
    """What became of the rows: ``read = hits + dropped``, always.

    Attributes:
        read: Rows read; blank lines and headers are none.
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
        assert self.read == self.hits + sum(self.dropped.values()), self.balance  # noqa: S101 - the law

    @property
    def valid(self) -> int:
        """Rows that hold a molecule."""
        return self.read - self._dropped("read", "parse", "standardize")

    @property
    def kept(self) -> int:
        """Valid molecules that pass the filters and are not known."""
        return self.valid - self._dropped("filter", "known")

    @property
    def in_domain(self) -> int:
        """Kept molecules that the model can be asked about."""
        return self.kept - self._dropped("encode", "domain")

    @property
    def unscored(self) -> int:
        """Molecules that an oracle gave no number for."""
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
        """All of it, to be written down."""
        steps = {name: getattr(self, name) for name in ("read", "valid", "kept", "in_domain", "hits")}
        dropped = {stage: self._dropped(stage) for stage in STAGES}
        return {**steps, "dropped": dropped, "by_reason": dict(self.by_reason)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Funnel:
        """What `facts` wrote down.

        Raises:
            ValueError: These are no counts; likewise a `LookupError`, `TypeError` or `AssertionError`.
        """
        dropped, reasons = (
            {str(name): int(n) for name, n in facts[key].items()} for key in ("dropped", "by_reason")
        )
        return cls(int(facts["read"]), int(facts["hits"]), dropped, reasons)

    def _dropped(self, *stages: str) -> int:
        return sum(self.dropped.get(stage, 0) for stage in stages)
