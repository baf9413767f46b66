"""Features of random candidates."""

import numpy as np
import torch

from molvae.optimization.similarities import Features, Gallery, Multisets


def counts(n, f=80, seed=0, rate=0.6):
    generator = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.full((n, f), rate), generator=generator).numpy()


def multisets(table):
    """The multisets of a dense matrix of counts."""
    rows, columns = np.nonzero(table)
    lengths = np.bincount(rows, minlength=len(table))
    return Multisets.of_entries(lengths, columns, table[rows, columns].astype(int), table.shape[1])


def joined(*parts):
    """Features of both, concatenated."""
    keys = [
        [key for part in parts for key in np.split(part.multisets[j].keys, part.multisets[j].offsets[1:-1])]
        for j in range(len(parts[0].views))
    ]
    width = parts[0].multisets[0].width
    numbers = np.concatenate([part.numbers for part in parts])
    return Features(parts[0].views, tuple(Multisets.of_keys(rows, width) for rows in keys), numbers)


def seen(first, second=None, numbers=None):
    """Features with one or two fingerprints."""
    views = ("morgan",) if second is None else ("morgan", "atom_pair")
    blocks = [first] if second is None else [first, second]
    width = np.empty((len(first), 0)) if numbers is None else numbers
    return Features(views, tuple(map(multisets, blocks)), width)


def gallery(x):
    return Gallery(x)


def by_definition(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    low, high = np.minimum(a[:, None], b[None]).sum(-1), np.maximum(a[:, None], b[None]).sum(-1)
    return np.where(high > 0, low / np.maximum(high, 1), 1.0)
