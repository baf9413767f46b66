"""Cached properties of a molecule: descriptors, fingerprints, composition, substructures.

Terms of one objective, and objectives of one search, need the same values of a molecule. Each is computed on
first use and shared.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from rdkit import Chem, DataStructs, rdBase

from molvae.chemistry.descriptors import DESCRIPTORS, describe
from molvae.chemistry.fingerprints import FingerprintKind, morgan_bits, pharmacophore_bits, sparse_counts
from molvae.chemistry.molecule import Invalid
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import contains
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from molvae.chemistry.molecule import Molecule

_PIECE = re.compile(r"([A-Z][a-z]?)([0-9]*)")
_LARGEST_COUNT = 999


def parse_formula(text: str) -> dict[str, int]:
    """Element symbol to count; an element that is written twice (`CH3CH2OH`) is added up.

    Raises:
        UsageError: Not a formula; the message names the offending character or element.

    >>> parse_formula("CH3CH2OH")
    {'C': 2, 'H': 6, 'O': 1}
    """
    counts: dict[str, int] = {}
    position = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            raise UsageError(
                f"'{text}' is not a molecular formula: {text[position]!r} at character {position + 1}",
                hint=_hint(text),
            )
        symbol, digits = piece[1], piece[2]
        if not _is_element(symbol):
            raise UsageError(f"'{text}' is not a molecular formula: no element '{symbol}'", hint=_hint(text))
        count = int(digits or 1)
        if not 1 <= count <= _LARGEST_COUNT:
            raise UsageError(f"'{text}' has {count} atoms of {symbol}, expected 1 to {_LARGEST_COUNT}")
        counts[symbol] = counts.get(symbol, 0) + count
        position = piece.end()
    if not counts:
        raise UsageError("the molecular formula is empty", hint="Write it like C7H8N2O2.")
    return counts


def element_counts(molecule: Molecule) -> Mapping[str, int]:
    """Atoms of each element, hydrogens included wherever they are written; 0 for all others.

    >>> from molvae.chemistry.molecule import parse
    >>> sorted(element_counts(parse("OCC")).items())
    [('C', 2), ('H', 6), ('O', 1)]
    """
    counts: Counter[str] = Counter()
    for atom in molecule.mol.GetAtoms():
        counts[atom.GetSymbol()] += 1
        counts["H"] += atom.GetTotalNumHs()  # those that are not atoms of their own
    return counts


def _is_element(symbol: str) -> bool:
    try:
        with rdBase.BlockLogs():
            return bool(Chem.GetPeriodicTable().GetAtomicNumber(symbol) > 0)
    except RuntimeError:
        return False


def _hint(text: str) -> str:
    hint = "Write element symbols with their counts, like C7H8N2O2; no brackets, charges or spaces."
    pieces = re.findall(r"(cl|br|[a-z])([0-9]*)", text.lower())
    proper = "".join(f"{symbol.capitalize()}{digits}" for symbol, digits in pieces)
    known = all(_is_element(symbol.capitalize()) for symbol, _ in pieces)
    if pieces and known and proper != text and len(proper) == len(text):
        return f"{hint} Did you mean {proper}?"
    return hint


AnyFingerprint = FingerprintKind | Literal["morgan_bits", "pharmacophore"]
"""Count fingerprints, Morgan bits, and the bits of a pharmacophore."""

REMEMBERED = 1024
"""Molecules whose facts are kept, the most recently used ones."""


class Facts:
    """A molecule and its cached properties.

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
        """RDKit's vector: unfolded counts, 2,048 Morgan bits, or bits of a pharmacophore (without radius)."""
        if kind == "pharmacophore":
            return self._once(kind, lambda: pharmacophore_bits(self.molecule))
        if kind == "morgan_bits":
            return self._once((kind, radius), lambda: morgan_bits(self.molecule, radius))
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
    """The facts of a molecule; the same object while it is cached.

    Values are computed from the text the molecule was first parsed from: another order of atoms may change
    the last digit of sums.
    """
    return Facts(molecule)


def forget() -> None:
    """Forget all facts, so that results do not depend on what was computed before."""
    facts_of.cache_clear()
