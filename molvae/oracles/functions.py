"""User functions as oracles: `module:function`, `path/to/file.py:function`, or Python objects."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from importlib.machinery import PathFinder
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.oracles.base import Oracle, Score, describe_answer, describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from molvae.chemistry.molecule import Molecule


Style = Literal["many", "one"]
"""Whether a function takes a list of SMILES (and returns a list of numbers) or a single one."""

USER_FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*|.+\.py):(?P<attribute>[A-Za-z_][\w.]*)")
"""The text of a user function."""


class FunctionOracle:
    """A function of canonical SMILES.

    Exceptions, NaN, `None` and answers of a wrong type or length become `failed` scores. A list function that
    fails on a batch is called for each molecule, so that only bad ones fail. Whether it takes a list or one
    SMILES is inferred from its annotation or the first call.

    >>> from molvae.chemistry.molecule import parse
    >>> def carbons(smiles: str) -> float:
    ...     return 1 / smiles.count("C")
    >>> [
    ...     score.detail or score.value
    ...     for score in FunctionOracle(carbons, "carbons")([parse("CC"), parse("N")])
    ... ]
    [0.5, 'ZeroDivisionError: division by zero']
    """

    def __init__(self, function: Callable[[Any], Any], name: str) -> None:
        self._function = function
        self.name = name
        self._style = _annotated_style(function)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule."""
        smiles = [molecule.smiles for molecule in molecules]
        if not smiles:
            return []
        if self._style != "one":
            scores = self._batch(smiles)
            if isinstance(scores, list):
                if any(score.is_ok for score in scores):
                    self._style = "many"
                return scores
            if self._style == "many" and len(smiles) == 1:
                return [scores]
        return [self._alone(text) for text in smiles]

    def _alone(self, text: str) -> Score:
        """The score of one molecule; the first success settles an unknown style."""
        if self._style == "one":
            return Score.of(self._called(text))
        scores = self._batch([text])
        as_list = scores[0] if isinstance(scores, list) else scores
        if as_list.is_ok:
            self._style = "many"
        if self._style == "many":
            return as_list
        as_text = Score.of(self._called(text))
        if as_text.is_ok:
            self._style = "one"
            return as_text
        return Score.failed(f"given a list: {as_list.detail}; given a text: {as_text.detail}")

    def _batch(self, smiles: list[str]) -> list[Score] | Score:
        """A score for each, or one failure of the whole batch."""
        answer = self._called(list(smiles))
        if isinstance(answer, Score):
            return answer
        if not isinstance(answer, Iterable) or isinstance(
            answer, (str, bytes, bytearray, Mapping, AbstractSet)
        ):
            return Score.failed(f"expected a list of {len(smiles)} numbers, got {describe_answer(answer)}")
        try:
            answers = list(islice(answer, len(smiles) + 1))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's iterator
            return Score.failed(describe_error(error))
        if len(answers) != len(smiles):
            count = f"{len(answers)}" if len(answers) < len(smiles) else f"more than {len(smiles)}"
            return Score.failed(f"{count} answers for {len(smiles)} molecules")
        return [Score.of(item) for item in answers]

    def _called(self, argument: str | list[str]) -> Any:
        """The function's result, or a failed score if it raises (including `SystemExit`)."""
        try:
            return self._function(argument)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user function
            return Score.failed(describe_error(error))


def _annotated_style(function: Callable[[Any], Any]) -> Style | None:
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except Exception:  # noqa: BLE001 - no signature, or invalid annotations: the first call decides
        return None
    if not parameters or parameters[0].annotation is inspect.Parameter.empty:
        return None
    return "one" if parameters[0].annotation is str else "many"


def check_user_function(text: str, known: Iterable[str] = ()) -> None:
    """Refuse a text whose module does not exist, without importing anything; `known` names are suggested.

    Raises:
        UsageError: Invalid text, or there is no such module or file.
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
            hint=f"Searched {folder} and the installed packages.",
        )


def user_function_oracle(text: str) -> Oracle:
    """The oracle of `module:function` or `path/to/file.py:function`, here; a class is instantiated.

    Raises:
        UnknownNameError: The module has no such function.
        UsageError: Invalid text, or the module cannot be imported.
    """
    check_user_function(text)
    module_name, attribute = _parts(text)
    found: Any = _module(module_name, text)
    for part in attribute.split("."):
        if not hasattr(found, part):
            options = [name for name in dir(found) if not name.startswith("_")]
            raise UnknownNameError(f"'{module_name}' has no '{attribute}'{suggest(attribute, options)}")
        found = getattr(found, part)
    if inspect.isclass(found):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise UsageError(f"the oracle '{text}' cannot be made: {describe_error(error)}") from error
    if not callable(found):
        raise UsageError(f"the oracle '{text}' is a {type(found).__name__}, expected a function")
    if isinstance(found, Oracle) and isinstance(found.name, str):
        return found
    return FunctionOracle(found, text)


def _parts(text: str) -> tuple[str, str]:
    parts = USER_FUNCTION.fullmatch(text.strip())
    if parts is None:
        raise UsageError(f"expected module:function or file.py:function, got '{text}'")
    return parts["module"], parts["attribute"]


def _module(name: str, text: str) -> ModuleType:
    """Import a file, or a module that is installed or in the current directory; add its folder to the path.

    A file is loaded by its path under a unique name, so that no other module of that name runs instead.
    """
    path = Path(name)
    folder = path.parent.resolve() if name.endswith(".py") else Path.cwd()
    try:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # last, so that it shadows no installed module
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
