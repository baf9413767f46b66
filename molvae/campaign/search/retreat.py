"""Retreat from exhausted basins: after a long time without a hit, every other batch avoids them.

A surrogate trained on hundreds of variants of one molecule proposes more of them, as it predicts dissimilar
molecules to be average. When no call in a basin has been a hit for a while, its best molecule becomes a
center, and every other batch is restricted to molecules dissimilar to all centers. When the next basin is
exhausted, it gets a center as well; after `MOST` centers all are dropped, so that basins can be combined.

In 20 PMO runs with 1,000 calls each, 5,257 calls followed 100 or more without a hit; three were hits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.utility import TOP, is_hit, tenth_best
from molvae.optimization.similarities import MinMaxGallery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.history import Trial
    from molvae.campaign.molecules import FeatureMemory
    from molvae.campaign.search.base import Situation


PATIENCE = 100
"""Calls in a row without a hit after which a basin is exhausted."""
N_BATCHES = 4
"""Minimum length of this plateau in batches."""
APART = 0.4
"""Similarity (MinMax) to a center from which a molecule belongs to its basin."""
MOST = 2
"""Maximum number of centers."""


@dataclass(frozen=True)
class Retreat:
    """Exhausted basins.

    Attributes:
        centers: Canonical SMILES of their best molecules.
        bars: Utilities that hits exceed: outside these basins, and inside.
        stale: Calls outside since the last hit.
        settled: Number of calls counted.
    """

    centers: tuple[str, ...] = ()
    bars: tuple[float | None, float | None] = (None, None)
    stale: int = 0
    settled: int = 0

    @classmethod
    def settle(cls, situation: Situation, n: int) -> Retreat:
        """The retreat before a batch of `n`, updated with all calls since the last batch.

        Not used with several goals.
        """
        history = situation.history
        before = cls()
        if kept := history.state.get("retreat"):
            before = cls(tuple(kept["centers"]), tuple(kept["bars"]), kept["stale"], kept["settled"])
        trials = history.evaluated
        if history.settings.has_several_goals or not trials:
            return before
        worth = history.utilities(trials)
        news = trials[before.settled :]
        near = before.near(situation.features, [trial.smiles for trial in news])
        after = _after(before, worth[before.settled :], near)
        if after.centers and after.stale < 0:  # a hit in an exhausted basin
            return _with_bars(replace(after, centers=(), stale=0), situation, trials, worth)
        if after.stale >= max(PATIENCE, N_BATCHES * n):
            after = _moved(after, situation, trials, worth)
        return _with_bars(after, situation, trials, worth)

    def near(self, features: FeatureMemory, smiles: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each molecule belongs to the basin of a center."""
        if not self.centers or not smiles:
            return np.zeros(len(smiles), dtype=bool)
        centers = MinMaxGallery(features(self.centers).multisets[0])
        return np.asarray((centers.similarities(features(smiles).multisets[0]) >= APART).any(axis=1))


def _after(retreat: Retreat, worth: NDArray[np.float64], near: NDArray[np.bool_]) -> Retreat:
    """Updated with these calls, in order; `stale` is -1 after a hit in an exhausted basin."""
    stale, (bar, near_bar) = retreat.stale, retreat.bars
    for utility, close in zip(worth.tolist(), near.tolist(), strict=True):
        hit = is_hit(utility, near_bar if close else bar)
        if close and hit:
            return replace(retreat, stale=-1, settled=retreat.settled + len(worth))
        if not close:
            stale = 0 if hit else stale + 1
    return replace(retreat, stale=stale, settled=retreat.settled + len(worth))


def _moved(
    retreat: Retreat, situation: Situation, trials: Sequence[Trial], worth: NDArray[np.float64]
) -> Retreat:
    """With one more center, or none after `MOST`."""
    if len(retreat.centers) >= MOST:
        return replace(retreat, centers=(), stale=0)
    for row in np.argsort(-worth, kind="stable"):  # NaN is last
        smiles = trials[row].smiles
        if np.isfinite(worth[row]) and not retreat.near(situation.features, [smiles])[0]:
            return replace(retreat, centers=(*retreat.centers, smiles), stale=0)
    return replace(retreat, stale=0)


def _with_bars(
    retreat: Retreat, situation: Situation, trials: Sequence[Trial], worth: NDArray[np.float64]
) -> Retreat:
    """With the tenth best utility outside the basins, and overall."""
    order = [int(row) for row in np.argsort(-worth, kind="stable") if np.isfinite(worth[row])]
    overall = tenth_best(worth)
    found: list[float] = []
    for first in range(0, len(order), 100):
        block = order[first : first + 100]
        near = retreat.near(situation.features, [trials[row].smiles for row in block])
        found += [float(worth[row]) for row, close in zip(block, near) if not close]
        if len(found) >= TOP:
            return replace(retreat, bars=(found[TOP - 1], overall))
    return replace(retreat, bars=(None, overall))
