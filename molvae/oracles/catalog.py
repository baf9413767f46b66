"""What can be asked for: every oracle with how it is written and what it means, for people to choose from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from molvae.chemistry.descriptors import DESCRIPTORS, meaning
from molvae.oracles import benchmarks, desirability
from molvae.oracles.base import ORACLES
from molvae.oracles.composite import CompositeOracle
from molvae.oracles.desirability import SHAPES
from molvae.oracles.plugins import load_oracle  # which registers the built-in ones

if TYPE_CHECKING:
    from molvae.oracles.config import Mean

Kind = Literal["descriptor", "aimed", "desirability", "benchmark"]
"""`descriptor`: a number of the molecule. `aimed`: at a molecule, formula, pattern or file of yours.
`desirability`: turns another score into 0 to 1. `benchmark`: a published objective."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Entry:
    """One oracle of the catalog.

    Attributes:
        name: What the registry knows it by.
        kind: What sort it is.
        usage: How it is written.
        about: What it means, in a few words.
    """

    name: str
    kind: Kind
    usage: str
    about: str


@dataclass(frozen=True)
class Definition:
    """What an oracle is made of.

    Attributes:
        entry: How it is written and what it means.
        mean: How its terms become one score, if it has terms.
        terms: Oracle and weight of each; the weights sum to 1.
    """

    entry: Entry
    mean: Mean | None = None
    terms: tuple[tuple[str, float], ...] = ()


def catalog() -> list[Entry]:
    """Every oracle, kind by kind and then by name; third parties' are aimed.

    >>> [entry.usage for entry in catalog() if entry.name in {"tpsa", "gaussian", "isomers"}]
    ['tpsa', 'isomers:FORMULA', 'gaussian[mu,sigma]:SCORE']
    """
    entries = [Entry(name, "descriptor", name, meaning(name)) for name in DESCRIPTORS.names()]
    entries += [_entry(name) for name in ORACLES.names() if name not in DESCRIPTORS]
    return sorted(entries, key=lambda entry: (KINDS.index(entry.kind), entry.name))


def definition(text: str, *, trust: bool = False) -> Definition:
    """What a text means: a name of the catalog, or any oracle written out.

    Args:
        text: The name, or what makes the oracle.
        trust: Whether programs, servers and code that an `mpo:` file names may be run.

    Raises:
        UnknownNameError: No oracle has this name.
        UsageError: The text is not how that oracle is written.

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
    if name in benchmarks.benchmark_names():
        return Entry(name, "benchmark", name, benchmarks.about(name))
    line = _first_line(ORACLES.get(name))
    usage, colon, about = line.partition("`: ")
    if not colon or not usage.startswith("`"):
        return Entry(name, "aimed", name, line.replace("`", ""))
    written = _NAME.sub(name, usage[1:].partition("`")[0], count=1)  # one factory may have several names
    return Entry(name, "aimed", written, about.replace("`", ""))


def _first_line(thing: object) -> str:
    function = thing.func if isinstance(thing, partial) else thing
    return next(iter((function.__doc__ or "").strip().splitlines()), "").rstrip(".")
