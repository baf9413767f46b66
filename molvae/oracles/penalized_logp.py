"""Penalized logP, in the variants that have been published under this one name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.facts import facts_of
from molvae.errors import UsageError, suggest
from molvae.oracles.base import OracleText, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

_SMALL_RING = 6


@dataclass(frozen=True)
class Standardization:
    """Mean and standard deviation of each term over a training set.

    Attributes:
        logp: Of logP.
        sa: Of the synthetic accessibility.
        cycle: Of the atoms by which the largest cycle exceeds six.
    """

    logp: tuple[float, float] = (0.0, 1.0)
    sa: tuple[float, float] = (0.0, 1.0)
    cycle: tuple[float, float] = (0.0, 1.0)


VARIANTS = {
    # weighted retraining (Tripp 2020), LOL-BO, CoBO, InvBO: ZINC250k
    "zinc": Standardization((2.45777691, 1.43341767), (3.05352042, 0.83460587), (0.04861121, 0.28746695)),
    # the `logp` oracle of TDC; MolDQN, GCPN
    "tdc": Standardization(
        (2.4570953396190123, 1.434324401111988),
        (3.0525811293166134, 0.8335207024513095),
        (0.0485696876403053, 0.2860212110245455),
    ),
    # not standardized: logP - SA - cycle
    "raw": Standardization(),
}
"""Standardization by the name of the variant."""


class PenalizedLogP:
    """Scores a molecule by logP less synthetic accessibility less the excess of its largest cycle over six.

    Each of the three is standardized before it is added. The score grows without bound with the length of a
    carbon chain: read it beside QED, SA and the number of atoms.

    Args:
        variant: A name of `VARIANTS`; what they give differs in the third digit, `raw` in the first.
        name: What the oracle is called.

    >>> from molvae.chemistry.molecule import parse
    >>> [round(PenalizedLogP(name)([parse("C1CCCCCCC1")])[0].value, 3) for name in VARIANTS]
    [-3.865, -3.897, 0.121]
    """

    computed: ClassVar[bool] = True

    def __init__(self, variant: str = "zinc", *, name: str | None = None) -> None:
        if variant not in VARIANTS:
            raise UsageError(
                f"unknown variant '{variant}' of penalized logP{suggest(variant, VARIANTS)}",
                hint=f"Known: {', '.join(VARIANTS)}.",
            )
        self.variant = variant
        self._name = name or f"penalized_logp[{variant}]"

    @property
    def name(self) -> str:
        """The text that makes this oracle."""
        return self._name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """Penalized logP of each molecule."""
        return [self._score(molecule) for molecule in molecules]

    def _score(self, molecule: Molecule) -> Score:
        facts, terms = facts_of(molecule), VARIANTS[self.variant]
        logp, sa, cycle = (facts.descriptor(name) for name in ("logp", "sa", "largest_cycle"))
        excess = max(0.0, cycle - _SMALL_RING)
        value = (
            (logp - terms.logp[0]) / terms.logp[1]
            - (sa - terms.sa[0]) / terms.sa[1]
            - (excess - terms.cycle[0]) / terms.cycle[1]
        )
        return (
            Score.failed("logP or SA has no value for this molecule")
            if math.isnan(value)
            else Score.ok(value)
        )


def penalized_logp_oracle(text: OracleText) -> PenalizedLogP:
    """`penalized_logp[zinc]`: logP - SA - large cycles, standardized over ZINC250k; or tdc, or raw.

    Raises:
        UsageError: An unknown variant, or an argument.
    """
    if text.argument or len(text.options) > 1:
        raise UsageError(f"penalized_logp takes one variant and no argument, got '{text}'")
    return PenalizedLogP(text.options[0] if text.options else "zinc", name=str(text))
