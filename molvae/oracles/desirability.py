"""Desirabilities: any score mapped to 0 (worst) to 1 (best), as in `gaussian[2,0.5]:logp`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from molvae.errors import UsageError
from molvae.oracles.base import OracleText, Score, ask, is_computed, n_workers
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import Oracle

Shape = Callable[[float], float]
"""Maps a score to 0 to 1."""

SHAPES: Registry[Callable[..., Shape]] = Registry("desirability", "molvae.desirabilities")
"""Makes a shape from its numbers; raises `ValueError` for invalid ones."""


@SHAPES.register("clipped")
def clipped(upper: float) -> Shape:
    """Proportional to the score, 1 from `upper` on."""
    if upper <= 0:
        raise ValueError(f"upper must be positive, got {upper:g}")
    return lambda x: min(max(x / upper, 0.0), 1.0)


@SHAPES.register("gaussian")
def gaussian(mu: float, sigma: float) -> Shape:
    """1 at `mu`, falling to both sides."""
    _check_width(sigma)
    return lambda x: _bell(x - mu, sigma)


@SHAPES.register("min_gaussian")
def min_gaussian(mu: float, sigma: float) -> Shape:
    """1 up to `mu`, falling above: smaller is better."""
    _check_width(sigma)
    return lambda x: _bell(max(x - mu, 0.0), sigma)


@SHAPES.register("max_gaussian")
def max_gaussian(mu: float, sigma: float) -> Shape:
    """1 from `mu` on, falling below: larger is better."""
    _check_width(sigma)
    return lambda x: _bell(min(x - mu, 0.0), sigma)


@SHAPES.register("between")
def between(low: float, high: float, sigma: float) -> Shape:
    """1 from `low` to `high`, falling on both sides."""
    _check_order(low, high)
    _check_width(sigma)
    return lambda x: _bell(max(low - x, 0.0, x - high), sigma)


@SHAPES.register("rising")
def rising(low: float, high: float) -> Shape:
    """0 up to `low`, 1 from `high` on, straight between (Derringer and Suich 1980)."""
    _check_order(low, high)
    return lambda x: min(max((x - low) / (high - low), 0.0), 1.0)


@SHAPES.register("falling")
def falling(low: float, high: float) -> Shape:
    """1 up to `low`, 0 from `high` on, straight between."""
    _check_order(low, high)
    return lambda x: min(max((high - x) / (high - low), 0.0), 1.0)


@SHAPES.register("logistic")
def logistic(middle: float, slope: float) -> Shape:
    """One half at `middle`, rising smoothly to 1, or falling where `slope` is negative."""
    if slope == 0:
        raise ValueError("slope must not be 0")
    return lambda x: 0.5 * (1.0 + math.tanh(0.5 * slope * (x - middle)))


class DesirabilityOracle:
    """The desirability of another oracle's score, if that has a value.

    >>> from molvae.chemistry.molecule import parse
    >>> from molvae.oracles.computed import descriptor_oracle
    >>> small = DesirabilityOracle(descriptor_oracle("heavy_atoms"), falling(2, 6), "small")
    >>> [score.value for score in small([parse("C"), parse("CCO"), parse("CCCCCCC")])]
    [1.0, 0.75, 0.0]
    """

    span: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, oracle: Oracle, shape: Shape, name: str) -> None:
        self.oracle = oracle
        self.shape = shape
        self.name = name

    @property
    def computed(self) -> bool:
        """Whether the inner oracle is computed."""
        return is_computed(self.oracle)

    @property
    def workers(self) -> int:
        """Molecules scored in parallel by the inner oracle."""
        return n_workers(self.oracle)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """Desirability of each molecule."""
        return [self.desirability(score) for score in ask(self.oracle, molecules)]

    def desirability(self, score: Score) -> Score:
        """Desirability of a score of the inner oracle; one without a value is unchanged."""
        return Score.of(self.shape(score.value)) if score.is_ok else score


def desirability_oracle(text: OracleText, load: Callable[[str], Oracle]) -> DesirabilityOracle:
    """The oracle of `shape[number,...]:SCORE`, where SCORE is the text of any oracle.

    Raises:
        UsageError: Wrong numbers, or no score.
    """
    make = SHAPES.get(text.name)
    text.require_argument(f"'{text}' needs a score", example=f"{shape_usage(text.name)[:-5]}logp")
    try:
        numbers = [float(option) for option in text.options]
    except ValueError:
        numbers = []
    if len(numbers) != len(inspect.signature(make).parameters) or not all(map(math.isfinite, numbers)):
        got = ", ".join(text.options) or "none"
        raise UsageError(f"{text.name} takes its numbers in brackets, {shape_usage(text.name)}; got {got}")
    try:
        shape = make(*numbers)
    except ValueError as error:
        raise UsageError(f"{error} in '{text}'", hint=f"Write {shape_usage(text.name)}.") from None
    return DesirabilityOracle(load(text.argument), shape, str(text))


def inner_score(text: str) -> OracleText:
    """The score inside all desirabilities of a text.

    >>> str(inner_score("rising[0,1]:falling[2,5]:docking:DRD2"))
    'docking:DRD2'
    """
    parts = OracleText.read(text)
    return inner_score(parts.argument) if parts.name in SHAPES else parts


def shape_usage(name: str) -> str:
    """The text of a shape.

    >>> shape_usage("gaussian")
    'gaussian[mu,sigma]:SCORE'
    """
    return f"{name}[{','.join(inspect.signature(SHAPES.get(name)).parameters)}]:SCORE"


def _bell(distance: float, sigma: float) -> float:
    scaled = distance / sigma
    return math.exp(-0.5 * scaled * scaled)


def _check_width(sigma: float) -> None:
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma:g}")


def _check_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"low must be below high, got {low:g} and {high:g}")
