"""List all oracles, with their usage and the terms of composite ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from molvae.chemistry.descriptors import DESCRIPTORS, meaning
from molvae.oracles.base import ORACLES
from molvae.oracles.composite import CompositeOracle, benchmark_about, benchmark_names
from molvae.oracles.desirability import SHAPES, shape_usage
from molvae.oracles.plugins import load_oracle

Kind = Literal["descriptor", "aimed", "desirability", "benchmark"]
"""`descriptor`: a number of the molecule. `aimed`: has a molecule, formula, pattern or file as argument.
`desirability`: maps another score to 0 to 1. `benchmark`: a published objective."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Entry:
    """One oracle of the catalog: its registered name, usage and description."""

    name: str
    kind: Kind
    usage: str
    about: str


def catalog() -> list[Entry]:
    """All oracles, by kind and name; those of third parties are `aimed`.

    >>> [entry.usage for entry in catalog() if entry.name in {"tpsa", "gaussian", "isomers"}]
    ['tpsa', 'isomers:FORMULA', 'gaussian[mu,sigma]:SCORE']
    """
    entries = [Entry(name, "descriptor", name, meaning(name)) for name in DESCRIPTORS.names()]
    entries += [_entry(name) for name in ORACLES.names() if name not in DESCRIPTORS]
    return sorted(entries, key=lambda entry: (KINDS.index(entry.kind), entry.name))


def definition(text: str, *, trust: bool = False) -> tuple[Entry, CompositeOracle | None]:
    """The entry of a name of the catalog, or of any oracle, and the oracle if it has several terms.

    `trust` is as for `load_oracle`.

    Raises:
        UnknownNameError: No oracle has this name.
        UsageError: Wrong options or argument.

    >>> entry, median = definition("median1")
    >>> entry.about, median.mean
    ('resemble camphor and menthol at once', 'geometric')
    """
    entry = next((entry for entry in catalog() if entry.name == text), None)
    if entry is not None and entry.kind != "benchmark":
        return entry, None
    oracle = load_oracle(text, trust=trust)
    entry = entry or Entry(oracle.name, "aimed", text, "")
    return entry, oracle if isinstance(oracle, CompositeOracle) else None


def _entry(name: str) -> Entry:
    if name in SHAPES:
        about = _first_line(SHAPES.get(name)).replace("`", "")
        return Entry(name, "desirability", shape_usage(name), about[:1].lower() + about[1:])
    if name in benchmark_names():
        return Entry(name, "benchmark", name, benchmark_about(name))
    line = _first_line(ORACLES.get(name))
    usage, colon, about = line.partition("`: ")
    if not colon or not usage.startswith("`"):
        return Entry(name, "aimed", name, line.replace("`", ""))
    written = _NAME.sub(name, usage[1:].partition("`")[0], count=1)  # one factory may have several names
    return Entry(name, "aimed", written, about.replace("`", ""))


def _first_line(thing: object) -> str:
    function = thing.func if isinstance(thing, partial) else thing
    return next(iter((function.__doc__ or "").strip().splitlines()), "").rstrip(".")
