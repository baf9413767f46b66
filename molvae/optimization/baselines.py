"""Baselines that spend a budget without learning from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def random_rows(n: int, q: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """`q` different rows of `n`, in random order; all of them when there are fewer.

    >>> sorted(random_rows(3, 5, np.random.default_rng(0)).tolist())
    [0, 1, 2]
    """
    return generator.permutation(n)[:q].astype(np.int64)
