"""A function of the user's own as an oracle, by the text `module:function` or `path/to/file.py:function`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import Oracle, describe_error
from molvae.oracles.functions import FunctionOracle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

OWN = re.compile(r"(?P<module>[A-Za-z_][\w.]*|.+\.py):(?P<attribute>[A-Za-z_][\w.]*)")
"""What a function of the user's own looks like."""


def check_own(text: str, known: Iterable[str] = ()) -> None:
    """Refuse a text whose module is nowhere, without importing anything.

    Args:
        text: `module:function` or `path/to/file.py:function`.
        known: Names that may have been meant instead.

    Raises:
        UsageError: The text is none of these, or there is no such module or file.
    """
    name = _parts(text)[0]
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise UsageError(f"the oracle '{text}' names a file that does not exist: {name}")
        return
    top, folder = name.partition(".")[0], Path.cwd()
    if top not in sys.builtin_module_names and PathFinder.find_spec(top, [*sys.path, str(folder)]) is None:
        raise UsageError(
            f"the oracle '{text}' names a module that is not found: {name}{suggest(name, known)}",
            hint=f"Looked in {folder} and among what is installed.",
        )


def own_oracle(text: str) -> Oracle:
    """The oracle `module:function` or `path/to/file.py:function` means, in this process.

    Args:
        text: Module and function; a class is instantiated.

    Raises:
        UnknownNameError: The module has no such function; the nearest is named.
        UsageError: The text is none of these, or the module cannot be imported.
    """
    check_own(text)
    module_name, attribute = _parts(text)
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


def _parts(text: str) -> tuple[str, str]:
    parts = OWN.fullmatch(text.strip())
    if parts is None:
        raise UsageError(f"expected module:function or file.py:function, got '{text}'")
    return parts["module"], parts["attribute"]


def _instance(kind: type, text: str) -> Any:
    try:
        return kind()
    except (Exception, SystemExit) as error:
        raise UsageError(f"the oracle '{text}' cannot be made: {describe_error(error)}") from error


def _module(name: str, text: str) -> ModuleType:
    """The file, or a module that is installed or lies here; its folder then is where it finds others.

    A file is loaded by its path under a name of its own, so that no other module of that name runs instead.
    """
    path = Path(name)
    folder = path.parent.resolve() if name.endswith(".py") else Path.cwd()
    try:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # last, so that it shadows nothing that is installed
        return _loaded(path.resolve()) if name.endswith(".py") else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"the oracle '{text}' cannot be imported: {describe_error(error)}") from error


def _loaded(path: Path) -> ModuleType:
    name = f"_molvae_own_{hashlib.sha256(bytes(path)).hexdigest()[:16]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[name])
    except BaseException:
        del sys.modules[name]
        raise
    return sys.modules[name]
