"""A substructure that must or must not be there as an oracle: `substructure:SMARTS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.facts import facts_of
from molvae.chemistry.substructure import pattern
from molvae.errors import UsageError
from molvae.oracles.base import OracleText, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule


class SubstructureOracle:
    """Scores a molecule 1 or 0, whether a SMARTS pattern occurs in its standard form or not.

    Args:
        smarts: The pattern.
        absent: 1 where it does not occur.
        name: What the oracle is called; by default the text that makes it.

    Raises:
        UsageError: The text is no SMARTS.

    >>> from molvae.chemistry.molecule import parse
    >>> [score.value for score in SubstructureOracle("[OH]")([parse("CCO"), parse("COC")])]
    [1.0, 0.0]
    """

    computed: ClassVar[bool] = True
    span: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, smarts: str, *, absent: bool = False, name: str | None = None) -> None:
        pattern(smarts)
        self.smarts = smarts
        self.absent = absent
        self._name = name or f"substructure{'[absent]' if absent else ''}:{smarts}"

    @property
    def name(self) -> str:
        """The text that makes this oracle."""
        return self._name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """1 or 0 for each molecule."""
        found = (facts_of(molecule).standard.contains(self.smarts) for molecule in molecules)
        return [Score.ok(float(present is not self.absent)) for present in found]


def substructure_oracle(text: OracleText) -> SubstructureOracle:
    """`substructure:SMARTS`: 1 where the pattern occurs, else 0; `substructure[absent]:SMARTS` the reverse.

    Raises:
        UsageError: No SMARTS, or an option other than `absent`.
    """
    text.require_argument("a substructure needs a SMARTS pattern", example="substructure:[CX4][OH]")
    if text.options not in {(), ("absent",), ("present",)}:
        raise UsageError(f"a substructure is [present] or [absent], got [{','.join(text.options)}]")
    return SubstructureOracle(text.argument, absent=text.options == ("absent",), name=str(text))
