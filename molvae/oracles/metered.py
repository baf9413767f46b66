"""Budget and cache around any oracle: charged per unique molecule that was really evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.chemistry.molecule import Invalid, Molecule
from molvae.errors import UsageError
from molvae.oracles.base import Oracle, Score, ask, n_workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


FREE = ("invalid", "skipped")
"""The statuses of a molecule that was not evaluated: it costs no call."""


class MeteredOracle:
    """An oracle with a budget and a memory.

    Each unique canonical SMILES that the inner oracle evaluates costs one call, whether it answers or fails.
    Free are molecules asked before, repeats within a batch, what `cache` holds, and what is `invalid`. Past
    the budget a molecule is `skipped`, which is remembered nowhere: with more budget it can be asked again.

    Args:
        oracle: What is metered.
        budget: Most calls; `None` is no limit.
        cache: Scores already known, by canonical SMILES; it is read, not written.

    Raises:
        UsageError: A negative budget.

    >>> from molvae.chemistry.molecule import parse
    >>> from molvae.oracles.properties import DescriptorOracle
    >>> metered = MeteredOracle(DescriptorOracle("heavy_atoms"), budget=2)
    >>> [score.status for score in metered([parse(text) for text in ("C", "C", "", "CC", "CCC", "C")])]
    ['ok', 'ok', 'invalid', 'ok', 'skipped', 'ok']
    >>> metered.calls, metered.remaining
    (2, 0)
    """

    def __init__(
        self, oracle: Oracle, budget: int | None = None, cache: Mapping[str, Score] | None = None
    ) -> None:
        if budget is not None and budget < 0:
            raise UsageError(f"a budget is a number of calls, got {budget}")
        self._oracle = oracle
        self._budget = budget
        self._known = {smiles: score for smiles, score in (cache or {}).items() if score.status != "skipped"}
        self._calls = 0

    @property
    def name(self) -> str:
        """The inner oracle's name."""
        return self._oracle.name

    @property
    def calls(self) -> int:
        """Calls charged so far."""
        return self._calls

    @property
    def remaining(self) -> int | None:
        """Calls left; `None` where there is no limit."""
        return None if self._budget is None else self._budget - self._calls

    def known(self) -> dict[str, Score]:
        """A copy of all scores known, by canonical SMILES: what a later meter takes as its `cache`."""
        return dict(self._known)

    @property
    def workers(self) -> int:
        """Molecules scored at a time, as the inner oracle does."""
        return n_workers(self._oracle)

    def __call__(self, molecules: Sequence[Molecule | Invalid]) -> list[Score]:
        """One score for each, in order; new molecules are asked in the order of their first appearance."""
        fresh = {
            molecule.smiles: molecule
            for molecule in molecules
            if isinstance(molecule, Molecule) and molecule.smiles not in self._known
        }
        waiting, new = list(fresh.values()), dict[str, Score]()
        while waiting and self.remaining != 0:  # again, where some of those asked turned out to be free
            share = len(waiting) if self.remaining is None else self.remaining
            asked, waiting = waiting[:share], waiting[share:]
            scores = ask(self._oracle, asked)
            new.update(zip((molecule.smiles for molecule in asked), scores, strict=True))
            self._calls += sum(score.status not in FREE for score in scores)
        self._known.update({smiles: score for smiles, score in new.items() if score.status != "skipped"})
        return [self._score(molecule, new) for molecule in molecules]

    def _score(self, molecule: Molecule | Invalid, new: Mapping[str, Score]) -> Score:
        if not isinstance(molecule, Molecule):
            return Score.invalid(molecule.reason)
        score = self._known.get(molecule.smiles) or new.get(molecule.smiles)
        return score or Score.skipped(f"the budget of {self._budget} calls is spent")
