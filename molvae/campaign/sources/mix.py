"""The sources of a campaign, with shares of the attempts and step widths that adapt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molvae.campaign.sources.base import make_source
from molvae.campaign.sources.shares import Shares, Tally, allotted
from molvae.campaign.trace import is_hit, tenth_best

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np

    from molvae.campaign.methods.base import Draft, Situation
    from molvae.campaign.sources.base import Latents, Offspring, Parents, ProposalSource

_NARROWEST, _WIDEST = 0.25, 2.5
_WIDEN_ABOVE, _NARROW_BELOW = 0.6, 0.15  # shares of the valid offspring that repeat what is known
_PATIENCE = 200  # calls in a row without a hit after which steps creep wider
_WIDER, _NARROWER, _CREEPING = 1.3, 1 / 1.15, 1.05


class Mix:
    """The sources of the settings, each with its step width, and the shares of their moves.

    Args:
        situation: Has history and settings; what was learned is in the state of its last batch.
        latents: Shared by the sources.
    """

    def __init__(self, situation: Situation, latents: Latents) -> None:
        self.settings = situation.history.settings
        kept = situation.history.state.get("sources", {})
        self._widening: dict[str, float] = {
            name: float(kept.get("widening", {}).get(name, 1.0)) for name in sorted(self.settings.sources)
        }
        self._sources: dict[str, ProposalSource] = {
            name: make_source(name, situation, latents, width) for name, width in self._widening.items()
        }
        self._source_of: dict[str, str] = {}
        prior: dict[str, float] = {}
        for name, source in self._sources.items():
            total = sum(source.moves.values()) or 1.0
            for move, share in source.moves.items():
                prior[move] = prior.get(move, 0.0) + self.settings.sources[name] * share / total
                self._source_of.setdefault(move, name)
        self.shares = Shares.of(prior, kept.get("moves", {}))
        self._batch: dict[str, Tally] = {}
        self._fresh: dict[str, str] = {}
        self._standing = _standing(situation, kept)
        for move in self._standing.pop("hits"):
            self._count(move, hits=1)

    def breed(self, parents: Parents, n: int, generator: np.random.Generator) -> list[Offspring]:
        """`n` attempts, divided among the moves by their shares."""
        counts = allotted(self.shares.now(), n, generator)
        attempts: list[Offspring] = []
        for name, source in self._sources.items():
            mine = {m: count for m, count in counts.items() if count and self._source_of[m] == name}
            if mine:
                attempts += source.offspring(parents, mine, generator)
        return attempts

    def took(self, attempts: Sequence[Offspring], accepted: Sequence[Draft], fresh: Sequence[Draft]) -> None:
        """Count attempts, the acceptable molecules among them, and the new ones among these."""
        for attempt in attempts:
            self._count(attempt.move, attempts=1)
        for draft in accepted:
            self._count(draft.source, valid=1)
        for draft in fresh:
            self._count(draft.source, new=1)
            self._fresh[draft.smiles] = draft.source

    def to_json(self, top: Collection[str]) -> dict[str, Any]:
        """State for the next batch, given the molecules with the highest acquisition of this one."""
        for smiles in top:
            if smiles in self._fresh:
                self._count(self._fresh[smiles], top=1)
        return {
            "moves": self.shares.after(self._batch).to_json(),
            "widening": {name: self._next_width(name) for name in self._sources},
            **self._standing,
        }

    def _count(self, move: str, **more: int) -> None:
        tally = self._batch.get(move, Tally())
        self._batch[move] = replace(tally, **{key: getattr(tally, key) + n for key, n in more.items()})

    def _next_width(self, name: str) -> float:
        """Wider if most valid offspring are known, narrower if few are; slowly wider on a plateau."""
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


def _standing(situation: Situation, kept: dict[str, Any]) -> dict[str, Any]:
    """Calls counted, utility of a hit, moves with hits since the last batch, calls since the last hit."""
    history = situation.history
    trials = history.evaluated
    worth = history.utilities(trials)
    settled, bar = int(kept.get("settled", 0)), kept.get("bar")
    news = list(zip(trials[settled:], worth[settled:].tolist()))
    hits = [trial for trial, utility in news if is_hit(utility, bar)]
    return {
        "settled": len(trials),
        "bar": tenth_best(worth),
        "stale": 0 if hits else int(kept.get("stale", 0)) + len(news),
        "hits": [trial.candidate.source for trial in hits if trial.candidate is not None],
    }
