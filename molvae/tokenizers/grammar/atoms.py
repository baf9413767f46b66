"""Atoms as SMILES writes them: how many bonds they take, and which aromatic ones need a double bond.

The rules are RDKit's (`calculateExplicitValence`, `Kekulize.cpp`), said again because this room knows no
chemistry library; the tests ask RDKit whether they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

UNLIMITED = 99
"""Bond orders (in halves) of an atom that takes any number of bonds."""

BOND_HALVES = {"": 2, "-": 2, "/": 2, "\\": 2, "=": 4, "#": 6, ":": 3, "$": 8}
"""Bond order, in halves, of each bond symbol; nothing between two aromatic atoms is 3 halves instead."""
AROMATIC_HALVES = 3
LEAST_AROMATIC = 2
"""Aromatic bonds of an aromatic atom at least: RDKit reads fewer, but (arynes apart) never writes fewer."""
AROMATIC_BONDS = frozenset({"", ":", "/", "\\"})
"""Symbols that make an aromatic bond between two aromatic atoms."""

_MOST = {  # bonds at most, of charge -3 to +3; 9 is any number
    "H": "9921999",
    "B": "2343299",
    "C": "1234329",
    "N": "0123432",
    "O": "9012343",
    "F": "9901234",
    "Si": "9654399",
    "P": "2365439",
    "S": "3456543",
    "Cl": "9901654",
    "As": "2365439",
    "Se": "3456543",
    "Br": "9901654",
    "Te": "9656543",
    "I": "9165654",
}
_VALENCES = {  # of the neutral atom, in the order in which they are tried
    "b": (3,),
    "c": (4,),
    "n": (3,),
    "o": (2,),
    "p": (3, 5),
    "s": (2, 4, 6),
    "as": (3, 5),
    "se": (2, 4, 6),
    "si": (4,),
    "te": (2, 4, 6),
}
_ELEMENTS = frozenset(
    re.findall(
        "[A-Z][a-z]?",
        "HHeLiBeBCNOFNeNaMgAlSiPSClArKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKrRbSrYZrNbMoTcRuRhPdAgCdInSnSb"
        "TeIXeCsBaLaCePrNdPmSmEuGdTbDyHoErTmYbLuHfTaWReOsIrPtAuHgTlPbBiPoAtRnFrRaAcThPaUNpPuAmCmBkCf"
        "EsFmMdNoLrRfDbSgBhHsMtDsRgCnNhFlMcLvTsOg",
    )
)
_PLAIN = frozenset({"Br", "Cl", *"BCNOPSFIbcnops*"})
_BRACKET = re.compile(
    r"\[\d*(?P<symbol>[A-Z][a-z]?|[a-z][a-z]?|\*)(?:@(?:@|[A-Z]{2}\d+)?)?"
    r"(?:H(?P<hydrogens>\d*))?(?P<charge>\++|-+|[+-]\d+)?(?::\d+)?\]"
)


@dataclass(frozen=True, slots=True, eq=False)
class AtomKind:
    """All that decides how many bonds an atom takes, and of which kind; there is one object for each.

    Attributes:
        most: Bond orders it takes, in halves, hydrogens taken off.
        places: Neighbors it takes, hydrogens taken off.
        aromatic: Whether it is written in small letters, or is a wildcard, which may stand for such an atom.
        wild: Whether it is a wildcard.
        hydrogens: Those written with it.
        valences: Its valences, the charge counted, lowest first; empty unless aromatic.
        bracket: Whether it takes no hydrogens but those written.
    """

    most: int
    places: int = UNLIMITED
    aromatic: bool = False
    wild: bool = False
    hydrogens: int = 0
    valences: tuple[int, ...] = ()
    bracket: bool = False


WILDCARD = AtomKind(UNLIMITED, aromatic=True, wild=True)


def atom_kind(unit: str) -> AtomKind | None:
    """The kind of an atom; None where the unit is no atom.

    >>> atom_kind("C").most, atom_kind("[NH3+]").most, atom_kind("c").aromatic, atom_kind("(")
    (8, 2, True, None)
    """
    if unit == "*":
        return WILDCARD
    if unit in _PLAIN:
        return _kind(unit, 0, 0, bracket=False)
    match = _BRACKET.fullmatch(unit)
    if match is None:
        return None
    symbol, charge = match["symbol"], match["charge"] or ""
    if symbol == "*":
        return WILDCARD
    if symbol not in _ELEMENTS and symbol not in _VALENCES:
        return None
    hydrogens = 0 if match["hydrogens"] is None else int(match["hydrogens"] or 1)
    signed = int(charge) if charge[1:].isdecimal() else charge.count("+") - charge.count("-")
    kind = _kind(symbol, hydrogens, signed, bracket=True)
    return kind if kind.most >= 0 else None


def _kind(symbol: str, hydrogens: int, charge: int, *, bracket: bool) -> AtomKind:
    aromatic = symbol in _VALENCES
    by_charge = _MOST.get(symbol.capitalize(), "9" * 7)
    most = int(by_charge[charge + 3]) if -3 <= charge <= 3 else 9  # noqa: PLR2004 - as far as they go
    if most == 9:  # noqa: PLR2004 - any number
        most = UNLIMITED
    if not aromatic:
        return _the_kind(most if most == UNLIMITED else 2 * (most - hydrogens))
    return _the_kind(
        # an aromatic atom may seem to have 1.5 bonds more than it has in any Kekulé structure
        most if most == UNLIMITED else 2 * (most - hydrogens) + 3,
        (3 if symbol in "bcn" else 4) - hydrogens,  # RDKit never writes an aromatic carbon with four
        aromatic=True,
        hydrogens=hydrogens,
        valences=_charged(symbol, charge),
        bracket=bracket,
    )


@cache
def _the_kind(most: int, places: int = UNLIMITED, **others: Any) -> AtomKind:
    return AtomKind(most, places, **others)


def _charged(symbol: str, charge: int) -> tuple[int, ...]:
    """Valences of an aromatic atom: boron gains with a negative charge, carbon and silicon lose with both."""
    if symbol == "b":
        charge = -charge
    elif symbol in {"c", "si"}:
        charge = -abs(charge)
    return tuple(valence + charge for valence in _VALENCES[symbol])


@cache
def needs_double_bond(kind: AtomKind, n_aromatic: int, n_other: int, other: int) -> bool:
    """Whether an aromatic atom with these bonds has a double bond to one of its aromatic neighbors.

    Args:
        kind: The atom; not a wildcard.
        n_aromatic: Its aromatic bonds.
        n_other: Its other bonds.
        other: Their orders together, in halves.
    """
    explicit = (AROMATIC_HALVES * n_aromatic + other) / 2 + kind.hydrogens
    hydrogens, first = kind.hydrogens, kind.valences[0]
    total = int(explicit + 0.6)  # as RDKit rounds: half an order is one more
    if explicit > first:  # the bonds count as the valence next below, if that is near
        below = max(valence for valence in kind.valences if valence <= explicit)
        total = below if explicit - below <= 1.5 else total  # noqa: PLR2004 - RDKit's allowance
    elif not kind.bracket:
        hydrogens, total = first - total, first
    valence = next((valence for valence in kind.valences if valence >= total), kind.valences[-1])
    if n_aromatic + n_other + hydrogens >= valence:
        return False
    orders = n_aromatic + other // 2 + hydrogens
    return valence == orders + 1 or (kind.bracket and valence == orders + 2)


@cache
def fates(kind: AtomKind, n_aromatic: int, n_other: int, other: int, held: int) -> frozenset[bool]:
    """What `needs_double_bond` can still become, whatever bonds the atom gets.

    Args:
        kind: The atom.
        n_aromatic: Its aromatic bonds.
        n_other: Its other bonds.
        other: Their orders together, in halves.
        held: Further bonds it must get: rings that are open on it.
    """
    if kind.wild:
        return frozenset({True, False})
    found = set()
    if not held and n_aromatic >= LEAST_AROMATIC:
        found.add(needs_double_bond(kind, n_aromatic, n_other, other))
    if n_aromatic + n_other < kind.places:
        left = kind.most - AROMATIC_HALVES * n_aromatic - other
        rest = max(held - 1, 0)
        if left >= AROMATIC_HALVES:
            found |= fates(kind, n_aromatic + 1, n_other, other, rest)
        for halves in (2, 4, 6):
            if left >= halves:
                found |= fates(kind, n_aromatic, n_other + 1, other + halves, rest)
    return frozenset(found)
