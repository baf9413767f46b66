"""Make an oracle from its text (a name, a descriptor, a user function), and list all oracles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from molvae.chemistry.descriptors import DESCRIPTORS, meaning
from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import ORACLES, Oracle, OracleFactory, OracleText, is_computed
from molvae.oracles.command import command_oracle, inline_oracle, isolated, isolated_oracle
from molvae.oracles.composite import (
    CompositeOracle,
    benchmark_about,
    benchmark_names,
    benchmark_oracle,
    mpo_oracle,
)
from molvae.oracles.computed import (
    descriptor_oracle,
    isomer_oracle,
    penalized_logp_oracle,
    similarity_oracle,
    substructure_oracle,
)
from molvae.oracles.desirability import SHAPES, desirability_oracle, shape_usage
from molvae.oracles.docking import docking_oracle
from molvae.oracles.functions import OWN, check_own
from molvae.oracles.heads import Heads, admet_oracle, is_head
from molvae.oracles.http import http_oracle
from molvae.oracles.references import refuse_hidden_programs
from molvae.oracles.remote import ray_oracle

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.oracles.config import Mean


def load_oracle(text: str, *, named: bool = True, trust: bool = False) -> Oracle:
    """Make the oracle of a text.

    * `qed`, `logp`, `sa`, ...: any descriptor;
    * `similarity:SMILES`, `similarity[fcfp4]:SMILES`: similarity to a molecule;
    * `isomers:FORMULA`, `substructure:SMARTS`, `penalized_logp[variant]`;
    * `gaussian[2,0.5]:logp` and other desirabilities, of any oracle;
    * `mpo:FILE.toml`: the mean of several of these;
    * `osimertinib_mpo`, ...: the objectives of PMO and GuacaMol;
    * any other registered name, as `name[options]:argument`;
    * `docking[vina]:TARGET`: a docking score; `admet:NAME`: a prediction of ADMET-AI;
    * `module:function` or `path/to/file.py:function`: a function of a list of SMILES, or of one, in a
      separate process; `inline:module:function` in this one;
    * `cmd:PROGRAM ARGS`: a program that follows `molvae.oracles.protocol`; `http://...`: such a server;
    * `isolated[workers=4,timeout=60]:ORACLE`: any of these in separate processes, and
      `ray[workers=40]:ORACLE` in actors of a Ray cluster.

    Args:
        text: Text of the oracle.
        named: Whether the user named it, rather than a file (a journal, settings).
        trust: Whether files may name programs, servers and code: the one with this text, and an `mpo:` file.

    Raises:
        UnknownNameError: No oracle has this name.
        UsageError: Options or argument are wrong, the user's module cannot be imported, or a file that is not
            trusted names a program, server or code.

    >>> load_oracle("qed").name
    'qed'
    """
    if not trust:
        check_origin(text, named=named)
    return make_oracle(text)


def check_origin(text: str, *, named: bool) -> None:
    """Refuse an oracle that would run a program or code that only a file names (`references.py`).

    Raises:
        ConfigError: An `mpo:` file cannot be read.
        UsageError: It would.
    """
    refuse_hidden_programs(text, {*_PLAIN, *_NESTED, *DESCRIPTORS.names()}, named=named)


def make_oracle(text: str) -> Oracle:
    """`load_oracle` for a text whose origin has been checked."""
    parts = OracleText.read(text)
    if parts.name in ORACLES:
        return ORACLES.get(parts.name)(parts)
    if parts.name in DESCRIPTORS and not parts.options and not parts.argument:
        return descriptor_oracle(parts.name)
    if parts.name in DESCRIPTORS:
        raise UsageError(
            f"the oracle '{parts.name}' takes no options and no argument, got '{text}'",
            hint=f"A module of your own with that name is ./{parts.name}.py:{parts.argument or 'function'}.",
        )
    if OWN.fullmatch(text.strip()):
        check_own(text.strip(), known_oracles())
        return isolated(text.strip())
    if text.strip().endswith(".py"):
        raise UsageError(
            f"'{text}' names a file, an oracle is a function in it", hint=f"For example: {text.strip()}:score"
        )
    raise UnknownNameError(
        f"unknown oracle '{text}'{suggest(parts.name, known_oracles())}",
        hint="Property heads are available in optimize, ask and screen, which have a model."
        if is_head(text.strip())
        else "'molvae oracles' lists the names; a function of your own is file.py:function; laboratory "
        "measurements go through 'molvae ask' and 'molvae tell'.",
    )


def known_oracles() -> list[str]:
    """Names of all oracles except user functions, sorted."""
    return sorted({*ORACLES.names(), *DESCRIPTORS.names()})


def computed_oracle(text: str, heads: Heads | None = None) -> Oracle | None:
    """Make the oracle of a text if molvae computes it (`is_computed`); None otherwise.

    Nothing is started, imported or called: the result is None for programs, servers, user code and unknown
    names (measurements). Without a model's heads, `predicted_NAME` has no values.

    Raises:
        UnknownNameError: The model does not predict it.
        UsageError: It is computed, but its options or argument are wrong.

    >>> [computed_oracle(text) is None for text in ("falling[3,4]:logp", "dock.py:score", "potency")]
    [False, True, True]
    """
    try:
        oracle = _computed(text, Heads() if heads is None else heads)
    except _NotComputedError:
        return None
    return oracle if is_computed(oracle) else None


class _NotComputedError(Exception):
    """An oracle that molvae does not compute."""


def _computed(text: str, heads: Heads) -> Oracle:
    parts = OracleText.read(text)
    if parts.name in _NESTED:
        return _NESTED[parts.name](parts, partial(_computed, heads=heads))
    if is_head(text.strip()):
        return heads.oracle(text.strip())
    if parts.name in _PLAIN or parts.name in DESCRIPTORS:
        return make_oracle(text)
    raise _NotComputedError(text)


class _Nested(Protocol):
    def __call__(self, text: OracleText, load: Callable[[str], Oracle]) -> Oracle: ...


_PLAIN: dict[str, OracleFactory] = {
    "similarity": similarity_oracle,
    "rediscovery": similarity_oracle,
    "isomers": isomer_oracle,
    "substructure": substructure_oracle,
    "penalized_logp": penalized_logp_oracle,
}
"""Functions of the molecule only."""

_NESTED: dict[str, _Nested] = {
    "mpo": mpo_oracle,
    **dict.fromkeys(SHAPES.names(), desirability_oracle),
    **dict.fromkeys(benchmark_names(), benchmark_oracle),
}
"""Oracles made from other oracles."""

_OUTSIDE: dict[str, OracleFactory] = {
    "docking": docking_oracle,
    "admet": admet_oracle,
    "cmd": command_oracle,
    "http": http_oracle,
    "https": http_oracle,
    "isolated": isolated_oracle,
    "ray": partial(ray_oracle, load=make_oracle),
    "inline": partial(inline_oracle, load=make_oracle),
}
"""Programs, servers and user code."""

for _name, _factory in {**_PLAIN, **_OUTSIDE}.items():
    ORACLES.add(_name, _factory)
for _name, _nested in _NESTED.items():
    ORACLES.add(_name, partial(_nested, load=make_oracle))


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


@dataclass(frozen=True)
class Definition:
    """An oracle and, if it has several terms, how they are combined; their weights sum to 1."""

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
    """The definition of a name of the catalog, or of any oracle; `trust` as for `load_oracle`.

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
