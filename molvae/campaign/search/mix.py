"""The sources of a campaign, with adaptive shares of their moves and step widths."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.search.base import SOURCES
from molvae.campaign.utility import is_hit, tenth_best

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from molvae.campaign.molecules import Latents
    from molvae.campaign.search.base import Draft, Offspring, ProposalSource, Situation


FLOOR = 0.2
"""Minimum share of a move, as a fraction of its initial share."""
_HALF_LIFE = 10.0  # of effort and credit, in batches
_HIT_WEIGHT = 0.5  # weight of hits; the rest for offspring among the best of the pool
_PRIOR_BATCHES = 2.0  # prior batches of average success per move
_NARROWEST, _WIDEST = 0.25, 2.5
_WIDEN_ABOVE, _NARROW_BELOW = 0.6, 0.15  # shares of known molecules among valid offspring
_PATIENCE = 200  # calls in a row without a hit after which steps slowly widen
_WIDER, _NARROWER, _CREEPING = 1.3, 1 / 1.15, 1.05


@dataclass
class MoveRecord:
    """Attempts of one move, in one batch or in all.

    Attributes:
        attempts: Number of attempts.
        valid: Attempts with an acceptable molecule.
        new: New molecules among these.
        top: Molecules with the highest acquisition of their batch among these.
        effort: Its share of the attempts, a discounted sum over batches.
        credit: Its share of the successes, likewise.
        share: Share of the attempts of the last batch.
    """

    attempts: int = 0
    valid: int = 0
    new: int = 0
    top: int = 0
    effort: float = 0.0
    credit: float = 0.0
    share: float = 0.0


@dataclass(frozen=True)
class Shares:
    """A bandit over moves.

    A move is weighted by its yield: credit over effort, both as shares of a batch, discounted, and starting
    from `_PRIOR_BATCHES` batches of average yield. Credit is given for molecules with the highest acquisition
    of their pool and for hits. Shares before experience, the `prior`, sum to 1.
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
        """Shares of the next attempts; they sum to 1, each at least `FLOOR` times its prior."""
        worth = {move: share * self._yield(move) for move, share in self.prior.items()}
        total = sum(worth.values())
        return {move: FLOOR * p + (1 - FLOOR) * worth[move] / total for move, p in self.prior.items()}

    def after(self, batch: Mapping[str, MoveRecord], hits: Counter[str]) -> Shares:
        """The shares updated with a batch, and with hits since the previous one."""
        fading = 0.5 ** (1.0 / _HALF_LIFE)
        n_attempts = sum(record.attempts for record in batch.values())
        n_top = sum(record.top for record in batch.values())
        weight = _HIT_WEIGHT if hits else 0.0
        records = {}
        for move in dict.fromkeys([*self.records, *batch, *hits]):
            old, new = self.records.get(move, MoveRecord()), batch.get(move, MoveRecord())
            share, top = _portion(new.attempts, n_attempts), _portion(new.top, n_top)
            records[move] = MoveRecord(
                old.attempts + new.attempts,
                old.valid + new.valid,
                old.new + new.new,
                old.top + new.top,
                effort=old.effort * fading + share,
                credit=old.credit * fading + (1 - weight) * top + weight * _portion(hits[move], hits.total()),
                share=share,
            )
        return replace(self, records=records)

    def _yield(self, move: str) -> float:
        record = self.records.get(move, MoveRecord())
        start = _PRIOR_BATCHES * self.prior[move]
        return (record.credit + start) / (record.effort + start)


def _portion(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


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


class Mix:
    """The sources of the settings, each with its step width, and the shares of their moves.

    Adapted values are in the state of the last batch.
    """

    def __init__(self, situation: Situation, latents: Latents) -> None:
        self.settings = situation.history.settings
        kept = situation.history.state.get("sources", {})
        self._widening: dict[str, float] = {
            name: float(kept.get("widening", {}).get(name, 1.0)) for name in sorted(self.settings.sources)
        }
        self._sources: dict[str, ProposalSource] = {
            name: SOURCES.get(name)(situation, latents, width) for name, width in self._widening.items()
        }
        self._source_of: dict[str, str] = {}
        prior: dict[str, float] = {}
        for name, source in self._sources.items():
            total = sum(source.moves.values()) or 1.0
            for move, share in source.moves.items():
                prior[move] = prior.get(move, 0.0) + self.settings.sources[name] * share / total
                self._source_of.setdefault(move, name)
        self.shares = Shares.of(prior, kept.get("moves", {}))
        self._batch: defaultdict[str, MoveRecord] = defaultdict(MoveRecord)
        self._fresh: dict[str, str] = {}
        self._standing, self._hits = _standing(situation, kept)

    def plan(self, n: int, generator: np.random.Generator) -> list[tuple[ProposalSource, dict[str, int]]]:
        """`n` attempts, divided among the moves by their shares: each source with its moves."""
        counts = allotted(self.shares.now(), n, generator)
        found = []
        for name, source in self._sources.items():
            mine = {m: count for m, count in counts.items() if count and self._source_of[m] == name}
            found += [(source, mine)] if mine else []
        return found

    def took(self, attempts: Sequence[Offspring], accepted: Sequence[Draft], fresh: Sequence[Draft]) -> None:
        """Count attempts, the acceptable molecules among them, and the new ones among these."""
        for attempt in attempts:
            self._batch[attempt.move].attempts += 1
        for draft in accepted:
            self._batch[draft.source].valid += 1
        for draft in fresh:
            self._batch[draft.source].new += 1
            self._fresh[draft.smiles] = draft.source

    def to_json(self, top: Collection[str]) -> dict[str, Any]:
        """State for the next batch, given the molecules with the highest acquisition of this one."""
        for smiles in top:
            if smiles in self._fresh:
                self._batch[self._fresh[smiles]].top += 1
        shares = self.shares.after(self._batch, self._hits)
        return {
            "moves": {move: asdict(record) for move, record in shares.records.items()},
            "widening": {name: self._next_width(name) for name in self._sources},
            **self._standing,
        }

    def _next_width(self, name: str) -> float:
        """Wider if most valid offspring are known, narrower if few; slowly wider on a plateau."""
        width = self._widening[name]
        mine = [tally for move, tally in self._batch.items() if self._source_of.get(move) == name]
        valid, new = sum(tally.valid for tally in mine), sum(tally.new for tally in mine)
        factor = 1.0
        if valid and 1 - new / valid > _WIDEN_ABOVE:
            factor = _WIDER
        elif self._standing["stale"] >= _PATIENCE:
            factor = _CREEPING
        elif valid and 1 - new / valid < _NARROW_BELOW:
            factor = _NARROWER
        return min(max(width * factor, _NARROWEST), _WIDEST)


def _standing(situation: Situation, kept: dict[str, Any]) -> tuple[dict[str, Any], Counter[str]]:
    """Calls counted, utility of a hit, calls since the last one; hits of each move since the last batch."""
    history = situation.history
    trials = history.evaluated
    worth = history.utilities(trials)
    settled, bar = int(kept.get("settled", 0)), kept.get("bar")
    news = list(zip(trials[settled:], worth[settled:].tolist()))
    hits = [trial for trial, utility in news if is_hit(utility, bar)]
    stale = 0 if hits else int(kept.get("stale", 0)) + len(news)
    standing = {"settled": len(trials), "bar": tenth_best(worth), "stale": stale}
    return standing, Counter(trial.candidate.source for trial in hits if trial.candidate is not None)
