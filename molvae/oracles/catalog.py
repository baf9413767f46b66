"""The catalog of oracles: name, usage and description of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from molvae.chemistry.descriptors import DESCRIPTORS, meaning
from molvae.oracles import desirability
from molvae.oracles.base import ORACLES
from molvae.oracles.composite import CompositeOracle, benchmark_about, benchmark_names
from molvae.oracles.desirability import SHAPES
from molvae.oracles.plugins import load_oracle  # which registers the built-in ones

if TYPE_CHECKING:
    from molvae.oracles.config import Mean

Kind = Literal["descriptor", "aimed", "desirability", "benchmark"]
"""`descriptor`: a number of the molecule. `aimed`: has a molecule, formula, pattern or file as argument.
`desirability`: maps another score to 0 to 1. `benchmark`: a published objective."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Entry:
    """One oracle of the catalog.

    Attributes:
        name: Name in the registry.
        kind: Its kind.
        usage: Its text.
        about: A short description.
    """

    name: str
    kind: Kind
    usage: str
    about: str


@dataclass(frozen=True)
class Definition:
    """The definition of an oracle.

    Attributes:
        entry: Usage and description.
        mean: Of its terms, if it has several.
        terms: Oracle and weight of each; the weights sum to 1.
    """

    entry: Entry
    mean: Mean | None = None
    terms: tuple[tuple[str, float], ...] = ()


def catalog() -> list[Entry]:
    """All oracles, by kind and name; those of third parties are `aimed`.

    >>> [entry.usage for entry in catalog() if entry.name in {"tpsa", "gaussian", "isomers"}]
    ['tpsa', 'isomers:FORMULA', 'gaussian[mu,sigma]:SCORE']
    """
    entries = [Entry(name, "descriptor", name, meaning(name)) for name in DESCRIPTORS.names()]
    entries += [_entry(name) for name in ORACLES.names() if name not in DESCRIPTORS]
    return sorted(entries, key=lambda entry: (KINDS.index(entry.kind), entry.name))


def definition(text: str, *, trust: bool = False) -> Definition:
    """The definition of a name of the catalog, or of any oracle.

    Args:
        text: Of the oracle.
        trust: Whether programs, servers and code that an `mpo:` file names may be run.

    Raises:
        UnknownNameError: No oracle has this name.
        UsageError: Wrong options or argument.

    >>> definition("median1").mean
    'geometric'
    """
    entry = next((entry for entry in catalog() if entry.name == text), None)
    if entry is not None and entry.kind != "benchmark":
        return Definition(entry)
    oracle = load_oracle(text, trust=trust)
    entry = entry or Entry(oracle.name, "aimed", text, "")
    if not isinstance(oracle, CompositeOracle):
        return Definition(entry)
    terms = tuple((term.name, weight) for term, weight in zip(oracle.terms, oracle.weights))
    return Definition(entry, oracle.mean, terms)


def _entry(name: str) -> Entry:
    if name in SHAPES:
        about = _first_line(SHAPES.get(name)).replace("`", "")
        return Entry(name, "desirability", desirability.usage(name), about[:1].lower() + about[1:])
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
