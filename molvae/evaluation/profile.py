"""Profile of a set of molecules: the data of the distribution metrics."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from molvae.chemistry.descriptors import describe
from molvae.chemistry.filters import moses_reasons
from molvae.chemistry.fingerprints import packed_bits
from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import brics_fragments, murcko_scaffold
from molvae.parallel.mapping import ordered_map
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.chemistry.admission import Rules
    from molvae.progress import Progress

_ROWS, _COLUMNS = 1024, 2048  # of one block of similarities: as much as a cache holds


def nearest_similarity(
    bits: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    progress: Progress = SILENT,
    task: str = "nearest neighbors",
) -> NDArray[np.float64]:
    """The largest similarity of each molecule to any of a reference, `n`, in [0, 1].

    Fingerprints are packed, `n x f/8` and `m x f/8`, m > 0; two without a bit are the same.
    """
    nearest = np.zeros(len(bits), dtype=np.float32)
    progress.start(task, len(reference))
    for start in range(0, len(reference), _COLUMNS):
        part = reference[start : start + _COLUMNS]
        for rows, similarity in _similarities(bits, part):
            np.maximum(nearest[rows], similarity.max(axis=1), out=nearest[rows])
        progress.advance(task, len(part))
    progress.finish(task)
    return nearest.astype(np.float64)


def nearest_other(bits: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The largest similarity of each molecule to any other of the same set, `n`; 0 for one alone."""
    nearest = np.zeros(len(bits), dtype=np.float32)
    for start in range(0, len(bits), _COLUMNS):
        part = bits[start : start + _COLUMNS]
        for rows, similarity in _similarities(bits, part):
            own = np.arange(max(rows.start, start), min(rows.stop, start + len(part)))
            similarity[own - rows.start, own - start] = 0.0
            np.maximum(nearest[rows], similarity.max(axis=1), out=nearest[rows])
    return nearest.astype(np.float64)


def internal_diversity(bits: NDArray[np.uint8]) -> tuple[float, float]:
    """IntDiv and IntDiv2 of MOSES: 1 - mean over molecules of (mean over all of T^p)^(1/p), p = 1 and 2.

    A molecule is compared with itself too, as MOSES does. Fingerprints are packed, `n x f/8`, n > 0.

    >>> internal_diversity(np.array([[1], [1], [2]], dtype=np.uint8))[0].__round__(3)
    0.444
    """
    sums = np.zeros((2, len(bits)))
    for start in range(0, len(bits), _COLUMNS):
        for rows, similarity in _similarities(bits, bits[start : start + _COLUMNS]):
            sums[0, rows] += similarity.sum(axis=1, dtype=np.float64)
            sums[1, rows] += np.einsum("ij,ij->i", similarity, similarity)
    means = sums / len(bits)
    return 1.0 - float(means[0].mean()), 1.0 - float(np.sqrt(means[1]).mean())


