"""From one text to an oracle: a registered name, a descriptor, or `module:function` of the user's own."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.chemistry.descriptors import DESCRIPTORS
from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import ORACLES, Oracle, OracleFactory, OracleText, describe_error
from molvae.oracles.benchmarks import benchmark_names, benchmark_oracle
from molvae.oracles.composite import mpo_oracle
from molvae.oracles.desirability import SHAPES, desirability_oracle
from molvae.oracles.functions import FunctionOracle
from molvae.oracles.isomers import isomer_oracle
from molvae.oracles.penalized_logp import penalized_logp_oracle
from molvae.oracles.properties import DescriptorOracle
from molvae.oracles.similarity import similarity_oracle
from molvae.oracles.substructure import substructure_oracle

if TYPE_CHECKING:
    from types import ModuleType

_MODULE_FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*|.+\.py):(?P<attribute>[A-Za-z_][\w.]*)")


def load_oracle(text: str) -> Oracle:
    """The oracle a text means.

    * `qed`, `logp`, `sa`, ...: any descriptor;
    * `similarity:SMILES`, `similarity[fcfp4]:SMILES`: likeness to a molecule;
    * `isomers:FORMULA`, `substructure:SMARTS`, `penalized_logp[variant]`;
    * `gaussian[2,0.5]:logp` and other desirabilities, of any oracle;
    * `mpo:FILE.toml`: the mean of several of these;
    * `osimertinib_mpo`, ...: the objectives of PMO and GuacaMol;
    * any other registered name, with what it wants as `name[options]:argument`;
    * `module:function` or `path/to/file.py:function`: a function of a list of SMILES, or of one.

    Raises:
        UnknownNameError: No oracle has this name; the nearest is named.
        UsageError: Options or argument are wrong, or the user's module cannot be imported.

    >>> load_oracle("qed").name
    'qed'
    """
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
    own = _MODULE_FUNCTION.fullmatch(text.strip())
    if own is not None:
        return _own_oracle(own["module"], own["attribute"], text.strip())
    known = known_oracles()
    raise UnknownNameError(
        f"unknown oracle '{text}'{suggest(parts.name, known)}",
        hint=f"Known: {', '.join(known)}; or your own function as module:function.",
    )


def known_oracles() -> list[str]:
    """Names of all oracles that are not a user's own function, sorted."""
    return sorted({*ORACLES.names(), *DESCRIPTORS.names()})


def _own_oracle(module_name: str, attribute: str, text: str) -> Oracle:
    found: Any = _module(module_name, text)
    for part in attribute.split("."):
        if not hasattr(found, part):
            options = [name for name in dir(found) if not name.startswith("_")]
            raise UnknownNameError(f"'{module_name}' has no '{attribute}'{suggest(attribute, options)}")
        found = getattr(found, part)
    if inspect.isclass(found):
        found = _instance(found, text)
    if not callable(found):
        raise UsageError(f"the oracle '{text}' is a {type(found).__name__}, expected a function")
    if isinstance(found, Oracle) and isinstance(found.name, str):
        return found
    return FunctionOracle(found, text)


def _instance(kind: type, text: str) -> Any:
    try:
        return kind()
    except (Exception, SystemExit) as error:
        raise UsageError(f"the oracle '{text}' cannot be made: {describe_error(error)}") from error


def _module(name: str, text: str) -> ModuleType:
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"the oracle '{text}' names a file that does not exist: {path}")
        return _imported(path.stem, path.parent.resolve(), text)
    return _imported(name, Path.cwd(), text)


def _imported(name: str, folder: Path, text: str) -> ModuleType:
    """Imports a module that is installed or lies in `folder`, which then stays importable."""
    try:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # last, so that it shadows nothing that is installed
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name.partition(".")[0]:
            nearest = suggest(name, known_oracles())
            raise UsageError(
                f"the oracle '{text}' names a module that is not found: {name}{nearest}",
                hint=f"Looked in {folder} and among what is installed.",
            ) from error
        raise UsageError(f"the oracle '{text}' cannot be imported: {describe_error(error)}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"the oracle '{text}' cannot be imported: {describe_error(error)}") from error


_BUILT_IN: dict[str, OracleFactory] = {
    "similarity": similarity_oracle,
    "rediscovery": similarity_oracle,
    "isomers": isomer_oracle,
    "substructure": substructure_oracle,
    "penalized_logp": penalized_logp_oracle,
    "mpo": partial(mpo_oracle, load=load_oracle),
    **dict.fromkeys(SHAPES.names(), partial(desirability_oracle, load=load_oracle)),
    **dict.fromkeys(benchmark_names(), partial(benchmark_oracle, load=load_oracle)),
}
for _name, _factory in _BUILT_IN.items():
    ORACLES.add(_name, _factory)
