"""Compare the molecules of a generator to a reference: the metrics of MOSES (Polykovskiy 2020).

All metrics but validity are those of the valid molecules, canonical and in order, with duplicates; `unique@k`
is that of the first k of them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import entropy, gaussian_kde, wasserstein_distance

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.fingerprints import packed_bits
from molvae.chemistry.molecule import Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.errors import InputError
from molvae.evaluation.base import Metric, MetricTable
from molvae.evaluation.frechet import fcd_score, frechet_distance, require_chemnet
from molvae.evaluation.profile import (
    DESCRIPTOR_NAMES,
    PARTS,
    Part,
    Profile,
    internal_diversity,
    nearest_other,
    nearest_similarity,
    read_as,
)
from molvae.parallel.mapping import ordered_map
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from molvae.chemistry.admission import Rules
    from molvae.evaluation.molecules import MoleculeSet
    from molvae.progress import Progress

UNIQUE_AT = (1_000, 10_000)
_TITLES = {"logp": "logP", "sa": "SA", "qed": "QED", "mw": "weight"}
_FEWEST = 2  # molecules for a distance between distributions
_W1 = "logP, SA, QED, weight: Wasserstein-1 distance to the reference."
_FILTERS = {
    True: "Filters: the MOSES filters with their 502 alerts.",
    False: "Filters: the MOSES filters with RDKit's PAINS catalog, without the 22 other alerts.",
}


def measure(
    samples: MoleculeSet,
    *,
    references: Sequence[MoleculeSet] = (),
    training: AbstractSet[str] | None = None,
    parts: Collection[Part] = PARTS,
    fcd: bool = True,
    guacamol: bool = False,
    workers: int = 0,
    progress: Progress = SILENT,
) -> MetricTable:
    """Evaluate the output of a generator, including invalid texts.

    Args:
        samples: The output, in order.
        references: Sets to compare with; a row `METRIC/REFERENCE` for each metric and reference.
        training: Canonical SMILES of the training set (`canonical_set`), for novelty.
        parts: Which parts of the profiles to compare; each costs time.
        fcd: Whether to measure the Fréchet ChemNet Distance (needs `fcd_torch`).
        guacamol: Whether to add the KL and FCD scores of GuacaMol.
        workers: Processes for the KL score.
        progress: Where progress is reported.

    Raises:
        InputError: No text at all, or a reference without a molecule.
        MissingDependencyError: `fcd` without `fcd_torch`.
    """
    if not samples.texts:
        raise InputError("there is no molecule to evaluate", hint="Give the generator's output, invalid too.")
    if fcd and references:
        require_chemnet()
    mine = samples.profile(parts)
    rows = [*_alone(mine), *_novelty(mine, training), *_diversity(mine)]
    notes = [_FILTERS[samples.alerts is not None]] if mine.filters is not None else []
    for reference in references:
        other = reference.profile([part for part in parts if part != "filters"])
        if not len(other):
            raise InputError(f"the reference {reference.name} has no molecule")
        rows += _distance(samples, reference) if fcd else []
        rows += _against(mine, other, reference.name, progress)
        rows += _scores(mine, rows, reference, workers, progress) if guacamol else []
        notes += [_W1] if mine.descriptors is not None else []
    return MetricTable(tuple(rows), tuple(dict.fromkeys(notes)))


def canonical_set(
    texts: Sequence[str], *, rules: Rules | None = None, workers: int = 0, progress: Progress = SILENT
) -> set[str]:
    """The distinct molecules of SMILES, as canonical SMILES: the training set for novelty.

    With rules, molecules are standardized; those of the samples must be the same.

    >>> sorted(canonical_set(["OCC", "CCO", "no molecule", "C"]))
    ['C', 'CCO']
    """
    found: set[str] = set()
    progress.start("training molecules", len(texts))
    for smiles in ordered_map(partial(_smiles_as, rules=rules), texts, workers=workers, chunk=512):
        if smiles is not None:
            found.add(smiles)
        progress.advance("training molecules")
    progress.finish("training molecules", different=len(found))
    return found


def _smiles_as(text: str, rules: Rules | None) -> str | None:
    molecule = read_as(text, rules)
    return molecule.smiles if is_valid(molecule) else None


def cosine(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    """Cosine similarity of two vectors of counts; NaN where one has none.

    >>> cosine({"C": 3, "N": 4}, {"C": 3, "N": 4, "O": 12})
    0.38461538461538464
    """
    lengths = math.hypot(*a.values()) * math.hypot(*b.values())
    if not lengths:
        return math.nan
    return sum(count * b.get(name, 0) for name, count in a.items()) / lengths


def _alone(mine: Profile) -> Iterator[Metric]:
    n = len(mine)
    yield Metric("valid", n / mine.n_texts, mine.n_texts, "higher")
    for k in UNIQUE_AT:
        share = len(set(mine.smiles[:k])) / k if n >= k else math.nan
        yield Metric(f"unique@{k // 1000}k", share, min(n, k), "higher")
    yield Metric("unique", len(set(mine.smiles)) / n if n else math.nan, n, "higher")


def _novelty(mine: Profile, training: AbstractSet[str] | None) -> Iterator[Metric]:
    if training is not None:
        different = set(mine.smiles)
        share = len(different - training) / len(different) if different else math.nan
        yield Metric("novelty", share, len(different), "higher")


def _diversity(mine: Profile) -> Iterator[Metric]:
    n = len(mine)
    if mine.fingerprints is not None:
        one, two = internal_diversity(mine.fingerprints) if n else (math.nan, math.nan)
        yield Metric("IntDiv", one, n, "higher")
        yield Metric("IntDiv2", two, n, "higher")
    if mine.filters is not None:
        yield Metric("Filters", float(mine.filters.mean()) if n else math.nan, n, "higher")


def _distance(samples: MoleculeSet, reference: MoleculeSet) -> Iterator[Metric]:
    n = len(samples.profile(()))
    enough = min(n, len(reference.profile(()))) >= _FEWEST
    distance = frechet_distance(samples.chemnet(), reference.chemnet()) if enough else math.nan
    yield Metric(f"FCD/{reference.name}", distance, n, "lower")


def _against(mine: Profile, other: Profile, name: str, progress: Progress) -> Iterator[Metric]:
    n = len(mine)
    if mine.fingerprints is not None and other.fingerprints is not None:
        nearest = nearest_similarity(
            mine.fingerprints, other.fingerprints, progress=progress, task=f"SNN/{name}"
        )
        yield Metric(f"SNN/{name}", float(nearest.mean()) if n else math.nan, n, "higher")
    if mine.fragments is not None and other.fragments is not None:
        yield Metric(f"Frag/{name}", cosine(mine.fragments, other.fragments), n, "higher")
    if mine.scaffolds is not None and other.scaffolds is not None:
        yield Metric(f"Scaf/{name}", cosine(mine.scaffolds, other.scaffolds), n, "higher")
    if mine.descriptors is not None and other.descriptors is not None:
        for column, descriptor in enumerate(DESCRIPTOR_NAMES):
            pair = [values[np.isfinite(values)] for values in _columns(mine, other, column)]
            distance = float(wasserstein_distance(*pair)) if all(map(len, pair)) else math.nan
            yield Metric(f"{_TITLES[descriptor]}/{name}", distance, n, "lower")


def _columns(mine: Profile, other: Profile, column: int) -> list[np.ndarray]:
    return [own.descriptors[:, column] for own in (mine, other) if own.descriptors is not None]


def _scores(
    mine: Profile, rows: Sequence[Metric], reference: MoleculeSet, workers: int, progress: Progress
) -> Iterator[Metric]:
    score, n = kl_score(mine.smiles, reference.profile(()).smiles, workers=workers, progress=progress)
    yield Metric(f"KL score/{reference.name}", score, n, "higher")
    for row in rows:
        if row.name == f"FCD/{reference.name}":
            yield Metric(f"FCD score/{reference.name}", fcd_score(row.value), row.n, "higher")


CONTINUOUS = ("bertz", "logp", "mw", "tpsa")
DISCRETE = ("hba", "hbd", "rotatable_bonds", "aliphatic_rings", "aromatic_rings")
N_MOLECULES = 10_000
_BITS = 4096
_POINTS, _BINS, _FLOOR = 1000, 10, 1e-10  # of the densities that are compared, as in GuacaMol
_FEWEST_OF_DENSITY = 3  # molecules a density is estimated from


def kl_score(
    smiles: Sequence[str],
    reference: Sequence[str],
    *,
    workers: int = 0,
    progress: Progress = SILENT,
) -> tuple[float, int]:
    """Mean of exp(-KL(reference || generated)) over ten quantities; 1 for the same distribution.

    Both are valid SMILES. The first 10,000 distinct ones of the generator are used, without stereochemistry,
    and as many of the reference, drawn at random.

    Returns:
        The score (NaN for fewer than three molecules, or a quantity that does not vary), and the number of
        molecules used.
    """
    chosen = np.sort(Seeds(42).numpy("guacamol-reference").permutation(len(reference))[:N_MOLECULES])
    sides = [_flat(smiles), _flat([reference[row] for row in chosen])]
    if min(map(len, sides)) < _FEWEST_OF_DENSITY:
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


def _flat(smiles: Sequence[str]) -> list[Molecule]:
    """The first 10,000 distinct molecules, without stereochemistry."""
    found: dict[str, Molecule] = {}
    for text in smiles:
        molecule = parse(text)
        if isinstance(molecule, Molecule) and set("@/\\") & set(molecule.smiles):
            molecule = standardize(molecule, "none", keep_stereo=False)
        if isinstance(molecule, Molecule):
            found.setdefault(molecule.smiles, molecule)
        if len(found) == N_MOLECULES:
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
    if not inside.any():  # no overlap: the largest divergence that the floor allows
        return float(entropy(p + _FLOOR, np.full(_BINS, _FLOOR)))
    q, _ = np.histogram(sampled, bins=edges, density=True)
    return float(entropy(p + _FLOOR, q + _FLOOR))
