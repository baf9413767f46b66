"""Shares of the moves: those whose offspring come out on top get more of the attempts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOOR = 0.2
"""No move gets less than this part of its share at the start."""
_HALF_LIFE = 10.0  # in batches, of what a move earned
_HIT_WEIGHT = 0.5  # of scored molecules among the ten best; the rest for offspring among the best of the pool
_PRIOR_BATCHES = 2.0  # each move begins as if it had earned its share in so many batches


@dataclass(frozen=True)
class MoveRecord:
    """What one move did.

    Attributes:
        effort: Its share of the attempts, summed over batches, older ones counting less.
        credit: Its share of what the attempts earned, likewise.
        attempts: In all.
        valid: Attempts that gave a molecule the campaign accepts.
        new: Of these, molecules that were neither on record nor in the pool.
        top: Of these, molecules the acquisition put among the best of their batch.
        share: Of the attempts of the last batch.
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
    """What one move did in one batch.

    Attributes:
        attempts: How often it was tried.
        valid: Attempts that gave a molecule the campaign accepts.
        new: Of these, molecules not met before.
        top: Of these, molecules among the best of the batch.
        hits: Its molecules, of any batch, whose scores have come in and were among the best known.
    """

    attempts: int = 0
    valid: int = 0
    new: int = 0
    top: int = 0
    hits: int = 0


@dataclass(frozen=True)
class Shares:
    """A bandit over moves.

    A move's worth is its yield: what it earned over what it tried, both as shares of a batch and discounted
    with a half-life, starting from `_PRIOR_BATCHES` batches of average yield. What is earned is a place among
    the best of the pool, by the acquisition, and a place among the best molecules, by the score.

    Attributes:
        prior: Shares before experience; they sum to 1.
        records: Of each move.
    """

    prior: Mapping[str, float]
    records: Mapping[str, MoveRecord]

    @classmethod
    def of(cls, prior: Mapping[str, float], kept: Mapping[str, Any]) -> Shares:
        """Shares as they were kept; moves that are new start from their prior."""
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
        """The shares once a batch has been searched for."""
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
