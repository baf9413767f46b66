"""The ways to give aromatic atoms their double bonds, as sets of the open atoms that have got theirs.

A set is an integer with one bit for each open aromatic atom, and for each bond of which is not known yet
whether it is in a ring (a bond outside of rings is no double bond in any Kekulé structure). An atom that is
closed leaves the sets: what is kept are those in which it has got the double bond it needs, and no other.
(The usual way to count the perfect matchings of a narrow graph, without the counts.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Pairings: TypeAlias = frozenset[int]

NO_ATOMS: Pairings = frozenset({0})
"""The one way where there is nothing to pair."""


def paired(ways: Pairings, first: int, second: int, bond: int | None = None) -> Pairings:
    """Add the ways in which two atoms share a double bond.

    >>> sorted(paired(NO_ATOMS, 0, 1))
    [0, 3]
    """
    atoms = 1 << first | 1 << second
    made = atoms if bond is None else atoms | 1 << bond
    return ways | {way | made for way in ways if not way & atoms}


def having(ways: Pairings, bit: int) -> Pairings:
    """Those that have a bit."""
    return frozenset(way for way in ways if way >> bit & 1)


def lacking(ways: Pairings, bit: int) -> Pairings:
    """Those that lack a bit."""
    return frozenset(way for way in ways if not way >> bit & 1)


def forgetting(ways: Pairings, bit: int) -> Pairings:
    """All of them, a bit left out."""
    mask = ~(1 << bit)
    return frozenset(way & mask for way in ways)


def joining(ways: Pairings, bit: int, other: int) -> Pairings:
    """All of them, a bit moved onto another that then says "either"."""
    mask = ~(1 << bit)
    return frozenset((way & mask) | (way >> bit & 1) << other for way in ways)


def renumbered(ways: Pairings, bits: Sequence[int]) -> Pairings:
    """All of them, with these bits, in this order, as their only ones.

    >>> sorted(renumbered(frozenset({0b100, 0b001}), (0, 2)))
    [1, 2]
    """
    return frozenset(sum((way >> bit & 1) << place for place, bit in enumerate(bits)) for way in ways)
