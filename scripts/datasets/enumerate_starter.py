"""Enumerate `datasets/starter.csv.gz`: about 10,000 drug-like molecules, from building blocks and reactions.

    python scripts/datasets/enumerate_starter.py            write the file and the summary in its README
    python scripts/datasets/enumerate_starter.py --check    enumerate again and compare, write nothing

There are no random numbers: combinations are chosen by a hash of the indices of the building blocks.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import sys
from collections import Counter, defaultdict
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import AllChem
from routes import REACTIONS, ROUTES, Route

from molvae.chemistry.descriptors import describe
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import Molecule, parse
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "datasets" / "starter.csv.gz"
README = ROOT / "datasets" / "README.md"
WANTED = 10_000
TRIED_PER_ROUTE = 1_000
NAMES = ("mw", "logp", "tpsa", "hbd", "rotatable_bonds", "qed", "sa")
LIMITS = {"mw": (180, 500), "logp": (-1, 5.5), "tpsa": (0, 140), "hbd": (0, 4), "rotatable_bonds": (0, 10)}
# Not allowed in products: unreacted functional groups, and groups that are not stable.
LEFTOVERS = tuple(
    Chem.MolFromSmarts(pattern)
    for pattern in (
        "[B]",
        "S(=O)(=O)[Cl]",
        "N=C=O",
        "[N-]=[N+]",
        "C#[CH]",
        "[CX4][Cl,Br,I]",
        "[CX3H1]=O",
        "C=[S]",
        "N-[OH]",
        "[NX3H2][NX3]",
        "[NX3H1][NX3;!$(NC=O)]",
        "C(=O)OC([CH3])([CH3])[CH3]",
    )
)


class Made(NamedTuple):
    """A molecule with its route, its identifier and its properties."""

    molecule: Molecule
    identifier: str
    route: str
    values: np.ndarray


def make(route: Route, places: Sequence[int]) -> Molecule | None:
    """The product of a route from the building blocks with these indices; None if there is none."""
    taken = iter(zip(route.components, places, strict=True))
    blocks, place = next(taken)
    current = blocks[place]
    for step in route.steps:
        added = None
        if step.kind is not None:
            blocks, place = next(taken)
            added = blocks[place]
        made = _react(step.reaction, current, added)
        if made is None:
            return None
        current = made
    molecule = parse(current)
    return molecule if isinstance(molecule, Molecule) else None


@cache
def _react(reaction: str, current: str, added: str | None) -> str | None:
    """The only product of a step; None if there is none or more than one."""
    template = _template(reaction)
    molecules = [_block(text) for text in (current, added) if text is not None]
    products = set()
    for reactants in {tuple(molecules), tuple(reversed(molecules))}:
        for (outcome,) in template.RunReactants(reactants):
            smiles = Chem.MolToSmiles(outcome)
            read = parse(smiles)
            products.add(read.smiles if isinstance(read, Molecule) else None)
    return products.pop() if len(products) == 1 else None


@cache
def _template(reaction: str) -> AllChem.ChemicalReaction:
    template = AllChem.ReactionFromSmarts(REACTIONS[reaction])
    template.Initialize()
    return template


@cache
def _block(smiles: str) -> Chem.Mol:
    molecule = parse(smiles)
    if not isinstance(molecule, Molecule):
        raise InputError(f"a building block is not a molecule: {molecule}")
    return molecule.mol


def candidates(route: Route, most: int) -> Iterator[tuple[int, ...]]:
    """Up to `most` combinations of indices of building blocks, chosen by their hash."""
    sizes = [len(component) for component in route.components]
    step = max(1, prod(sizes) // (8 * most))  # thin out millions of combinations before sorting
    thinned = (
        places
        for index, places in enumerate(product(*map(range, sizes)))
        if _digest(route.name, index) % step == 0
    )
    yield from sorted(thinned, key=lambda places: _digest(route.name, *places))[:most]


def _digest(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8])


def acceptable(molecule: Molecule) -> np.ndarray | None:
    """The properties of a molecule that is accepted; None if it is not."""
    if any(molecule.mol.HasSubstructMatch(pattern) for pattern in LEFTOVERS):
        return None
    values = describe(molecule, NAMES)
    inside = all(
        LIMITS[name][0] <= value <= LIMITS[name][1] for name, value in zip(NAMES, values) if name in LIMITS
    )
    return values if inside and not filter_reasons(molecule, ["pains"]) else None


def enumerate_route(route: Route, most: int, seen: set[str]) -> list[Made]:
    """The accepted products of a route that are not products of an earlier route."""
    made = []
    for places in candidates(route, most):
        molecule = make(route, places)
        if molecule is None or molecule.smiles in seen:
            continue
        values = acceptable(molecule)
        if values is not None:
            seen.add(molecule.smiles)
            identifier = "-".join([route.name, *(str(place + 1) for place in places)])
            made.append(Made(molecule, identifier, route.name, values))
    return made


def spread(made: Sequence[Made]) -> list[Made]:
    """The same molecules, ordered so that every prefix of the list covers QED and weight evenly."""
    bins: dict[tuple[int, int], list[Made]] = defaultdict(list)
    for entry in made:
        values = dict(zip(NAMES, entry.values))
        bins[int(values["qed"] * 10), int(values["mw"] // 60)].append(entry)
    rounds = [(turn, key, entry) for key, entries in bins.items() for turn, entry in enumerate(entries)]
    return [entry for _, _, entry in sorted(rounds, key=lambda item: item[:2])]


def shares(available: Sequence[int], wanted: int) -> list[int]:
    """Number of molecules of each route: equal, except that routes with fewer are replaced by the others."""
    given = [0] * len(available)
    while wanted > 0 and any(have > got for have, got in zip(available, given)):
        for index, have in enumerate(available):
            if wanted > 0 and have > given[index]:
                given[index] += 1
                wanted -= 1
    return given


def enumerate_starter(wanted: int = WANTED, most: int = TRIED_PER_ROUTE) -> list[Made]:
    """The starter set, in an order unrelated to chemistry."""
    seen: set[str] = set()
    with rdBase.BlockLogs():
        per_route = [spread(enumerate_route(route, most, seen)) for route in ROUTES]
    given = shares([len(made) for made in per_route], wanted)
    chosen = [entry for made, share in zip(per_route, given) for entry in made[:share]]
    return sorted(chosen, key=lambda entry: _digest(entry.molecule.smiles))


def table(entries: Iterable[Made]) -> str:
    """The CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["smiles", "identifier", "reaction"])
    writer.writerows([entry.molecule.smiles, entry.identifier, entry.route] for entry in entries)
    return text.getvalue()


