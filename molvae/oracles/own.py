"""A function of the user's own as an oracle, by the text `module:function` or `path/to/file.py:function`."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
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


def own_oracle(text: str, known: Iterable[str] = ()) -> Oracle:
    """The oracle `module:function` or `path/to/file.py:function` means, in this process.

    Args:
        text: Module and function; a class is instantiated.
        known: Names that may have been meant where there is no such module.

    Raises:
        UnknownNameError: The module has no such function; the nearest is named.
        UsageError: The text is none of these, or the module cannot be imported.
    """
    parts = OWN.fullmatch(text.strip())
    if parts is None:
        raise UsageError(f"expected module:function or file.py:function, got '{text}'")
    module_name, attribute = parts["module"], parts["attribute"]
    found: Any = _module(module_name, text, known)
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


def _module(name: str, text: str, known: Iterable[str]) -> ModuleType:
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"the oracle '{text}' names a file that does not exist: {path}")
        return _imported(path.stem, path.parent.resolve(), text, known)
    return _imported(name, Path.cwd(), text, known)


def _imported(name: str, folder: Path, text: str, known: Iterable[str]) -> ModuleType:
    """Imports a module that is installed or lies in `folder`, which then stays importable."""
    try:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # last, so that it shadows nothing that is installed
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name.partition(".")[0]:
            nearest = suggest(name, known)
            raise UsageError(
                f"the oracle '{text}' names a module that is not found: {name}{nearest}",
                hint=f"Looked in {folder} and among what is installed.",
            ) from error
        raise UsageError(f"the oracle '{text}' cannot be imported: {describe_error(error)}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"the oracle '{text}' cannot be imported: {describe_error(error)}") from error
