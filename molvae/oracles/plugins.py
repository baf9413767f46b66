"""Make an oracle from its text: a registered name, a descriptor, or a function of the user."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from molvae.chemistry.descriptors import DESCRIPTORS
from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import ORACLES, Oracle, OracleFactory, OracleText, is_computed
from molvae.oracles.command import command_oracle, inline_oracle, isolated, isolated_oracle
from molvae.oracles.composite import benchmark_names, benchmark_oracle, mpo_oracle
from molvae.oracles.computed import (
    DescriptorOracle,
    isomer_oracle,
    penalized_logp_oracle,
    similarity_oracle,
    substructure_oracle,
)
from molvae.oracles.desirability import SHAPES, desirability_oracle
from molvae.oracles.docking import docking_oracle
from molvae.oracles.functions import OWN, check_own
from molvae.oracles.heads import Heads, admet_oracle, is_head
from molvae.oracles.http import http_oracle
from molvae.oracles.references import refuse_hidden_programs
from molvae.oracles.remote import ray_oracle

if TYPE_CHECKING:
    from collections.abc import Callable


def load_oracle(text: str, *, named: bool = True, trust: bool = False) -> Oracle:
    """Make the oracle of a text.

    * `qed`, `logp`, `sa`, ...: any descriptor;
    * `similarity:SMILES`, `similarity[fcfp4]:SMILES`: likeness to a molecule;
    * `isomers:FORMULA`, `substructure:SMARTS`, `penalized_logp[variant]`;
    * `gaussian[2,0.5]:logp` and other desirabilities, of any oracle;
    * `mpo:FILE.toml`: the mean of several of these;
    * `osimertinib_mpo`, ...: the objectives of PMO and GuacaMol;
    * any other registered name, as `name[options]:argument`;
    * `docking[vina]:TARGET`: a docking score; `admet:NAME`: a prediction of ADMET-AI;
    * `module:function` or `path/to/file.py:function`: a function of a list of SMILES, or of one, in a
      separate process; `inline:module:function` in this one;
    * `cmd:PROGRAM ARGS`: a program that speaks `molvae.oracles.protocol`; `http://...`: a server that does;
    * `isolated[workers=4,timeout=60]:ORACLE`: any of these in separate processes, and
      `ray[workers=40]:ORACLE` in actors of a Ray cluster.

    Args:
        text: Of the oracle.
        named: Whether the user has named it, rather than a file (a journal, settings).
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
    return _loaded(text)


def check_origin(text: str, *, named: bool) -> None:
    """Refuse an oracle that would run a program or code that only a file names (`references.py`).

    Raises:
        ConfigError: An `mpo:` file cannot be read.
        UsageError: It would.
    """
    refuse_hidden_programs(text, {*_PLAIN, *_NESTED, *DESCRIPTORS.names()}, named=named)


def _loaded(text: str) -> Oracle:
    parts = OracleText.read(text)
    if parts.name in ORACLES:
        return ORACLES.get(parts.name)(parts)
    if parts.name in DESCRIPTORS and not parts.options and not parts.argument:
        return DescriptorOracle(parts.name)
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
    """Names of all oracles except functions of the user, sorted."""
    return sorted({*ORACLES.names(), *DESCRIPTORS.names()})


def computed_oracle(text: str, heads: Heads | None = None) -> Oracle | None:
    """Make the oracle of a text if molvae computes it (`is_computed`); None otherwise.

    Nothing is started, imported or called: the result is None for programs, servers and code of the user, and
    for unknown names such as that of a measurement.

    Args:
        text: Of the oracle.
        heads: Of the model that predicts `predicted_NAME`; without it, these oracles have no values.

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
        return _loaded(text)
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
"""Functions of the molecule alone."""

_NESTED: dict[str, _Nested] = {
    "mpo": mpo_oracle,
    **dict.fromkeys(SHAPES.names(), desirability_oracle),
    **dict.fromkeys(benchmark_names(), benchmark_oracle),
}
"""Made of other oracles, which they load."""

_OUTSIDE: dict[str, OracleFactory] = {
    "docking": docking_oracle,
    "admet": admet_oracle,
    "cmd": command_oracle,
    "http": http_oracle,
    "https": http_oracle,
    "isolated": isolated_oracle,
    "ray": partial(ray_oracle, load=_loaded),
    "inline": partial(inline_oracle, load=_loaded),
}
"""Programs, servers, and code of the user."""

for _name, _factory in {**_PLAIN, **_OUTSIDE}.items():
    ORACLES.add(_name, _factory)
for _name, _nested in _NESTED.items():
    ORACLES.add(_name, partial(_nested, load=_loaded))
