"""A Python function as an oracle: of a list of SMILES or of one, and never a crash whatever it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from molvae.oracles.base import Score, describe_answer, describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

Style = Literal["many", "one"]
"""Whether a function takes a list of SMILES (and returns as many numbers) or a single one."""


class FunctionOracle:
    """Scores molecules by a function of their canonical SMILES.

    Args:
        function: `function(list[str]) -> list[float]` or `function(str) -> float`.
        name: What the oracle is called.
        style: Which of the two it is; by default its annotation decides, and without one the first call does.

    What is raised, NaN, `None`, of another type or of another length becomes a `failed` score that says so.
    When a list function fails on a batch, it is asked again one by one: a bad molecule costs only itself.

    >>> from molvae.chemistry.molecule import parse
    >>> def carbons(smiles: str) -> float:
    ...     return 1 / smiles.count("C")
    >>> [
    ...     score.detail or score.value
    ...     for score in FunctionOracle(carbons, "carbons")([parse("CC"), parse("N")])
    ... ]
    [0.5, 'ZeroDivisionError: division by zero']
    """

    def __init__(self, function: Callable[[Any], Any], name: str, *, style: Style | None = None) -> None:
        self._function = function
        self._name = name
        self._style = style or _annotated_style(function)

    @property
    def name(self) -> str:
        """The text that makes this oracle."""
        return self._name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule."""
        smiles = [molecule.smiles for molecule in molecules]
        if not smiles:
            return []
        if self._style == "one":
            return [self._one(text) for text in smiles]
        scores = self._batch(smiles)
        if isinstance(scores, list):
            if any(score.is_ok for score in scores):
                self._style = "many"
            return scores
        if self._style == "many" and len(smiles) == 1:
            return [scores]
        return [self._alone(text) for text in smiles]

    def _one(self, text: str) -> Score:
        answer = self._called(text)
        return answer if isinstance(answer, Score) else Score.of(answer)

    def _alone(self, text: str) -> Score:
        """The score of a molecule whose batch has failed; the first that is good decides an open style."""
        if self._style == "one":
            return self._one(text)
        scores = self._batch([text])
        as_list = scores[0] if isinstance(scores, list) else scores
        if self._style == "many":
            return as_list
        as_text = Score.failed("") if as_list.is_ok else self._one(text)
        if as_list.is_ok or as_text.is_ok:
            self._style = "many" if as_list.is_ok else "one"
            return as_list if as_list.is_ok else as_text
        return Score.failed(f"given a list: {as_list.detail}; given a text: {as_text.detail}")

    def _batch(self, smiles: list[str]) -> list[Score] | Score:
        """A score for each, or the one failure of the whole batch."""
        answer = self._called(list(smiles))
        if isinstance(answer, Score):
            return answer
        if not isinstance(answer, Iterable) or isinstance(
            answer, (str, bytes, bytearray, Mapping, AbstractSet)
        ):
            return Score.failed(f"expected a list of {len(smiles)} numbers, got {describe_answer(answer)}")
        try:
            answers = list(islice(answer, len(smiles) + 1))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's iterator
            return Score.failed(describe_error(error))
        if len(answers) != len(smiles):
            count = f"{len(answers)}" if len(answers) < len(smiles) else f"more than {len(smiles)}"
            return Score.failed(f"{count} answers for {len(smiles)} molecules")
        return [Score.of(item) for item in answers]

    def _called(self, argument: str | list[str]) -> Any:
        """What the function returns, or the failed score of what it raises; asking to exit is a failure."""
        try:
            return self._function(argument)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's function
            return Score.failed(describe_error(error))


def _annotated_style(function: Callable[[Any], Any]) -> Style | None:
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except Exception:  # noqa: BLE001 - no signature, or annotations that cannot be evaluated: the first call decides
        return None
    if not parameters or parameters[0].annotation is inspect.Parameter.empty:
        return None
    return "one" if parameters[0].annotation is str else "many"
