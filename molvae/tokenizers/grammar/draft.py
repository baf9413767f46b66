"""What is open in a partial SMILES text, while a unit is added to it: spots, their tree, and pairings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from molvae.tokenizers.grammar.atoms import (
    AROMATIC_HALVES,
    BOND_HALVES,
    LEAST_AROMATIC,
    AtomKind,
    fates,
    needs_double_bond,
)
from molvae.tokenizers.grammar.pairings import (
    NO_ATOMS,
    Pairings,
    forgetting,
    having,
    joining,
    lacking,
    paired,
    renumbered,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_PAIRINGS = 4096  # more come of nothing but dozens of aromatic atoms that are open at once


class Refusal(Exception):  # noqa: N818 - no error: most units are refused in most places
    """A text that goes on like this is no molecule."""


class Spot(NamedTuple):
    """An atom that may still get bonds.

    Attributes:
        left: Bond orders it can still take, in halves; less what open rings on it will take at least.
        node: Where in the tree it is.
        kind: What it is, if it is aromatic; nothing more matters of other atoms.
        n_aromatic: Its aromatic bonds.
        n_other: Its other bonds.
        other: Their orders together, in halves.
        held: Open rings on it.
        bit: Its bit in the pairings; -1 if it is not aromatic.
    """

    left: int
    node: int
    kind: AtomKind | None = None
    n_aromatic: int = 0
    n_other: int = 0
    other: int = 0
    held: int = 0
    bit: int = -1

    @property
    def grows(self) -> bool:
        """Whether it can take a bond to one more neighbor, and all else it must have."""
        if self.left < BOND_HALVES["-"]:
            return False
        _, _, kind, n_aromatic, n_other, other, held, _ = self
        return kind is None or bool(fates(kind, n_aromatic, n_other, other, held + 1))

    def bonded(self, halves: int, *, aromatic: bool) -> Spot:
        """The spot with one more bond.

        Raises:
            Refusal: It cannot take it.
        """
        left = self.left - halves
        if left < 0:
            raise Refusal
        if self.kind is None:
            return Spot(left, self.node)
        if self.n_aromatic + self.n_other + self.held >= self.kind.places:
            raise Refusal
        _, node, kind, n_aromatic, n_other, other, held, bit = self
        if aromatic:
            return Spot(left, node, kind, n_aromatic + 1, n_other, other, held, bit)
        return Spot(left, node, kind, n_aromatic, n_other + 1, other + halves, held, bit)

    def holding(self, halves: int) -> Spot:
        """The spot with one more open ring on it.

        Raises:
            Refusal: It cannot take the bond.
        """
        if not self.grows or self.left < halves:
            raise Refusal
        return self._replace(left=self.left - halves, held=self.held + (self.kind is not None))

    def released(self, halves: int) -> Spot:
        """The spot before a ring was opened on it."""
        return self._replace(left=self.left + halves, held=self.held - (self.kind is not None))


def _renumbered_spot(spot: Spot, nodes: dict[int, int], bits: dict[int, int]) -> Spot:
    left, node, kind, n_aromatic, n_other, other, held, bit = spot
    return Spot(left, nodes[node], kind, n_aromatic, n_other, other, held, bits[bit])


class Node(NamedTuple):
    """Atoms that share rings, or a single atom, in the tree of bonds that are not known to be in a ring.

    Attributes:
        parent: The node it hangs on; -1 for the root.
        bare: Whether it is an aromatic atom that is in no ring yet.
        must: Whether the bonds to its parent must become part of a ring.
        bit: The bit of a bond to its parent in the pairings; -1 if none may be a double bond.
    """

    parent: int = -1
    bare: bool = False
    must: bool = False
    bit: int = -1


class Draft:
    """Spots and nodes by number, and pairings; changed in place.

    Args:
        spots: By number; smaller numbers are older.
        nodes: By number.
        pairs: Spots that have a bond between them, the older one first.
        ways: The pairings.
    """

    def __init__(
        self,
        spots: Iterable[Spot],
        nodes: Iterable[Node],
        pairs: Iterable[tuple[int, int]],
        ways: Pairings = NO_ATOMS,
    ) -> None:
        self.spots = dict(enumerate(spots))
        self.nodes = dict(enumerate(nodes))
        self.pairs = set(pairs)
        self.ways = ways
        self._next_spot, self._next_node = len(self.spots), len(self.nodes)
        self._next_bit = self._next_spot + self._next_node  # at least as many as there are

    def add(self, kind: AtomKind) -> int:
        """Put a new atom beside the others, as a node of its own."""
        number, self._next_spot = self._next_spot, self._next_spot + 1
        node, self._next_node = self._next_node, self._next_node + 1
        self.nodes[node] = Node(bare=kind.aromatic and not kind.wild)
        if kind.aromatic:
            self.spots[number] = Spot(kind.most, node, kind, bit=self._new_bit())
        else:
            self.spots[number] = Spot(kind.most, node)
        return number

    def chain(self, old: int, new: int, halves: int, *, aromatic: bool) -> None:
        """Hang a new atom on an old one."""
        self._bond(old, new, halves, aromatic=aromatic)
        node = self.spots[new].node
        bit = self._new_bit() if aromatic else -1
        self.nodes[node] = Node(self.spots[old].node, self.nodes[node].bare, bit=bit)
        if aromatic:
            self._pair(old, new, bit)
        self.settle(old)
        self.settle(new)

    def close_ring(self, old: int, new: int, halves: int, *, aromatic: bool) -> None:
        """Bind two spots; all between them in the tree is now known to be in a ring."""
        if old == new or (min(old, new), max(old, new)) in self.pairs:
            raise Refusal
        self._bond(old, new, halves, aromatic=aromatic)
        self._merge(self.spots[old].node, self.spots[new].node)
        if aromatic:
            self._pair(old, new, None)
        self.settle(old)
        self.settle(new)

    def settle(self, number: int) -> None:
        """Drop the pairings that an open atom rules out, whatever bonds it may still get."""
        spot = self.spots[number]
        if spot.kind is None or spot.kind.wild:
            return
        fate = fates(spot.kind, spot.n_aromatic, spot.n_other, spot.other, spot.held)
        if not fate:
            raise Refusal
        if True not in fate:
            self._keep(lacking(self.ways, spot.bit))
        elif False not in fate and not (spot.held or (spot.grows and spot.left >= AROMATIC_HALVES)):
            self._keep(having(self.ways, spot.bit))

    def close(self, number: int) -> None:
        """Take an atom out that gets no further bond."""
        spot = self.spots.pop(number)
        self.pairs = {pair for pair in self.pairs if number not in pair}
        if spot.kind is None:
            return
        if not spot.kind.wild:
            if spot.n_aromatic < LEAST_AROMATIC:
                raise Refusal
            needs = needs_double_bond(spot.kind, spot.n_aromatic, spot.n_other, spot.other)
            self._keep((having if needs else lacking)(self.ways, spot.bit))
        self.ways = forgetting(self.ways, spot.bit)

    def prune(self) -> None:
        """Take out of the tree what no future ring can reach, and what merely lies between two nodes."""
        used = {spot[1] for spot in self.spots.values()}
        waiting = [number for number in self.nodes if number not in used]
        while waiting:
            number = waiting.pop()
            node = self.nodes.get(number)
            if node is None or number in used:
                continue
            children = [child for child, other in self.nodes.items() if other.parent == number]
            beside = children if node.parent < 0 else [node.parent, *children]
            if len(beside) <= 1:
                self._cut(number, node, children)
                waiting += beside
            elif len(beside) == 2:  # noqa: PLR2004 - it lies between them
                self._contract(number, node, children)

    def frozen(
        self,
    ) -> tuple[dict[int, int], tuple[Spot, ...], tuple[Node, ...], tuple[tuple[int, int], ...], Pairings]:
        """New numbers of the spots, and all parts under new numbers without gaps."""
        spots = {old: new for new, old in enumerate(self.spots)}
        nodes = {old: new for new, old in enumerate(self.nodes)}
        nodes[-1] = -1
        used = [spot[-1] for spot in self.spots.values() if spot[-1] >= 0]
        used += [node[-1] for node in self.nodes.values() if node[-1] >= 0]
        ways = self.ways
        if used != list(range(len(used))):
            ways = renumbered(ways, used)
        bits = {old: new for new, old in enumerate(used)}
        bits[-1] = -1
        return (
            spots,
            tuple([_renumbered_spot(spot, nodes, bits) for spot in self.spots.values()]),
            tuple([Node(nodes[node[0]], node[1], node[2], bits[node[3]]) for node in self.nodes.values()]),
            tuple(sorted([(spots[a], spots[b]) for a, b in self.pairs])),
            ways,
        )

    def _bond(self, old: int, new: int, halves: int, *, aromatic: bool) -> None:
        self.spots[old] = self.spots[old].bonded(halves, aromatic=aromatic)
        self.spots[new] = self.spots[new].bonded(halves, aromatic=aromatic)
        self.pairs.add((min(old, new), max(old, new)))

    def _pair(self, old: int, new: int, bit: int | None) -> None:
        self._keep(paired(self.ways, self.spots[old].bit, self.spots[new].bit, bit))

    def _keep(self, ways: Pairings) -> None:
        if not 0 < len(ways) <= _MOST_PAIRINGS:
            raise Refusal
        self.ways = ways

    def _new_bit(self) -> int:
        bit, self._next_bit = self._next_bit, self._next_bit + 1
        return bit

    def _cut(self, number: int, node: Node, children: list[int]) -> None:
        """Take out a leaf: it and the bond it hangs on are in no ring."""
        edge = node if node.parent >= 0 else self.nodes[children[0]] if children else Node()
        if node.bare or edge.must:
            raise Refusal
        if edge.bit >= 0:
            self._keep(lacking(self.ways, edge.bit))
        for child in children:
            self.nodes[child] = Node(bare=self.nodes[child].bare)
        del self.nodes[number]

    def _contract(self, number: int, node: Node, children: list[int]) -> None:
        """Take out what lies between two nodes: rings reach both of its bonds or none."""
        child = children[-1]
        lower = self.nodes[child]
        upper = node if node.parent >= 0 else self.nodes[children[0]]
        parent = node.parent if node.parent >= 0 else children[0]
        must = node.bare or lower.must or upper.must
        bits = [bit for bit in (lower.bit, upper.bit) if bit >= 0]
        if must:
            for bit in bits:
                self.ways = forgetting(self.ways, bit)
            bits = []
        elif len(bits) == 2:  # noqa: PLR2004 - one for both
            self.ways = joining(self.ways, bits[1], bits[0])
        if node.parent < 0:
            self.nodes[parent] = Node(bare=upper.bare)
        self.nodes[child] = Node(parent, lower.bare, must, bits[0] if bits else -1)
        del self.nodes[number]

    def _merge(self, first: int, second: int) -> None:
        """Make one node of all between two."""
        above = [first]
        while self.nodes[above[-1]].parent >= 0:
            above.append(self.nodes[above[-1]].parent)
        path = []
        while second not in above:
            path.append(second)
            second = self.nodes[second].parent
        merged = {*path, *above[: above.index(second)]}
        for number in merged:
            bit = self.nodes.pop(number).bit
            if bit >= 0:
                self.ways = forgetting(self.ways, bit)
        if merged:
            self.nodes[second] = self.nodes[second]._replace(bare=False)
        for number, node in self.nodes.items():
            if node.parent in merged:
                self.nodes[number] = node._replace(parent=second)
        for number, spot in self.spots.items():
            if spot.node in merged:
                self.spots[number] = spot._replace(node=second)
