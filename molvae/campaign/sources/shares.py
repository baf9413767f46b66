"""Shares of the moves among the attempts: a bandit that rewards successful moves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOOR = 0.2
"""Minimum share of a move, as a fraction of its initial share."""
_HALF_LIFE = 10.0  # of effort and credit, in batches
_HIT_WEIGHT = 0.5  # of hits; the rest for offspring among the best of the pool
_PRIOR_BATCHES = 2.0  # batches of average success that each move begins with


@dataclass(frozen=True)
class MoveRecord:
    """Record of one move.

    Attributes:
        effort: Its share of the attempts, a discounted sum over batches.
        credit: Its share of the successes, likewise.
        attempts: Total number of attempts.
        valid: Attempts with an acceptable molecule.
        new: New molecules among these.
        top: Molecules with the highest acquisition of their batch among these.
        share: Share of the attempts of the last batch.
    """

    effort: float = 0.0
    credit: float = 0.0
    attempts: int = 0
    valid: int = 0
    new: int = 0
    top: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class Tally:
    """Counts of one move in one batch.

    Attributes:
        attempts: Number of attempts.
        valid: Attempts with an acceptable molecule.
        new: New molecules among these.
        top: Molecules with the highest acquisition among these.
        hits: Hits among the scores since the last batch.
    """

    attempts: int = 0
    valid: int = 0
    new: int = 0
    top: int = 0
    hits: int = 0


@dataclass(frozen=True)
class Shares:
    """A bandit over moves.

    A move is weighted by its yield: credit over effort, both as shares of a batch, discounted, and starting
    from `_PRIOR_BATCHES` batches of average yield. Credit is given for molecules with the highest acquisition
    of their pool and for hits.

    Attributes:
        prior: Shares before experience; they sum to 1.
        records: Of each move.
    """

    prior: Mapping[str, float]
    records: Mapping[str, MoveRecord]

    @classmethod
    def of(cls, prior: Mapping[str, float], kept: Mapping[str, Any]) -> Shares:
        """Shares from the state of the last batch; new moves start from their prior."""
        total = sum(prior.values())
        return cls(
            prior={move: share / total for move, share in prior.items() if share > 0},
            records={move: MoveRecord(**record) for move, record in kept.items()},
        )

    def now(self) -> dict[str, float]:
        """Shares of the next attempts; they sum to 1, and no move falls below `FLOOR` times its prior."""
        worth = {move: share * self._yield(move) for move, share in self.prior.items()}
        total = sum(worth.values())
        return {move: FLOOR * p + (1 - FLOOR) * worth[move] / total for move, p in self.prior.items()}

    def after(self, batch: Mapping[str, Tally]) -> Shares:
        """The shares after a batch."""
        fading = 0.5 ** (1.0 / _HALF_LIFE)
        effort = _portions({move: tally.attempts for move, tally in batch.items()})
        top = _portions({move: tally.top for move, tally in batch.items()})
        hits = _portions({move: tally.hits for move, tally in batch.items()})
        weight = _HIT_WEIGHT if sum(hits.values()) else 0.0
        records = {move: _faded(record, fading) for move, record in self.records.items()}
        for move, tally in batch.items():
            old = records.get(move, MoveRecord())
            records[move] = replace(
                old,
                effort=old.effort + effort[move],
                credit=old.credit + (1 - weight) * top[move] + weight * hits[move],
                attempts=old.attempts + tally.attempts,
                valid=old.valid + tally.valid,
                new=old.new + tally.new,
                top=old.top + tally.top,
                share=effort[move],
            )
        return replace(self, records=records)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {move: asdict(record) for move, record in self.records.items()}

    def _yield(self, move: str) -> float:
        record = self.records.get(move, MoveRecord())
        start = _PRIOR_BATCHES * self.prior[move]
        return (record.credit + start) / (record.effort + start)


def _portions(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {move: count / total if total else 0.0 for move, count in counts.items()}


def _faded(record: MoveRecord, fading: float) -> MoveRecord:
    return replace(record, effort=record.effort * fading, credit=record.credit * fading, share=0.0)


def allotted(shares: Mapping[str, float], n: int, generator: np.random.Generator) -> dict[str, int]:
    """`n` attempts divided by shares, the remainders at random.

    >>> allotted({"a": 0.5, "b": 0.5}, 4, np.random.default_rng(0))
    {'a': 2, 'b': 2}
    """
    wanted = np.array(list(shares.values())) * n
    counts = np.floor(wanted + 1e-9).astype(int)
    rest = np.clip(wanted - counts, 0.0, None)
    missing = n - int(counts.sum())
    if missing:
        chance = rest + 1e-12
        extra = generator.choice(
            len(rest), size=missing, replace=missing > len(rest), p=chance / chance.sum()
        )
        np.add.at(counts, extra, 1)
    return dict(zip(shares, counts.tolist()))