def summary(entries: Sequence[Made], packed: bytes, text: str) -> str:
    """The facts about the file, as Markdown."""
    values = np.stack([entry.values for entry in entries])
    stereo = sum(any(mark in entry.molecule.smiles for mark in "@/") for entry in entries)
    lines = [
        f"* rows: {len(entries)}",
        f"* sha256 of `starter.csv.gz`: `{hashlib.sha256(packed).hexdigest()}`",
        f"* sha256 of the CSV inside: `{hashlib.sha256(text.encode()).hexdigest()}`",
        f"* with stereochemistry: {stereo}",
        "",
        "| property | minimum | 5 % | median | 95 % | maximum |",
        "|---|---|---|---|---|---|",
    ]
    for name, column in zip(NAMES, values.T):
        cells = " | ".join(f"{value:.2f}" for value in np.quantile(column, [0, 0.05, 0.5, 0.95, 1]))
        lines.append(f"| {name} | {cells} |")
    lines += ["", "| reaction | rows |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(Counter(e.route for e in entries).items())]
    return "\n".join(lines)


def main() -> int:
    """Write or check the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="enumerate again and compare, write nothing")
    check = parser.parse_args().check
    entries = enumerate_starter()
    text = table(entries)
    if check:
        same = gzip.decompress(TARGET.read_bytes()).decode() == text
        print("the same" if same else "DIFFERENT")
        return 0 if same else 1
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    TARGET.write_bytes(packed)
    head, _, rest = README.read_text().partition("<!-- summary -->\n")
    tail = rest.partition("<!-- end of summary -->")[2]
    README.write_text(
        f"{head}<!-- summary -->\n{summary(entries, packed, text)}\n<!-- end of summary -->{tail}"
    )
    print(summary(entries, packed, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