def _similarities(
    bits: NDArray[np.uint8], part: NDArray[np.uint8]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Blocks of rows and their similarities to all of `part`, `rows x m`; the array is reused."""
    right = np.unpackbits(part, axis=1).astype(np.float32)
    right_counts = right.sum(axis=1)
    transposed = np.ascontiguousarray(right.T)
    for start in range(0, len(bits), _ROWS):
        left = np.unpackbits(bits[start : start + _ROWS], axis=1).astype(np.float32)
        shared = left @ transposed
        union = left.sum(axis=1)[:, None] + right_counts
        union -= shared
        if not union.all():  # two fingerprints without a bit
            shared[union == 0] = union[union == 0] = 1.0
        shared /= union
        yield slice(start, start + len(left)), shared


Part = Literal["fingerprints", "fragments", "scaffolds", "descriptors", "filters"]
"""What a profile has besides the molecules; descriptors and filters take most of the time."""

PARTS: tuple[Part, ...] = ("fingerprints", "fragments", "scaffolds", "descriptors", "filters")
DESCRIPTOR_NAMES = ("logp", "sa", "qed", "mw")
_FEWEST_RINGS = 2  # of a scaffold that is counted
_STEP = 256  # texts between two reports of progress


@dataclass(frozen=True)
class Profile:
    """Features of a set of texts. Duplicates are kept everywhere; features not requested are None.

    Attributes:
        n_texts: Texts given.
        smiles: Canonical SMILES of the `n` valid ones, in order.
        reasons: Why the others are invalid, and how often.
        fingerprints: ECFP4 of 1,024 bits, packed, `n x 128`.
        fragments: BRICS fragments and how often they occur.
        scaffolds: Bemis-Murcko scaffolds of two and more rings and how often they occur.
        descriptors: `n x 4`, the columns `DESCRIPTOR_NAMES`.
        filters: Whether the MOSES filters let the molecule pass, `n`.
    """

    n_texts: int
    smiles: list[str]
    reasons: Mapping[str, int]
    fingerprints: NDArray[np.uint8] | None = None
    fragments: Mapping[str, int] | None = None
    scaffolds: Mapping[str, int] | None = None
    descriptors: NDArray[np.float64] | None = None
    filters: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.smiles)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts it has."""
        return tuple(part for part in PARTS if getattr(self, part) is not None)


@dataclass(frozen=True, slots=True)
class _Features:
    smiles: str
    bits: bytes
    fragments: tuple[str, ...]
    scaffold: str
    descriptors: tuple[float, ...]
    passes: bool


def profile(
    texts: Sequence[str],
    parts: Collection[Part] = PARTS,
    *,
    rules: Rules | None = None,
    alerts: Path | None = None,
    workers: int = 0,
    progress: Progress = SILENT,
    task: str = "profile",
) -> Profile:
    """Compute the profile of SMILES; invalid ones are counted.

    With rules molecules are standardized; those without a standard form stay as read. `alerts` is the folder
    of `moses_reasons`.
    """
    wanted = frozenset(parts)
    examine = partial(_examine, parts=wanted, rules=rules, alerts=alerts)
    smiles: list[str] = []
    bits, numbers, passes = bytearray(), array("d"), array("b")
    reasons, fragments, scaffolds = Counter[str](), Counter[str](), Counter[str]()
    progress.start(task, len(texts))
    for number, found in enumerate(ordered_map(examine, texts, workers=workers), start=1):
        if number % _STEP == 0:
            progress.advance(task, _STEP)
        if isinstance(found, str):
            reasons[found.partition(" at character ")[0]] += 1  # the kind, not each place
            continue
        smiles.append(found.smiles)
        bits += found.bits
        fragments.update(found.fragments)
        scaffolds.update([found.scaffold] if found.scaffold else [])
        numbers.extend(found.descriptors)
        passes.append(found.passes)
    progress.advance(task, len(texts) % _STEP)
    progress.finish(task, valid=len(smiles))
    n = len(smiles)
    return Profile(
        n_texts=len(texts),
        smiles=smiles,
        reasons=reasons,
        fingerprints=np.array(bits, np.uint8).reshape(n, 128) if "fingerprints" in wanted else None,
        fragments=fragments if "fragments" in wanted else None,
        scaffolds=scaffolds if "scaffolds" in wanted else None,
        descriptors=np.array(numbers).reshape(n, len(DESCRIPTOR_NAMES)) if "descriptors" in wanted else None,
        filters=np.array(passes, dtype=np.bool_) if "filters" in wanted else None,
    )


def read_as(text: str, rules: Rules | None) -> Molecule | Invalid:
    """The molecule of a text in the standard form that rules ask for, or as read where it has none."""
    read = parse(text)
    if rules is None or isinstance(read, Invalid):
        return read
    form = standardize(read, rules.standardize, keep_stereo=rules.keep_stereo)
    return read if isinstance(form, Invalid) else form


def _examine(text: str, parts: frozenset[Part], rules: Rules | None, alerts: Path | None) -> _Features | str:
    molecule = read_as(text, rules)
    if isinstance(molecule, Invalid):
        return molecule.reason
    return _Features(
        smiles=molecule.smiles,
        bits=packed_bits([molecule]).tobytes() if "fingerprints" in parts else b"",
        fragments=brics_fragments(molecule) if "fragments" in parts else (),
        scaffold=_scaffold(molecule) if "scaffolds" in parts else "",
        descriptors=tuple(describe(molecule, DESCRIPTOR_NAMES).tolist()) if "descriptors" in parts else (),
        passes=not moses_reasons(molecule, alerts) if "filters" in parts else True,
    )


def _scaffold(molecule: Molecule) -> str:
    if molecule.mol.GetRingInfo().NumRings() < _FEWEST_RINGS:
        return ""
    return murcko_scaffold(molecule, keep_stereo=True)
