"""KL score of GuacaMol (Brown 2019)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import entropy, gaussian_kde

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.fingerprints import packed_bits
from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import standardize
from molvae.evaluation.nearest import nearest_other
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.progress import Progress

CONTINUOUS = ("bertz", "logp", "mw", "tpsa")
DISCRETE = ("hba", "hbd", "rotatable_bonds", "aliphatic_rings", "aromatic_rings")
N_MOLECULES = 10_000
_BITS = 4096
_POINTS, _BINS, _FLOOR = 1000, 10, 1e-10  # of the densities that are compared, as in GuacaMol
_FEWEST = 3  # molecules a density is estimated from


def kl_score(
    smiles: Sequence[str],
    reference: Sequence[str],
    *,
    n: int = N_MOLECULES,
    workers: int = 0,
    progress: Progress = SILENT,
) -> tuple[float, int]:
    """Mean of exp(-KL(reference || generated)) over ten quantities; 1 for the same distribution.

    Args:
        smiles: Valid SMILES of a generator; the first `n` different ones, without stereo marks, count.
        reference: Valid SMILES to compare with; `n` of them drawn at random.
        n: Molecules on each side.
        workers: Processes.
        progress: Where progress is reported.

    Returns:
        The score, NaN for fewer than three molecules or a quantity without spread; the molecules it rests on.
    """
    chosen = np.sort(Seeds(42).numpy("guacamol-reference").permutation(len(reference))[:n])
    sides = [_flat(smiles, n), _flat([reference[row] for row in chosen], n)]
    if min(map(len, sides)) < _FEWEST:
        return math.nan, len(sides[0])
    progress.start("KL score", sum(map(len, sides)))
    described = []
    for side in sides:
        described.append(_quantities(side, workers))
        progress.advance("KL score", len(side))
    progress.finish("KL score")
    mine, theirs = described
    divergences = [
        *(_continuous(theirs[name], mine[name]) for name in (*CONTINUOUS, "similarity")),
        *(_discrete(theirs[name], mine[name]) for name in DISCRETE),
    ]
    return float(np.mean(np.exp(-np.array(divergences)))), len(sides[0])


def _flat(smiles: Sequence[str], n: int) -> list[Molecule]:
    """The first `n` different molecules, without stereo marks."""
    found: dict[str, Molecule] = {}
    for text in smiles:
        molecule = parse(text)
        if isinstance(molecule, Molecule) and set("@/\\") & set(molecule.smiles):
            molecule = standardize(molecule, "none", keep_stereo=False)
        if isinstance(molecule, Molecule):
            found.setdefault(molecule.smiles, molecule)
        if len(found) == n:
            break
    return list(found.values())


def _quantities(molecules: Sequence[Molecule], workers: int) -> dict[str, NDArray[np.float64]]:
    names = (*CONTINUOUS, *DISCRETE)
    table = describe_smiles([molecule.smiles for molecule in molecules], names, workers=workers)
    columns = dict(zip(names, np.nan_to_num(table).T))
    return {**columns, "similarity": nearest_other(packed_bits(molecules, n_bits=_BITS))}


def _continuous(baseline: NDArray[np.float64], sampled: NDArray[np.float64]) -> float:
    both = np.concatenate([baseline, sampled])
    points = np.linspace(both.min(), both.max(), _POINTS)
    try:
        p, q = (gaussian_kde(side)(points) + _FLOOR for side in (baseline, sampled))
    except np.linalg.LinAlgError:  # all values are the same: there is no density
        return math.nan
    return float(entropy(p, q))


def _discrete(baseline: NDArray[np.float64], sampled: NDArray[np.float64]) -> float:
    p, edges = np.histogram(baseline, bins=_BINS, density=True)
    inside = (sampled >= edges[0]) & (sampled <= edges[-1])
    if not inside.any():  # nothing in common: as far apart as the floor lets it be
        return float(entropy(p + _FLOOR, np.full(_BINS, _FLOOR)))
    q, _ = np.histogram(sampled, bins=edges, density=True)
    return float(entropy(p + _FLOOR, q + _FLOOR))
