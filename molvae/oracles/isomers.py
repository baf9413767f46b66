"""Closeness to a molecular formula as an oracle: `isomers:C7H8N2O2`."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.facts import facts_of
from molvae.chemistry.formula import formula_text, parse_formula
from molvae.errors import UsageError, suggest
from molvae.oracles.base import OracleText, Score
from molvae.oracles.config import MEANS, Mean
from molvae.oracles.desirability import gaussian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.chemistry.molecule import Molecule

_SIGMA_ELEMENT, _SIGMA_TOTAL = 1.0, 2.0  # atoms


class IsomerOracle:
    """Scores a molecule by how close its formula is to a given one, as GuacaMol and PMO do.

    The mean of one Gaussian per element of the formula (sigma 1 atom) and one of the number of all atoms
    (sigma 2). Elements that are not in the formula count in the total alone.

    Args:
        formula: Like C7H8N2O2.
        mean: Geometric (GuacaMol v2, PMO) or arithmetic (GuacaMol v1).
        name: What the oracle is called; by default the text that makes it.

    Raises:
        UsageError: Not a formula.

    >>> from molvae.chemistry.molecule import parse
    >>> [round(score.value, 3) for score in IsomerOracle("C2H6O")([parse("CCO"), parse("CO")])]
    [1.0, 0.404]
    """

    computed: ClassVar[bool] = True
    span: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, formula: str, mean: Mean = "geometric", *, name: str | None = None) -> None:
        self.counts = parse_formula(formula)
        self.mean = mean
        self._name = name or f"isomers:{formula_text(self.counts)}"
        self._shapes = {symbol: gaussian(n, _SIGMA_ELEMENT) for symbol, n in self.counts.items()}
        self._total = gaussian(sum(self.counts.values()), _SIGMA_TOTAL)

    @property
    def name(self) -> str:
        """The text that makes this oracle."""
        return self._name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """Closeness of each molecule, 0 to 1."""
        return [Score.ok(self._closeness(facts_of(molecule).elements())) for molecule in molecules]

    def _closeness(self, counts: Mapping[str, int]) -> float:
        terms = [shape(counts.get(symbol, 0)) for symbol, shape in self._shapes.items()]
        terms.append(self._total(sum(counts.values())))
        if self.mean == "arithmetic":
            return fmean(terms)
        return math.prod(terms) ** (1 / len(terms))


def isomer_oracle(text: OracleText) -> IsomerOracle:
    """`isomers:FORMULA`: closeness to a molecular formula, 0 to 1; `isomers[arithmetic]:FORMULA` as in v1.

    Raises:
        UsageError: Not a formula, or an unknown mean.
    """
    text.require_argument("isomers needs a formula", example="isomers:C7H8N2O2")
    named = {str(mean): mean for mean in MEANS}
    option = text.options[0].lower() if text.options else "geometric"
    if len(text.options) > 1 or option not in named:
        raise UsageError(
            f"isomers has one mean, {' or '.join(MEANS)}, got {', '.join(text.options)}"
            + suggest(option, MEANS)
        )
    return IsomerOracle(text.argument, named[option], name=str(text))
