"""Molecular formulas: `C7H8N2O2` as element counts, and the element counts of a molecule."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.chemistry.molecule import Molecule

_PIECE = re.compile(r"([A-Z][a-z]?)([0-9]*)")
_LARGEST_COUNT = 999


def parse_formula(text: str) -> dict[str, int]:
    """Element symbol to count; an element that is written twice (`CH3CH2OH`) is added up.

    Raises:
        UsageError: Not a formula; the message names the character or the element that is to blame.

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


def formula_text(counts: Mapping[str, int]) -> str:
    """A formula in the order of Hill: carbon, hydrogen, the others by the alphabet.

    >>> formula_text({"O": 2, "H": 8, "N": 2, "C": 7})
    'C7H8N2O2'
    """
    first = [symbol for symbol in ("C", "H") if "C" in counts and counts.get(symbol)]
    others = sorted(symbol for symbol, count in counts.items() if count and symbol not in first)
    pieces = [(symbol, counts[symbol]) for symbol in (*first, *others)]
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in pieces)


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
