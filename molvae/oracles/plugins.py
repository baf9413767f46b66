"""Make an oracle from its text: a name, a descriptor, a program, a user function."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from molvae.chemistry.descriptors import DESCRIPTORS
from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import ORACLES, Oracle, OracleFactory, OracleText, Score, is_computed
from molvae.oracles.command import command_oracle, inline_oracle, isolated, isolated_oracle
from molvae.oracles.composite import benchmark_names, benchmark_oracle, mpo_oracle
from molvae.oracles.computed import (
    descriptor_oracle,
    isomer_oracle,
    penalized_logp_oracle,
    similarity_oracle,
    substructure_oracle,
)
from molvae.oracles.desirability import SHAPES, desirability_oracle
from molvae.oracles.docking import docking_oracle
from molvae.oracles.functions import USER_FUNCTION, check_user_function
from molvae.oracles.heads import Heads, admet_oracle, is_head
from molvae.oracles.http import http_oracle
from molvae.oracles.references import WRAPPERS, terms_of
from molvae.oracles.remote import ray_oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molvae.chemistry.molecule import Molecule


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
    """Refuse an oracle that would run a program or code that only a file names.

    Journals, settings and `mpo:` files may be untrusted. An oracle they name runs only if molvae computes it
    or the user names it too.

    Raises:
        ConfigError: An `mpo:` file cannot be read.
        UsageError: It would run a program or code, or call a server.
    """
    parts = OracleText.read(text)
    harmless = parts.name in {*_PLAIN, *_NESTED, *DESCRIPTORS.names()}
    known = parts.name in ORACLES or USER_FUNCTION.fullmatch(text.strip())
    if parts.name in SHAPES or (named and parts.name in WRAPPERS):
        check_origin(parts.argument, named=named)
    elif parts.name == "mpo" and parts.argument:
        for term in terms_of(Path(parts.argument)):
            check_origin(term, named=False)
    elif known and not harmless and not named:
        raise UsageError(
            f"the oracle '{text}' is named by a file and not by you, so it is not run",
            hint="It would run a program or code, or call a server. If you trust the author of that file, "
            f"name it yourself (--maximize '{text}'), or add --trust (in Python trust=True).",
        )


def make_oracle(text: str) -> Oracle:
    """`load_oracle` for a text whose origin has been checked."""
    text = text.strip()
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
    if USER_FUNCTION.fullmatch(text):
        check_user_function(text, known_oracles())
        return isolated(text)
    if text.endswith(".py"):
        raise UsageError(
            f"'{text}' names a file, an oracle is a function in it", hint=f"For example: {text}:score"
        )
    raise UnknownNameError(
        f"unknown oracle '{text}'{suggest(parts.name, known_oracles())}",
        hint="Property heads are available in optimize, ask and screen, which have a model."
        if is_head(text)
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
    oracle = outlined(text, heads)
    return oracle if oracle is not None and is_computed(oracle) else None


class Outside:
    """Stands for an oracle that molvae does not compute; it has no scores."""

    computed: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.was_asked = False

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """A failure for each molecule."""
        self.was_asked = True
        return [Score.failed("it is not computed")] * len(molecules)


def outlined(text: str, heads: Heads | None = None) -> Oracle | None:
    """The oracle of a text with an `Outside` for each score in it that molvae does not compute.

    Nothing is started, imported or called. The result is None if a number of a desirability is such a score,
    that of a reference molecule.

    Raises:
        ConfigError: An `mpo:` file cannot be read.
        UnknownNameError: The model does not predict a score of that name.
        UsageError: Options or argument of a computed score are wrong.
    """
    left_out: list[Outside] = []

    def load(text: str) -> Oracle:
        text = text.strip()
        parts = OracleText.read(text)
        if parts.name in _NESTED:
            return _NESTED[parts.name](parts, load)
        if is_head(text):
            return (heads or Heads()).oracle(text)
        if parts.name in _PLAIN or parts.name in DESCRIPTORS:
            return make_oracle(text)
        left_out.append(Outside(text))
        return left_out[-1]

    try:
        return load(text)
    except UsageError:
        if any(oracle.was_asked for oracle in left_out):
            return None
        raise


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
