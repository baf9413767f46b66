"""The beginning of a SMILES text, reduced to what decides how it may go on.

Nothing is kept of atoms that can get no further bond, so that most texts lead to states that others have led
to before, and one table of transitions serves them all.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from molvae.tokenizers.grammar.atoms import AROMATIC_BONDS, AROMATIC_HALVES, BOND_HALVES, atom_kind
from molvae.tokenizers.grammar.draft import Draft, Node, Refusal, Spot
from molvae.tokenizers.grammar.pairings import NO_ATOMS, Pairings

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.tokenizers.grammar.atoms import AtomKind

_RING = re.compile(r"\d|%\d\d|%\(\d+\)")


class Prefix(NamedTuple):
    """All that matters of the beginning of a SMILES text.

    Attributes:
        spots: Atoms that may still get bonds.
        nodes: The tree of how they are connected.
        pairs: Which of them have a bond between them.
        ways: Pairings of the aromatic ones.
        current: The spot the next unit follows; -1 at the start and after a dot.
        bond: A bond symbol that waits for its atom.
        stack: Spots with an open branch.
        rings: Open rings: label, spot, bond symbol; sorted.
        fresh: Whether a branch has just been opened.
    """

    spots: tuple[Spot, ...] = ()
    nodes: tuple[Node, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    ways: Pairings = NO_ATOMS
    current: int = -1
    bond: str = ""
    stack: tuple[int, ...] = ()
    rings: tuple[tuple[int, int, str], ...] = ()
    fresh: bool = False

    @property
    def n_open(self) -> int:
        """Units that must still come at least before the text may end."""
        waiting = bool(self.bond) or self.fresh or self.current < 0
        return len(self.stack) + len(self.rings) + waiting


START = Prefix()


def after(prefix: Prefix, unit: str) -> Prefix | None:
    """The prefix with one more unit; None if no molecule is written like this.

    >>> prefix = START
    >>> for unit in "c1cc[nH]c1":
    ...     prefix = after(prefix, unit) or prefix
    """
    step = _step(unit)
    if step is None:
        return None
    try:
        return step(prefix)
    except Refusal:
        return None


def may_end(prefix: Prefix) -> bool:
    """Whether the text may end here."""
    if prefix.n_open:
        return False
    try:
        _closed(prefix)
    except Refusal:
        return False
    return True


def _step(unit: str) -> Callable[[Prefix], Prefix] | None:
    """What a unit does; None if it means nothing here."""
    if unit not in _STEPS:
        if _RING.fullmatch(unit):
            label = unit.strip("%()")
            _STEPS[unit] = partial(_ring, label=int(label))
        elif unit in BOND_HALVES and unit:
            _STEPS[unit] = partial(_bond, symbol=unit)
        else:
            kind = atom_kind(unit)
            _STEPS[unit] = None if kind is None else partial(_atom, kind=kind)
    return _STEPS[unit]


def _atom(prefix: Prefix, kind: AtomKind) -> Prefix:
    draft = _draft(prefix)
    new = draft.add(kind)
    old = prefix.current
    if old >= 0:
        halves, aromatic = _order(draft, old, new, prefix.bond)
        draft.chain(old, new, halves, aromatic=aromatic)
    else:
        draft.settle(new)
    return _frozen(draft, new, prefix.stack, prefix.rings, done=old)


def _bond(prefix: Prefix, symbol: str) -> Prefix:
    if prefix.current < 0 or prefix.bond:
        raise Refusal
    _check_growth(prefix, [(BOND_HALVES[symbol], False)], aromatic=symbol in AROMATIC_BONDS)
    return prefix._replace(bond=symbol)


def _open_branch(prefix: Prefix) -> Prefix:
    if prefix.current < 0 or prefix.bond or prefix.fresh:
        raise Refusal
    _check_growth(prefix, [(2, False), (4, False), (6, False)], aromatic=True)
    return prefix._replace(stack=(*prefix.stack, prefix.current), fresh=True)


def _close_branch(prefix: Prefix) -> Prefix:
    if not prefix.stack or prefix.bond or prefix.fresh:
        raise Refusal
    *stack, current = prefix.stack
    return _frozen(_draft(prefix), current, tuple(stack), prefix.rings, done=prefix.current)


def _ring(prefix: Prefix, label: int) -> Prefix:
    if prefix.current < 0 or prefix.fresh:
        raise Refusal
    draft, new = _draft(prefix), prefix.current
    opened = next((ring for ring in prefix.rings if ring[0] == label), None)
    if opened is None:
        draft.spots[new] = draft.spots[new].holding(BOND_HALVES[prefix.bond])
        draft.settle(new)
        rings = tuple(sorted((*prefix.rings, (label, new, prefix.bond))))
        return _frozen(draft, new, prefix.stack, rings)
    _, old, symbol = opened
    if symbol and prefix.bond and symbol != prefix.bond and {symbol, prefix.bond} != {"/", "\\"}:
        raise Refusal
    draft.spots[old] = draft.spots[old].released(BOND_HALVES[symbol])
    halves, aromatic = _order(draft, old, new, prefix.bond or symbol)
    draft.close_ring(old, new, halves, aromatic=aromatic)
    rings = tuple(ring for ring in prefix.rings if ring is not opened)
    return _frozen(draft, new, prefix.stack, rings, done=old)


def _dot(prefix: Prefix) -> Prefix:
    if not may_end(prefix):  # a ring bond between two parts is SMILES, but nobody writes molecules so
        raise Refusal
    return START


_STEPS: dict[str, Callable[[Prefix], Prefix] | None] = {"(": _open_branch, ")": _close_branch, ".": _dot}


def _order(draft: Draft, old: int, new: int, symbol: str) -> tuple[int, bool]:
    """The order of a bond in halves, and whether it is aromatic."""
    both = draft.spots[old].kind is not None and draft.spots[new].kind is not None
    if both and symbol in AROMATIC_BONDS:
        return AROMATIC_HALVES, True
    if symbol == ":":
        raise Refusal
    return BOND_HALVES[symbol], False


def _check_growth(prefix: Prefix, orders: list[tuple[int, bool]], *, aromatic: bool) -> None:
    """Whether the current atom can get a bond of one of these orders."""
    if not prefix.spots[prefix.current].grows:
        raise Refusal
    if aromatic and prefix.spots[prefix.current].kind is not None:
        orders = [*orders, (AROMATIC_HALVES, True)]
    for halves, is_aromatic in orders:
        draft = _draft(prefix)
        try:
            draft.spots[prefix.current] = draft.spots[prefix.current].bonded(halves, aromatic=is_aromatic)
            draft.settle(prefix.current)
        except Refusal:
            continue
        return
    raise Refusal


def _draft(prefix: Prefix) -> Draft:
    return Draft(prefix.spots, prefix.nodes, prefix.pairs, prefix.ways)


def _frozen(
    draft: Draft,
    current: int,
    stack: tuple[int, ...],
    rings: tuple[tuple[int, int, str], ...],
    done: int = -1,
) -> Prefix:
    """The prefix a draft stands for, once the spot that is done, if it is, has left it."""
    if done not in {-1, current, *stack, *(spot for _, spot, _ in rings)}:
        draft.close(done)
    draft.prune()
    number, spots, nodes, pairs, ways = draft.frozen()
    prefix = Prefix(
        spots,
        nodes,
        pairs,
        ways,
        number[current],
        "",
        tuple(number[spot] for spot in stack),
        tuple((label, number[spot], symbol) for label, spot, symbol in rings),
    )
    if not any(spots[spot].grows for spot in {prefix.current, *prefix.stack}):
        if rings:
            raise Refusal
        _closed(prefix)
    return prefix


def _closed(prefix: Prefix) -> None:
    """Check that nothing is missing if no atom gets a further bond."""
    draft = _draft(prefix)
    for number in list(draft.spots):
        draft.close(number)
    draft.prune()
