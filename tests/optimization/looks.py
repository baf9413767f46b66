"""Features of invented candidates."""

import numpy as np
import torch

from molvae.optimization.features import Features, Multisets
from molvae.optimization.similarities import Gallery


def counts(n, f=80, seed=0, rate=0.6):
    generator = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.full((n, f), rate), generator=generator).numpy()


def seen(first, second=None, numbers=None):
    """Features with one fingerprint or two."""
    views = ("morgan",) if second is None else ("morgan", "atom_pair")
    blocks = [first] if second is None else [first, second]
    width = np.empty((len(first), 0)) if numbers is None else numbers
    return Features(views, tuple(Multisets.of_counts(block) for block in blocks), width)


def gallery(x, *more):
    return Gallery(Features.joined([x, *more]))


def by_definition(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    low, high = np.minimum(a[:, None], b[None]).sum(-1), np.maximum(a[:, None], b[None]).sum(-1)
    return np.where(high > 0, low / np.maximum(high, 1), 1.0)
