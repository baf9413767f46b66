"""What is known of a molecule, computed once: descriptors, fingerprints, composition, substructures.

Several terms of one objective, and several objectives of one search, look at the same molecule within
moments. Each value is computed when it is first wanted and shared by all of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from rdkit import DataStructs

from molvae.chemistry.descriptors import DESCRIPTORS, describe
from molvae.chemistry.fingerprints import FingerprintKind, pharmacophore_bits, sparse_counts
from molvae.chemistry.formula import element_counts
from molvae.chemistry.molecule import Invalid
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import contains

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from molvae.chemistry.molecule import Molecule

AnyFingerprint = FingerprintKind | Literal["pharmacophore"]
"""Count fingerprints, and the bits of a pharmacophore."""

REMEMBERED = 1024
"""Molecules whose facts are kept, the most recently used ones."""


class Facts:
    """One molecule and what has been computed of it so far.

    Args:
        molecule: The molecule.

    >>> from molvae.chemistry.molecule import parse
    >>> facts = Facts(parse("CCO"))
    >>> facts.descriptor("heavy_atoms"), facts.elements()["H"], facts.contains("[OH]")
    (3.0, 6, True)
    """

    def __init__(self, molecule: Molecule) -> None:
        self.molecule = molecule
        self._known: dict[Hashable, Any] = {}

    def descriptor(self, name: str) -> float:
        """A descriptor by name; NaN where it has no value for this molecule.

        Raises:
            UnknownNameError: No descriptor has this name.
        """
        key = ("descriptor", DESCRIPTORS.get(name))
        return float(self._once(key, lambda: describe(self.molecule, [name])[0]))

    def fingerprint(self, kind: AnyFingerprint, radius: int | None = None) -> Any:
        """RDKit's sparse vector: unfolded counts, or bits for a pharmacophore (which has no radius)."""
        if kind == "pharmacophore":
            return self._once(kind, lambda: pharmacophore_bits(self.molecule))
        return self._once((kind, radius), lambda: sparse_counts(self.molecule, kind, radius))

    def similarity(self, other: Facts, kind: AnyFingerprint, radius: int | None = None) -> float:
        """Tanimoto similarity of the two fingerprints, 0 to 1."""
        mine, theirs = self.fingerprint(kind, radius), other.fingerprint(kind, radius)
        return float(DataStructs.TanimotoSimilarity(mine, theirs))

    @property
    def standard(self) -> Facts:
        """The facts of the standard form; these where it is standard already or has none."""

        def compute() -> Facts:
            form = standardize(self.molecule)
            return self if isinstance(form, Invalid) or form is self.molecule else Facts(form)

        found: Facts = self._once("standard", compute)
        return found

    def elements(self) -> Mapping[str, int]:
        """Atoms of each element, hydrogens included; 0 for all others."""
        counts: Mapping[str, int] = self._once("elements", lambda: element_counts(self.molecule))
        return counts

    def contains(self, smarts: str) -> bool:
        """Whether a SMARTS pattern occurs."""
        return bool(self._once(("contains", smarts), lambda: contains(self.molecule, smarts)))

    def _once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


@lru_cache(maxsize=REMEMBERED)
def facts_of(molecule: Molecule) -> Facts:
    """The facts of a molecule, the same object for as long as it is remembered.

    They are those of the text it was first read from: read from another, with its atoms in another order,
    sums over them may differ in their last digit.
    """
    return Facts(molecule)


def forget() -> None:
    """Forget all facts, so that results do not depend on what was computed before."""
    facts_of.cache_clear()
