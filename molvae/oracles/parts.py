"""Decompose a composite objective into its scores, and recombine them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.oracles.base import Score, is_computed
from molvae.oracles.composite import CompositeOracle
from molvae.oracles.desirability import DesirabilityOracle, inner_score
from molvae.oracles.plugins import Outside, outlined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from molvae.oracles.base import Oracle

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Whole:
    """An `mpo:` with computed and expensive terms, as a function of its parts.

    A computed term is a part. For an expensive one, the part is the score inside its desirabilities, on its
    own scale.

    Attributes:
        oracle: The tree whose leaves are the parts.
        parts: Texts of the distinct parts.
    """

    oracle: Oracle
    parts: tuple[str, ...]

    def score(self, scores: Mapping[str, Score]) -> Score:
        """The score of a molecule, given those of its parts."""
        return _score(self.oracle, scores)

    def values(self, columns: Mapping[str, Array]) -> Array:
        """The values of molecules, given those of the parts as arrays of equal shape."""
        return _values(self.oracle, columns)


def taken_apart(text: str) -> Whole | None:
    """An `mpo:` (or a desirability of one) with expensive parts as a function of them; None otherwise.

    Nothing is started, imported or called: parts that molvae does not compute may be programs, servers, user
    functions or measurements.

    Raises:
        ConfigError: The file cannot be read.
        UsageError: A computed term has wrong options or argument.
    """
    oracle = outlined(text) if inner_score(text).name == "mpo" else None
    if oracle is None or is_computed(oracle):
        return None
    return Whole(oracle, tuple(dict.fromkeys(_leaves(oracle))))


def _leaves(oracle: Oracle) -> Iterator[str]:
    if is_computed(oracle) or isinstance(oracle, Outside):
        yield oracle.name
    elif isinstance(oracle, DesirabilityOracle):
        yield from _leaves(oracle.oracle)
    elif isinstance(oracle, CompositeOracle):
        for term in oracle.terms:
            yield from _leaves(term)


def _score(oracle: Oracle, scores: Mapping[str, Score]) -> Score:
    if oracle.name in scores:
        return _number(scores[oracle.name], oracle.name)
    if isinstance(oracle, DesirabilityOracle):
        return oracle.desirability(_score(oracle.oracle, scores))
    assert isinstance(oracle, CompositeOracle)  # noqa: S101 - only these have parts
    return oracle.combined([_score(term, scores) for term in oracle.terms])


def _number(score: Score, name: str) -> Score:
    """The score if it is a number, else a failure (also for bounds)."""
    if score.status in {"above", "below"}:
        sign = ">" if score.status == "above" else "<"
        return Score.failed(f"{name} is only known as {sign}{score.value:g}")
    return score if score.is_ok else Score(math.nan, score.status, score.detail)


def _values(oracle: Oracle, columns: Mapping[str, Array]) -> Array:
    if oracle.name in columns:
        return columns[oracle.name]
    if isinstance(oracle, DesirabilityOracle):
        inner = _values(oracle.oracle, columns)
        found = [oracle.shape(value) for value in inner.ravel().tolist()]
        return np.array(found, dtype=np.float64).reshape(inner.shape)
    assert isinstance(oracle, CompositeOracle)  # noqa: S101 - only these have parts
    terms = [_values(term, columns) for term in oracle.terms]
    pairs = list(zip(oracle.weights, terms, strict=True))
    if oracle.mean == "arithmetic":
        return np.asarray(sum(weight * term for weight, term in pairs))
    return np.asarray(math.prod(np.maximum(term, 0.0) ** weight for weight, term in pairs))
